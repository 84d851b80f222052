//! The accept loop against clients that only want to hold its seats.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::io;

use axum::body::Bytes;
use http::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::*;

/// Limits that a test can wait for.
fn short() -> Limits {
    let ms = Duration::from_millis;
    Limits { header_time: ms(400), quiet: ms(400), idle: Duration::from_secs(20), ..Limits::default() }
}

/// A listener whose answers take as long as their path says, in milliseconds.
async fn start(limits: Limits) -> (SocketAddr, Stopping) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = Stopping::default();
    let router = Router::new().fallback(|request: Request<Body>| async move {
        let takes = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        sleep(Duration::from_millis(takes)).await;
        Response::new(Body::from(Bytes::from_static(b"hello")))
    });
    tasks::spawn(accept(listener, router, limits, stopping.clone(), Duration::from_secs(1)));
    (address, stopping)
}

/// How long the other side keeps a connection to which this is sent, a byte every 50 ms.
async fn kept(address: SocketAddr, bytes: &'static [u8]) -> Duration {
    let since = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let drip = tasks::spawn(async move {
        for byte in bytes {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        write
    });
    let mut all = Vec::new();
    let _ = timeout(Duration::from_secs(10), read.read_to_end(&mut all)).await;
    drip.abort();
    since.elapsed()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_nothing_loses_its_seat_however_slowly_it_begins() {
    let (address, _stopping) = start(Limits { quiet: Duration::from_secs(30), ..short() }).await;
    let all = [b"".as_slice(), b"P", b"GET / HTTP/1.1\r\nHost: slow-and-steady", PREFACE, SETTINGS];
    for bytes in all {
        let kept = kept(address, bytes).await;
        assert!(kept < Duration::from_secs(2), "{bytes:?} kept a seat for {kept:?}");
    }
}

async fn exchange(stream: &mut TcpStream, path: &str) -> io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_keeps_its_seat_while_it_is_answered() {
    let (address, _stopping) = start(short()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for path in ["/0", "/1500", "/0"] {
        assert!(exchange(&mut stream, path).await.unwrap().ends_with("hello"), "{path}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_http2_connection_is_closed_though_it_goes_on_pinging() {
    let (address, _stopping) = start(short()).await;
    let since = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    write.write_all(SETTINGS).await.unwrap();
    // One request: GET / over http for "a".
    write.write_all(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a").await.unwrap();
    let pinging = tasks::spawn(async move {
        while write.write_all(b"\0\0\x08\x06\0\0\0\0\0pingpong").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut all = Vec::new();
    timeout(Duration::from_secs(10), read.read_to_end(&mut all)).await.unwrap().ok();
    pinging.abort();
    assert!(all.windows(5).any(|five| five == b"hello"), "the request was answered");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_seats() {
    let limits = Limits { connections: 8, from_this_host: 3, from_one_address: 1, ..Limits::default() };
    let (address, _stopping) = start(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(exchange(&mut stream, "/0").await.unwrap().ends_with("hello"));
        held.push(stream);
    }
    let mut refused = 0;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let closed = timeout(Duration::from_secs(5), stream.read(&mut [0; 8])).await.unwrap();
        refused += usize::from(matches!(closed, Ok(0) | Err(_)));
    }
    assert_eq!(refused, 20);
    held.pop();
    sleep(Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(exchange(&mut stream, "/0").await.unwrap().ends_with("hello"));
    assert_eq!(limits.of([127, 0, 0, 9].into()), 3);
    assert_eq!(limits.of([10, 0, 0, 9].into()), 1);
}
