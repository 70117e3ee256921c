//! On a signal, the gateway finishes open requests and stops.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Process, eventually};

const BODY: &str = r#"{"email":"john.doe@example.com","password":"Password@123","username":"johndoe"}"#;

/// Sends the head and half of the body of a registration, and waits until the gateway processes it.
fn half_a_request(gateway: &Process) -> TcpStream {
    let mut connection = TcpStream::connect(gateway.url.trim_start_matches("http://")).unwrap();
    let length = BODY.len();
    let head = format!(
        "POST /auth/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = vec![0; go_on.len()];
    connection.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8_lossy(&said), go_on);
    connection.write_all(&BODY.as_bytes()[..length / 2]).unwrap();
    connection
}

/// Waits until the listener is closed, the first step of a stop.
async fn until_new_connections_are_refused(gateway: &Process) {
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let is_closed = async || TcpStream::connect(&address).is_err().then_some(());
    eventually("the listener is closed", is_closed).await;
}

async fn an_open_request_is_finished_after(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Process::start(folder.path(), &["--argon2-memory-kib=128"]);
    let mut connection = half_a_request(&gateway);
    gateway.signal(signal);
    until_new_connections_are_refused(&gateway).await;
    assert!(!gateway.has_ended());
    connection.write_all(&BODY.as_bytes()[BODY.len() / 2..]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    assert_eq!(gateway.wait(), Some(0));
}

#[tokio::test]
async fn an_open_request_is_finished_after_sigterm() {
    an_open_request_is_finished_after("TERM").await;
}

#[tokio::test]
async fn an_open_request_is_finished_after_sigint() {
    an_open_request_is_finished_after("INT").await;
}

/// The test hangs if the process does not end.
#[test]
fn a_request_that_never_ends_does_not_prevent_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Process::start(folder.path(), &[]);
    let connection = half_a_request(&gateway);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    drop(connection);
}
