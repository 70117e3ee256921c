//! An outside service that verifies access tokens: a Node.js program, and the thread that sends it
//! tokens.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::expected_state::{Tokens, part};
use crate::record::Record;

const POLL_INTERVAL: Duration = Duration::from_millis(20);
const ISSUER: &str = "http://localhost:8000";
const AUDIENCE: &str = "auth-gateway";

/// Verifies every token at once, and again just before it expires.
pub struct Verifier {
    /// Users send their access tokens here.
    pub tokens: Sender<Tokens>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Verifier {
    pub fn start(gateway: SocketAddr, record: &Arc<Record>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
        let child = Command::new("node")
            .current_dir(folder)
            .arg("verifier.mjs")
            .arg(format!("http://{gateway}/.well-known/jwks.json"))
            .args([ISSUER, AUDIENCE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs: scripts/faults installs it");
        let (tokens, received) = channel();
        let verifier = VerifierThread::new(child, record.clone());
        Self {
            tokens,
            thread: std::thread::spawn(move || verifier.run(&received)),
        }
    }

    /// Waits until the last token is verified for the second time. Returns the ids of all keys that
    /// signed.
    pub async fn finish(self) -> BTreeSet<String> {
        drop(self.tokens);
        while !self.thread.is_finished() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.thread.join().unwrap()
    }
}

struct VerifierThread {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    record: Arc<Record>,
    /// Tokens to verify again, oldest first.
    to_verify_again: VecDeque<Tokens>,
    kids: BTreeSet<String>,
}

impl VerifierThread {
    fn new(mut child: Child, record: Arc<Record>) -> Self {
        Self {
            input: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            record,
            to_verify_again: VecDeque::new(),
            kids: BTreeSet::new(),
        }
    }

    fn run(mut self, received: &Receiver<Tokens>) -> BTreeSet<String> {
        loop {
            match received.recv_timeout(POLL_INTERVAL) {
                Ok(tokens) => {
                    self.verify(&tokens, "verified at once");
                    self.to_verify_again.push_back(tokens);
                }
                Err(RecvTimeoutError::Disconnected) if self.to_verify_again.is_empty() => break,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL_INTERVAL),
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Some(tokens) = self.to_verify_again.pop_front_if(|tokens| tokens.is_almost_expired()) {
                self.verify(&tokens, "verified just before its expiry");
            }
        }
        drop(self.input);
        let _reaped = self.child.wait();
        self.kids
    }

    fn verify(&mut self, tokens: &Tokens, when: &'static str) {
        let access = &tokens.access;
        let header = part(access, 0).unwrap_or_default();
        let kid = header["kid"].as_str().unwrap_or("none").to_owned();
        let written = writeln!(self.input, "{access}");
        let answer = self.answers.next();
        match answer {
            Some(Ok(answer)) if written.is_ok() && answer == "ok" => self.record.count(when),
            // The token expired before the answer, because the machine is overloaded.
            Some(Ok(_)) if tokens.has_expired() => {}
            other => self
                .record
                .violation(format!("a token of key {kid} could not be {when}: {other:?}")),
        }
        self.kids.insert(kid);
    }
}
