//! A TCP proxy at a fixed address whose target can change, as behind a failover address. It can
//! also stop forwarding.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Forwarding(SocketAddr),
    /// Connections stay open, but no data passes.
    Blocked,
}

pub struct FailoverProxy {
    pub address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl FailoverProxy {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State::Forwarding(server));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, watched.clone()));
            }
        });
        Self { address, state, task }
    }

    /// New connections go to this server, and existing ones are closed.
    pub fn switch_to(&self, server: SocketAddr) {
        self.state.send_replace(State::Forwarding(server));
    }

    /// Stops forwarding. Data in transit is lost.
    pub fn stop_forwarding(&self) {
        self.state.send_replace(State::Blocked);
    }
}

impl Drop for FailoverProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut client: TcpStream, mut state: watch::Receiver<State>) {
    let State::Forwarding(server) = *state.borrow_and_update() else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        changed = state.changed() => if changed.is_err() { return },
    }
    // Keep the connection open while the proxy is blocked.
    let _gone = state.wait_for(|state| *state != State::Blocked).await.is_err();
}
