//! A proxy that drops answers: the gateway has executed the request, but the client gets no answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HEAD_END: &[u8] = b"\r\n\r\n";

pub struct LossyProxy {
    pub address: SocketAddr,
    losses: Arc<AtomicU32>,
    lost: mpsc::UnboundedReceiver<Vec<u8>>,
    task: JoinHandle<()>,
}

impl LossyProxy {
    pub async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let losses = Arc::new(AtomicU32::new(0));
        let (keep, lost) = mpsc::unbounded_channel();
        let left = losses.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (left, keep) = (left.clone(), keep.clone());
                tokio::spawn(async move {
                    let _client_or_gateway_is_gone = forward(client, gateway, &left, &keep).await;
                });
            }
        });
        Self {
            address,
            losses,
            lost,
            task,
        }
    }

    /// Drops the answers to the next `answers` requests.
    pub fn lose(&self, answers: u32) {
        self.losses.store(answers, Ordering::SeqCst);
    }

    /// The bodies of the answers dropped since the last call.
    pub fn lost(&mut self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while let Ok(body) = self.lost.try_recv() {
            bodies.push(body);
        }
        bodies
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards requests and answers. A dropped answer closes the connection without sending a byte.
async fn forward(
    mut client: TcpStream,
    gateway: SocketAddr,
    losses: &AtomicU32,
    keep: &mpsc::UnboundedSender<Vec<u8>>,
) -> io::Result<()> {
    let mut gateway = TcpStream::connect(gateway).await?;
    loop {
        let (head, body) = message(&mut client).await?;
        gateway.write_all(&[head, body].concat()).await?;
        let (head, body) = message(&mut gateway).await?;
        let one_less = |left: u32| left.checked_sub(1);
        if losses
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
        {
            let _ignored = keep.send(body);
            return Ok(());
        }
        client.write_all(&[head, body].concat()).await?;
    }
}

/// Head and body of a request or an answer. The length of the body comes from `Content-Length`.
async fn message(stream: &mut TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(HEAD_END) {
        head.push(stream.read_u8().await?);
    }
    let mut body = vec![0; content_length(&head)];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.unwrap_or_default()
}
