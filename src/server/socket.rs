//! The socket of one connection. It records the connection's activity, and holds its permit and
//! its guard until it is closed.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use metrics::gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::domain::connection_limit::Permit;
use crate::server::connection_activity::ConnectionActivity;
use crate::threads::ConnectionGuard;

/// Passes bytes through unchanged. A WebSocket keeps the socket, and so the permit and the guard.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<ConnectionActivity>,
    _permit: Permit,
    _guard: ConnectionGuard,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, permit: Permit, guard: ConnectionGuard) -> Self {
        gauge!("auth_gateway_connections").increment(1);
        Self {
            stream,
            activity: Arc::new(ConnectionActivity::new()),
            _permit: permit,
            _guard: guard,
        }
    }

    pub(super) fn activity(&self) -> &Arc<ConnectionActivity> {
        &self.activity
    }

    fn record(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match &written {
            Poll::Pending => self.activity.write_blocked(),
            Poll::Ready(_) => self.activity.write_progressed(),
        }
        written
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        gauge!("auth_gateway_connections").decrement(1);
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_received();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.record(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.record(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
