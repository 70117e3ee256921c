//! A minimal HTTP/1.1 keep-alive connection. It shares the machine with the server that it
//! measures, so it does as little as possible.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most headers that a response may have.
const MAX_HEADERS: usize = 32;
/// Initial size of the buffer, in bytes.
const INITIAL_BUFFER_SIZE: usize = 4096;
/// Size of the largest response, in bytes.
const MAX_BUFFER_SIZE: usize = 1 << 20;

/// A connection with at most one request in flight.
pub struct HttpConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Response<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl HttpConnection {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; INITIAL_BUFFER_SIZE],
        })
    }

    /// Sends a complete request and waits for the complete response.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                self.grow_buffer()?;
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            let Some(head) = parse(&self.buffer[..filled])? else {
                continue;
            };
            let end = head.length + head.body_length;
            if filled > end {
                return Err(io::Error::other("bytes after the end of the response"));
            }
            if filled == end {
                return Ok(Response {
                    status: head.status,
                    body: &self.buffer[head.length..end],
                });
            }
        }
    }

    fn grow_buffer(&mut self) -> io::Result<()> {
        let size = self.buffer.len() * 2;
        if size > MAX_BUFFER_SIZE {
            return Err(io::Error::other("a response is too large"));
        }
        self.buffer.resize(size, 0);
        Ok(())
    }
}

/// Parses the head once it is complete. The gateway sends no chunked bodies, so a response with a
/// body has a `Content-Length`.
fn parse(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(received).map_err(io::Error::other)?;
    let (httparse::Status::Complete(length), Some(status)) = (parsed, response.code) else {
        return Ok(None);
    };
    let stated = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body_length = match stated {
        Some(header) => std::str::from_utf8(header.value)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
        None => (status == 204).then_some(0),
    };
    let body_length = body_length.ok_or_else(|| io::Error::other("a response without a Content-Length"))?;
    Ok(Some(Head {
        status,
        length,
        body_length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_complete() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
        for end in 0..whole.len() - 2 {
            assert!(parse(&whole[..end]).unwrap().is_none(), "{end} bytes");
        }
        let head = parse(whole).unwrap().unwrap();
        assert_eq!((head.status, head.length + head.body_length), (200, whole.len()));
    }

    #[test]
    fn a_body_needs_a_length() {
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert_eq!(
            parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_length,
            0
        );
    }
}
