//! The accept loop against clients that only want to hold its seats, over plain TCP and over TLS.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

pub(super) mod secure;

use std::io;

use axum::body::Bytes;
use http::Response;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use self::secure::Authority;
use super::*;
use crate::domain::subnet::Network;

/// Limits that a test can wait for; what it does not wait for is far away.
fn short() -> Limits {
    let ms = Duration::from_millis;
    Limits { header_time: ms(400), quiet: ms(400), idle: Duration::from_mins(5), ..Limits::default() }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}
type Stream = Box<dyn Both>;

/// A listener, and how its clients reach it.
struct Place {
    address: SocketAddr,
    stopping: Stopping,
    ended: tokio::task::JoinHandle<Result<(), Fault>>,
    authority: Option<Authority>,
}

impl Place {
    async fn new(limits: Limits, secure: bool) -> Self {
        Self::with(limits, secure, takes_as_long_as_its_path_says()).await
    }

    async fn with(limits: Limits, secure: bool, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stopping) = (listener.local_addr().unwrap(), Stopping::default());
        let authority = secure.then(Authority::new);
        let tls = authority.as_ref().map(|authority| authority.tls.clone());
        let door = Door { listener, tls, proxies: Proxies::default(), limits };
        let ended = tasks::spawn(accept(door, router, stopping.clone(), Duration::from_secs(1)));
        Self { address, stopping, ended, authority }
    }

    /// Over TLS with the handshake done, speaking this of HTTP.
    async fn connect(&self, protocol: &str) -> Stream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match &self.authority {
            None => Box::new(stream),
            Some(authority) => Box::new(authority.connect(stream, &[protocol]).await.unwrap()),
        }
    }
}

fn takes_as_long_as_its_path_says() -> Router {
    Router::new().fallback(|request: Request<Body>| async move {
        let takes = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        sleep(Duration::from_millis(takes)).await;
        Response::new(Body::from(Bytes::from_static(b"hello")))
    })
}

/// Whether the other side ends a connection to which this is sent, a byte every 50 ms, though the client never does.
async fn ends(stream: Stream, bytes: &'static [u8]) -> bool {
    let (mut read, mut write) = tokio::io::split(stream);
    let drip = tasks::spawn(async move {
        for byte in bytes {
            if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        write
    });
    let mut all = Vec::new();
    let ended = timeout(Duration::from_mins(1), read.read_to_end(&mut all)).await.is_ok();
    drip.abort();
    ended
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_nothing_loses_its_seat_however_slowly_it_begins() {
    for secure in [false, true] {
        let place = Place::new(Limits { quiet: Duration::from_mins(5), ..short() }, secure).await;
        let all: [(&str, &[u8]); 5] = [
            ("http/1.1", b""),
            ("http/1.1", b"P"),
            ("http/1.1", b"GET / HTTP/1.1\r\nHost: slow-and-steady"),
            ("h2", PREFACE),
            ("h2", SETTINGS),
        ];
        for (protocol, bytes) in all {
            assert!(ends(place.connect(protocol).await, bytes).await, "TLS: {secure}, {bytes:?} keeps a seat");
        }
    }
}

async fn exchange(stream: &mut Stream, path: &str) -> io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_keeps_its_seat_while_it_is_answered() {
    for secure in [false, true] {
        let place = Place::new(Limits { header_time: Duration::from_secs(5), ..short() }, secure).await;
        let mut stream = place.connect("http/1.1").await;
        for path in ["/0", "/1500", "/0"] {
            assert!(exchange(&mut stream, path).await.unwrap().ends_with("hello"), "TLS: {secure}, {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_http2_connection_is_closed_though_it_goes_on_pinging() {
    for secure in [false, true] {
        let place = Place::new(short(), secure).await;
        let (mut read, mut write) = tokio::io::split(place.connect("h2").await);
        write.write_all(SETTINGS).await.unwrap();
        // One request: GET / over http for "a".
        write.write_all(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a").await.unwrap();
        write.flush().await.unwrap();
        let pinging = tasks::spawn(async move {
            while write.write_all(b"\0\0\x08\x06\0\0\0\0\0pingpong").await.is_ok() && write.flush().await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        });
        let mut all = Vec::new();
        timeout(Duration::from_mins(1), read.read_to_end(&mut all)).await.unwrap().ok();
        pinging.abort();
        assert!(all.windows(5).any(|five| five == b"hello"), "TLS: {secure}, the request was answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_seats() {
    let limits = Limits { connections: 8, from_a_proxy: 3, from_one_address: 1, ..Limits::default() };
    let place = Place::new(limits, false).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = place.connect("http/1.1").await;
        assert!(exchange(&mut stream, "/0").await.unwrap().ends_with("hello"));
        held.push(stream);
    }
    let mut refused = 0;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(place.address).await.unwrap();
        let closed = timeout(Duration::from_mins(1), stream.read(&mut [0; 8])).await.unwrap();
        refused += usize::from(matches!(closed, Ok(0) | Err(_)));
    }
    assert_eq!(refused, 20);
    held.pop();
    let freed = async {
        loop {
            let mut stream = place.connect("http/1.1").await;
            if exchange(&mut stream, "/0").await.is_ok_and(|answer| answer.ends_with("hello")) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), freed).await.unwrap();
}

#[test]
fn this_host_and_trusted_proxies_may_have_more_connections_than_others() {
    let limits = Limits { from_a_proxy: 3, from_one_address: 1, ..Limits::default() };
    let proxies = Proxies::new(Network::parse("10.0.0.0/24").into_iter().collect());
    let behind = Behind { router: Router::new(), tls: None, proxies, limits, stopping: Stopping::default() };
    let most = |text: &str| behind.most(text.parse().unwrap());
    assert_eq!(["127.0.0.9", "::1", "10.0.0.9", "::ffff:10.0.0.9"].map(most), [3; 4]);
    assert_eq!(["10.0.1.9", "2001:db8::1"].map(most), [1; 2]);
}
