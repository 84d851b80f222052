//! What holds over TLS: versions and protocols, handshakes that do not end, cuts, drains, and a certificate that is
//! replaced under a running answer.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use futures_util::{StreamExt as _, stream};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;

/// A certificate authority of a test, with one certificate for this host in use.
pub(in crate::serve) struct Authority {
    pub folder: PathBuf,
    pub tls: Tls,
}

impl Authority {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("weighbridge-tls-{}", ulid::Ulid::generate()));
        fs::create_dir(&folder).unwrap();
        let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
                    -subj '/CN=test authority' -days 30";
        shell(&folder, make);
        issue(&folder, "host", EC);
        let tls = Tls::load(folder.join("host.pem"), folder.join("host.key")).unwrap();
        Self { folder, tls }
    }

    /// A pair of this name, signed by the authority.
    pub fn issue(&self, name: &str, kind: &str) {
        issue(&self.folder, name, kind);
    }

    pub async fn connect(&self, stream: TcpStream, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        self.connect_with(stream, protocols, &TLS13).await
    }

    pub async fn connect_with(
        &self,
        stream: TcpStream,
        protocols: &[&str],
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.folder.join("ca.pem")).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(in crate::serve) const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
pub(in crate::serve) const RSA: &str = "rsa:2048";

fn issue(folder: &std::path::Path, name: &str, kind: &str) {
    shell(folder, &format!("openssl req -newkey {kind} -nodes -keyout {name}.key -out {name}.csr -subj '/CN={name}'"));
    fs::write(folder.join("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    let sign = format!(
        "openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 30 -extfile ext"
    );
    shell(folder, &sign);
    fs::set_permissions(folder.join(format!("{name}.key")), fs::Permissions::from_mode(0o600)).unwrap();
}

pub(in crate::serve) fn shell(folder: &std::path::Path, command: &str) {
    let ran = Command::new("sh").args(["-c", command]).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let place = Place::new(Limits::default(), true).await;
    let authority = place.authority.as_ref().unwrap();
    for version in [&TLS12, &TLS13] {
        for (offered, chosen) in
            [(["h2", "http/1.1"].as_slice(), Some(b"h2".as_slice())), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
        {
            let stream = TcpStream::connect(place.address).await.unwrap();
            let stream = authority.connect_with(stream, offered, version).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
            if chosen != Some(b"h2") {
                let mut stream: Stream = Box::new(stream);
                assert!(exchange(&mut stream, "/0").await.unwrap().ends_with("hello"));
            }
        }
        let stream = TcpStream::connect(place.address).await.unwrap();
        assert!(authority.connect_with(stream, &["spdy/3"], version).await.is_err(), "no protocol is shared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_cut_and_plain_http_is_turned_away() {
    let far = Duration::from_mins(5);
    let place = Place::new(Limits { quiet: far, idle: far, ..short() }, true).await;
    // The beginning of a ClientHello, and one byte of it every now and then.
    let begun: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03and then nothing, or very slowly";
    for bytes in [b"".as_slice(), b"\x16", begun] {
        let stream = TcpStream::connect(place.address).await.unwrap();
        assert!(ends(Box::new(stream), bytes).await, "{bytes:?} keeps a seat");
    }
    let far = Limits { header_time: far, quiet: far, idle: far, ..Limits::default() };
    let place = Place::new(far, true).await;
    let mut stream = TcpStream::connect(place.address).await.unwrap();
    stream.write_all(b"GET /0 HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    let _ = timeout(Duration::from_mins(1), stream.read_to_end(&mut all)).await.expect("the connection is closed");
    assert!(!String::from_utf8_lossy(&all).contains("HTTP"), "{all:?}");
}

/// A body whose first piece comes and whose end never does.
fn endless(first: &'static [u8]) -> Body {
    let pieces = stream::once(async move { Ok::<_, io::Error>(Bytes::from_static(first)) });
    Body::from_stream(pieces.chain(stream::pending()))
}

async fn read_until(stream: &mut Stream, wanted: &'static [u8]) {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while !all.windows(wanted.len()).any(|window| window == wanted) {
        let length = timeout(Duration::from_mins(1), stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(length > 0, "it ended early: {all:?}");
        all.extend_from_slice(&piece[..length]);
    }
}

/// What is left of a connection: an error, or how it ended cleanly.
async fn rest(stream: &mut Stream) -> io::Result<usize> {
    let mut all = Vec::new();
    timeout(Duration::from_mins(1), stream.read_to_end(&mut all)).await.expect("the connection ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_is_never_a_clean_end() {
    for secure in [false, true] {
        // No length is known: only the way it ends can say that this is not all.
        let asked = Arc::new(tokio::sync::Mutex::new(None::<Cut>));
        let kept = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request<Body>| {
            let kept = Arc::clone(&kept);
            async move {
                *kept.lock().await = request.extensions().get::<Cut>().cloned();
                Response::new(endless(b"the first piece"))
            }
        });
        let place = Place::with(Limits::default(), secure, router).await;
        let mut stream = place.connect("http/1.1").await;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        read_until(&mut stream, b"the first piece").await;
        asked.lock().await.as_ref().unwrap().now();
        let error = rest(&mut stream).await.expect_err("a cut stream ends cleanly");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "TLS: {secure}, {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_answers_end_and_cuts_the_others() {
    for secure in [false, true] {
        let router = Router::new().fallback(|request: Request<Body>| async move {
            if request.uri().path() == "/long" {
                return Response::new(endless(b"the first piece"));
            }
            sleep(Duration::from_millis(300)).await;
            Response::new(Body::from("hello"))
        });
        let place = Place::with(Limits::default(), secure, router).await;
        let (mut short, mut long) = (place.connect("http/1.1").await, place.connect("http/1.1").await);
        for (stream, path) in [(&mut short, "/short"), (&mut long, "/long")] {
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        read_until(&mut long, b"the first piece").await;
        place.stopping.begin();
        read_until(&mut short, b"hello").await;
        assert!(rest(&mut short).await.is_ok(), "TLS: {secure}, an answer that was whole ends without a goodbye");
        assert!(rest(&mut long).await.is_err(), "TLS: {secure}, a cut answer ends cleanly");
        timeout(Duration::from_mins(1), place.ended).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_without_a_restart_and_under_a_running_answer() {
    let go_on = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&go_on);
    let router = Router::new().fallback(move |_: Request<Body>| {
        let waits = Arc::clone(&waits);
        let rest = stream::once(async move {
            waits.notified().await;
            Ok::<_, io::Error>(Bytes::from_static(b"and its end"))
        });
        let first = stream::once(async { Ok(Bytes::from_static(b"the beginning")) });
        async move { Response::new(Body::from_stream(first.chain(rest))) }
    });
    let place = Place::with(Limits::default(), true, router).await;
    let authority = place.authority.as_ref().unwrap();
    let leaf = async || {
        let stream = TcpStream::connect(place.address).await.unwrap();
        let stream = authority.connect(stream, &["http/1.1"]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let old = leaf().await;
    let mut running = place.connect("http/1.1").await;
    running.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
    running.flush().await.unwrap();
    read_until(&mut running, b"the beginning").await;
    let follow = authority.tls.clone().follow(Duration::from_millis(20), std::future::pending());
    let follow = tasks::spawn(follow);
    authority.issue("next", EC);
    // As a person copies them, one after the other: between the two they do not fit.
    for kind in ["pem", "key"] {
        fs::copy(authority.folder.join(format!("next.{kind}")), authority.folder.join(format!("host.{kind}"))).unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    let replaced = async {
        while leaf().await == old {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), replaced).await.expect("new connections get the new certificate");
    go_on.notify_one();
    read_until(&mut running, b"and its end").await;
    assert!(rest(&mut running).await.is_ok(), "the answer that was running is whole");
    follow.abort();
}
