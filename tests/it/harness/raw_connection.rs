//! A bare connection, on which a test sends what no client library would, or nothing at all.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

pub struct RawConnection(TcpStream);

impl RawConnection {
    /// Far more than anything here takes: only what never comes runs into it.
    pub const PATIENCE: Duration = Duration::from_secs(15);

    pub async fn to(address: SocketAddr) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, address).await
    }

    /// From another address of this machine: all of 127.0.0.0/8 is.
    pub async fn from(own: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((own, 0).into()).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// With as little room as there may be for what comes and is not read.
    pub async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// Sends it, if there is still somebody to send it to.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends it, and goes on with `more`, byte by byte, until the other end closes; everything that came back.
    pub async fn drip(&mut self, bytes: &[u8], more: u8) -> String {
        self.try_send(bytes).await;
        let (mut reader, mut writer) = self.0.split();
        let (mut received, mut drops) = (Vec::new(), tokio::time::interval(Duration::from_millis(5)));
        let dripping = async {
            loop {
                drops.tick().await;
                if writer.write_all(&[more]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = dripping => {}
            // A reset is an end too: the other end had no more use for the drops.
            read = timeout(Self::PATIENCE, reader.read_to_end(&mut received)) => {
                let _end = read.expect("the connection is closed");
            }
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    /// What comes until the other end closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let read = timeout(Self::PATIENCE, self.0.read_to_end(&mut received)).await;
        let _end = read.expect("the connection is closed");
        received
    }

    /// What comes next, of this length; nothing if the other end closes before.
    pub async fn next(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut received = vec![0; length];
        let read = timeout(Self::PATIENCE, self.0.read_exact(&mut received)).await;
        read.expect("something comes").is_ok().then_some(received)
    }

    /// Asks whether the process lives, and stays open. `None` if the other end would not have the connection.
    pub async fn is_served(&mut self) -> Option<()> {
        if !self.try_send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await {
            return None;
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.next(1).await?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(!head.contains("connection: close"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        self.next(length).await.map(drop)
    }
}
