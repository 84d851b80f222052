//! A hub of a few lines, for the tests of this folder: it remembers what it was asked, and answers what it is told to.
//!
//! One request a connection. Never clever: whatever a real hub does wrong is written into the answer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// A request as it came: `target` is the raw path with its query, but for the word that every question about a repository
/// carries.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) target: String,
    pub(super) asks_for_scans: bool,
    headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    after: Duration,
    hold: bool,
    drop: bool,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), after: Duration::ZERO, hold: false, drop: false }
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self::status(200).body(body.to_string())
    }

    pub(super) fn to(location: impl Into<String>) -> Self {
        Self::status(307).with("location", location)
    }

    /// Closes the connection without a word.
    pub(super) fn nothing() -> Self {
        Self { drop: true, ..Self::status(200) }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With its length, unless `content-length` or `transfer-encoding` was set before.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// Keeps the connection open after the body, whatever length was promised.
    pub(super) fn hold(mut self) -> Self {
        self.hold = true;
        self
    }
}

pub(super) struct Stub {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Stub {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    if let Some((stream, seen)) = read(stream).await {
                        let reply = answer(&seen);
                        log.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                        write(stream, reply).await;
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.target).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut stream: TcpStream) -> Option<(TcpStream, Seen)> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(text).ok()?;
    let mut lines = text.lines();
    let target = lines.next()?.split(' ').nth(1)?;
    let (target, asks_for_scans) = target.strip_suffix("?securityStatus=true").map_or((target, false), |t| (t, true));
    let target = target.to_owned();
    let header = |line: &str| line.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()));
    Some((stream, Seen { target, asks_for_scans, headers: lines.filter_map(header).collect() }))
}

async fn write(mut stream: TcpStream, reply: Reply) {
    sleep(reply.after).await;
    if reply.drop {
        return;
    }
    let mut head = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&[name.as_str(), ": ", value, "\r\n"].concat());
    }
    if !reply.headers.iter().any(|(name, _)| matches!(name.as_str(), "content-length" | "transfer-encoding")) {
        head.push_str(&["content-length: ", &reply.body.len().to_string(), "\r\n"].concat());
    }
    head.push_str("\r\n");
    let _ = stream.write_all(&[head.as_bytes(), &reply.body].concat()).await;
    let _ = stream.flush().await;
    if reply.hold {
        sleep(Duration::from_secs(30)).await;
    }
}
