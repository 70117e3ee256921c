//! A proxy to a server that a test can cut, hang and mend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Whole,
    /// Connections are closed, and new ones too.
    Cut,
    /// Connections stay, and nothing passes.
    Hung,
}

pub struct TcpProxy {
    pub url: String,
    state: watch::Sender<State>,
    forgotten: watch::Sender<u32>,
    carried: Arc<AtomicUsize>,
}

impl TcpProxy {
    /// A proxy to the server of `url`.
    pub async fn to(url: &str) -> Self {
        let mut url = url::Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (state, watched) = watch::channel(State::Whole);
        let (forgotten, watched_too) = watch::channel(0);
        let carried = Arc::new(AtomicUsize::new(0));
        let count = carried.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (carried, mut forgotten) = (carry(client, server.clone(), watched.clone()), watched_too.clone());
                let count = count.clone();
                forgotten.mark_unchanged();
                tokio::spawn(async move {
                    let mut carried = std::pin::pin!(carried);
                    count.fetch_add(1, Ordering::Relaxed);
                    let is_silent = tokio::select! {
                        () = &mut carried => false,
                        Ok(()) = forgotten.changed() => true,
                    };
                    count.fetch_sub(1, Ordering::Relaxed);
                    if is_silent {
                        // Held open, and carried no further.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self {
            url: url.into(),
            state,
            forgotten,
            carried,
        }
    }

    /// How many connections there are over which something passes.
    pub fn connections(&self) -> usize {
        self.carried.load(Ordering::Relaxed)
    }

    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The connections that there are go silent for good, and new ones work: what a host that vanished leaves behind.
    pub fn forget_connections(&self) {
        self.forgotten.send_modify(|times| *times += 1);
    }
}

async fn carry(mut client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Cut {
        return;
    }
    let mut server = TcpStream::connect(server).await.unwrap();
    loop {
        let now = *state.borrow_and_update();
        match now {
            State::Cut => return,
            State::Hung => state.changed().await.unwrap(),
            State::Whole => tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => return,
                changed = state.changed() => if changed.is_err() { return },
            },
        }
    }
}
