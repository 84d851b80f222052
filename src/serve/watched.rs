//! A connection that notices when nothing moves on it any more, and when nothing is asked on it.
//!
//! Never changes a byte.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Notes whether a connection has moved a byte in either direction, and whether anything is asked on it.
#[derive(Clone, Default)]
pub(super) struct Idle {
    moved: Arc<AtomicBool>,
    /// Requests that are being thought about: a held answer is not a dead connection.
    held: Arc<AtomicUsize>,
    /// A request was read to the end of its headers, ever.
    asked: Arc<AtomicBool>,
    /// Goes up with every request and every end of an answer.
    turns: Arc<AtomicUsize>,
    /// Requests whose answers have not been sent to their end.
    open: Arc<AtomicUsize>,
}

/// While it lives, the connection is not idle.
pub(super) struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// While it lives, the connection is not quiet.
pub(super) struct Open(Idle);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Idle {
    pub(super) fn hold(&self) -> Held {
        self.held.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.held))
    }

    /// A request has been read to the end of its headers.
    pub(super) fn begin(&self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Completes when by then nothing has been asked at all: whoever sends half a request, or a byte now and then,
    /// counts as silent.
    pub(super) async fn silent(&self, most: Duration) {
        tokio::time::sleep(most).await;
        if self.asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Completes when no answer has been under way for that long, whatever else has moved.
    pub(super) async fn quiet(&self, most: Duration) {
        loop {
            let turns = self.turns.load(Ordering::Relaxed);
            tokio::time::sleep(most).await;
            if self.turns.load(Ordering::Relaxed) == turns && self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    /// Completes when nothing has moved for that long.
    pub(super) async fn over(&self, most: Duration) {
        loop {
            self.moved.store(false, Ordering::Relaxed);
            tokio::time::sleep(most).await;
            if !self.moved.load(Ordering::Relaxed) && self.held.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    fn after<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved.store(true, Ordering::Relaxed);
        }
        polled
    }
}

/// An answer's body that keeps its connection from being quiet until it has been sent.
pub(super) struct Answering {
    pub body: Body,
    /// Only held.
    pub _open: Open,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that tells its `Idle`. Under TLS it is what lies below, so that a handshake moves bytes too.
pub(super) struct Watched {
    pub stream: TcpStream,
    pub idle: Idle,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.idle.after(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.idle.after(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.idle.after(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
