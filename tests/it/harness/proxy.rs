//! A TCP proxy to a server. A test can cut, hang and restore its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Forwards all data.
    Open,
    /// Closes existing and new connections.
    Cut,
    /// Keeps connections open and forwards nothing.
    Hung,
}

pub struct TcpProxy {
    pub url: String,
    state: watch::Sender<State>,
    silenced: watch::Sender<u32>,
    forwarded: Arc<AtomicUsize>,
}

impl TcpProxy {
    /// A proxy to the server of `url`.
    pub async fn to(url: &str) -> Self {
        let mut url = url::Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (state, watched) = watch::channel(State::Open);
        let (silenced, silenced_state) = watch::channel(0);
        let forwarded = Arc::new(AtomicUsize::new(0));
        let count = forwarded.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (forwarded, mut silenced) =
                    (forward(client, server.clone(), watched.clone()), silenced_state.clone());
                let count = count.clone();
                silenced.mark_unchanged();
                tokio::spawn(async move {
                    let mut forwarded = std::pin::pin!(forwarded);
                    count.fetch_add(1, Ordering::Relaxed);
                    let is_silent = tokio::select! {
                        () = &mut forwarded => false,
                        Ok(()) = silenced.changed() => true,
                    };
                    count.fetch_sub(1, Ordering::Relaxed);
                    if is_silent {
                        // Keeps the connection open and forwards nothing more.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self {
            url: url.into(),
            state,
            silenced,
            forwarded,
        }
    }

    /// The number of connections that forward data.
    pub fn connections(&self) -> usize {
        self.forwarded.load(Ordering::Relaxed)
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Existing connections stay open and silent for ever, and new ones work, as after the loss of
    /// a host.
    pub fn silence_connections(&self) {
        self.silenced.send_modify(|times| *times += 1);
    }
}

async fn forward(mut client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Cut {
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    loop {
        let now = *state.borrow_and_update();
        match now {
            State::Cut => return,
            State::Hung => state.changed().await.unwrap(),
            State::Open => tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => return,
                changed = state.changed() => if changed.is_err() { return },
            },
        }
    }
}
