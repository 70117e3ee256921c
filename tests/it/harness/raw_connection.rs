//! A TCP connection on which a test sends invalid or incomplete requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

pub struct RawConnection(TcpStream);

impl RawConnection {
    /// Far longer than any answer here takes, so only a failure reaches it.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    pub async fn to(address: SocketAddr) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, address).await
    }

    /// From another address of this machine. All addresses of 127.0.0.0/8 belong to it.
    pub async fn from(own: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((own, 0).into()).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// With the smallest possible receive buffer.
    pub async fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// Returns false if the gateway has closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends `bytes`, and then `more` again and again, until the gateway closes the connection.
    /// Returns everything that the gateway sent.
    pub async fn send_slowly(&mut self, bytes: &[u8], more: u8) -> String {
        self.try_send(bytes).await;
        let (mut reader, mut writer) = self.0.split();
        let (mut received, mut pauses) = (Vec::new(), tokio::time::interval(Duration::from_millis(5)));
        let sending = async {
            loop {
                pauses.tick().await;
                if writer.write_all(&[more]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = sending => {}
            // A reset is an end, too: the gateway closed with unread data.
            read = timeout(Self::TIMEOUT, reader.read_to_end(&mut received)) => {
                let _end = read.expect("the connection is closed");
            }
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Reads until the gateway closes the connection.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let read = timeout(Self::TIMEOUT, self.0.read_to_end(&mut received)).await;
        let _end = read.expect("the connection is closed");
        received
    }

    /// Reads `length` bytes. `None` if the gateway closes the connection before.
    pub async fn read_exact(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut received = vec![0; length];
        let read = timeout(Self::TIMEOUT, self.0.read_exact(&mut received)).await;
        read.expect("the gateway sends something").is_ok().then_some(received)
    }

    /// Requests `/livez`, and stays open. `None` if the gateway closes the connection.
    pub async fn is_served(&mut self) -> Option<()> {
        if !self.try_send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await {
            return None;
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read_exact(1).await?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        self.read_exact(length).await.map(drop)
    }
}
