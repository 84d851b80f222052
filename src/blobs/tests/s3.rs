//! The same promises over a real S3 server in its own process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Once,
};

use object_store::{ObjectStoreExt, PutPayload};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Ends with the test: the server stops when its standard input closes.
struct Server {
    folder: Folder,
    url: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    fn start() -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.0.join("models")).unwrap();
        let mut child = Command::new(binary())
            .arg(&folder.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the S3 server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stdin = child.stdin.take();
        Self { folder, url: line.trim().to_owned(), child, stdin }
    }

    async fn blobs(&self, data: &Folder) -> Blobs {
        Self::blobs_at(&self.url, data).await
    }

    async fn blobs_at(endpoint: &str, data: &Folder) -> Blobs {
        let url = format!("s3://models/wb/blobs?endpoint={endpoint}&allow_http=true&region=here");
        let (builder, prefix) = bucket::configure(&url).unwrap();
        let builder = builder.with_access_key_id("test").with_secret_access_key("test-secret");
        let bucket = Bucket::start(builder, prefix).await.unwrap();
        let spools = data.0.join("spool");
        disk::make_private(&spools).unwrap();
        let (offers, keeping, open) = (Offers::default(), Keeping::default(), OpenBlobs::default());
        Blobs(Arc::new(Inner { store: Store::Bucket(bucket), spools, pool: Arc::default(), offers, keeping, open }))
    }

    /// Objects and half-done uploads, but for the probe and the server's own notes.
    fn left(&self) -> Vec<String> {
        let names = self.folder.files().into_iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned());
        names.filter(|name| name != "probe" && !name.contains(".json")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stdin.take();
        let _ = self.child.wait();
    }
}

fn of(blobs: &Blobs) -> &Bucket {
    match &blobs.0.store {
        Store::Bucket(bucket) => bucket,
        Store::Disk(_) => panic!("not a bucket"),
    }
}

/// Beside our own test binary; built when `cargo test` was not asked for the whole workspace.
fn binary() -> PathBuf {
    static BUILD: Once = Once::new();
    let here = std::env::current_exe().unwrap();
    let binary = here.ancestors().nth(2).unwrap().join("weighbridge-s3-server");
    BUILD.call_once(|| {
        if !binary.exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "-p", "weighbridge-s3-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            cargo.arg("--target-dir").arg(here.ancestors().nth(3).unwrap());
            assert!(cargo.status().unwrap().success());
        }
    });
    binary
}

#[tokio::test]
async fn what_goes_into_a_bucket_comes_out() {
    let (server, data) = (Server::start(), Folder::new());
    let blobs = server.blobs(&data).await;
    for len in [0, 1, 100_000, (8 << 20) + 1, 20_000_003] {
        let bytes = sample(len);
        let stored = store(&blobs, &bytes).await;
        assert_eq!(blobs.seal(stored.sha256).await.unwrap().as_ref(), Some(&stored.seal));
        assert_eq!(Seal::parse(&stored.seal.to_text()).as_ref(), Some(&stored.seal));
        for (start, end) in [(0, len), (0, len.min(1)), (len / 3, len / 2), (len.saturating_sub(1), len), (len, len)] {
            let part = read(&blobs, &stored, start as u64, end as u64).await;
            assert!(part == bytes[start..end], "{start}..{end} of {len}");
        }
        assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Intact(stored.seal.clone()));
        let again = store(&blobs, &bytes).await;
        assert_eq!(again, stored);
        assert_eq!(data.files(), Vec::<PathBuf>::new(), "the spools are gone");
        blobs.remove(stored.sha256).await.unwrap();
        assert_eq!(blobs.seal(stored.sha256).await.unwrap(), None);
        assert!(matches!(blobs.read(stored.sha256, &stored.seal, 0, 0).await, Err(ReadTrouble::Absent)));
    }
    assert_eq!(server.left(), Vec::<String>::new());
}

#[tokio::test]
async fn an_overwritten_object_is_not_read() {
    let (server, data) = (Server::start(), Folder::new());
    let blobs = server.blobs(&data).await;
    let bytes = sample(50_000);
    let stored = store(&blobs, &bytes).await;
    let path = of(&blobs).path(stored.sha256);
    let wrong: Bytes = bytes.iter().map(|b| !b).collect();
    of(&blobs).store.put(&path, PutPayload::from_bytes(wrong)).await.unwrap();
    for end in [0, 1, 50_000] {
        let read = blobs.read(stored.sha256, &stored.seal, 0, end).await;
        assert!(matches!(read, Err(ReadTrouble::Changed)), "{end}");
    }
    assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Different);
    let again = store(&blobs, &bytes).await;
    assert!(read(&blobs, &again, 0, 50_000).await == bytes, "verified bytes take its place");
    let elsewhere = Seal::parse("disk 50000 1 2.0 3.0").unwrap();
    assert!(matches!(blobs.read(stored.sha256, &elsewhere, 0, 1).await, Err(ReadTrouble::Changed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_not_there_before_its_upload_is_complete() {
    let (server, data) = (Server::start(), Folder::new());
    let blobs = server.blobs(&data).await;
    let bytes = sample(40 << 20);
    let sha = ids(&bytes).0;

    // Bytes that changed between hashing and sending: the upload is aborted.
    let path = data.0.join("other");
    let mut wrong = bytes.to_vec();
    wrong[30 << 20] ^= 1;
    fs::write(&path, &wrong).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    let watch = async {
        loop {
            assert_eq!(blobs.seal(sha).await.unwrap(), None);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = watch => {}
        done = of(&blobs).upload(sha, Arc::clone(&file), wrong.len() as u64) => {
            assert!(done.is_err_and(|fault| fault.passing));
        }
    }
    assert_eq!(server.left(), Vec::<String>::new(), "no part is left");
    assert!(of(&blobs).upload(sha, file, 1000).await.is_err(), "nor when it is small");
    assert_eq!(blobs.seal(sha).await.unwrap(), None);
}

#[tokio::test]
async fn a_spool_outlives_a_bucket_that_is_away() {
    let (server, data) = (Server::start(), Folder::new());
    let blobs = server.blobs(&data).await;
    let bytes = sample(70_000);
    let mut spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    fill(&mut spool, &bytes).await;
    let models = server.folder.0.join("models");
    let away = server.folder.0.join("away");
    fs::rename(&models, &away).unwrap();
    fs::write(&models, "in the way").unwrap();
    assert!(matches!(spool.finish().await, Err(SpoolTrouble::Fault(_))));
    fs::remove_file(&models).unwrap();
    fs::rename(&away, &models).unwrap();
    let spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    assert_eq!(spool.len(), 70_000);
    let stored = spool.finish().await.unwrap();
    assert!(read(&blobs, &stored, 0, 70_000).await == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_stream_is_taken_up_again() {
    let (server, data) = (Server::start(), Folder::new());
    let blobs = server.blobs(&data).await;
    let bytes = sample(8 << 20);
    let stored = store(&blobs, &bytes).await;
    let upstream = server.url.trim_start_matches("http://").parse().unwrap();
    let proxy = cutting_proxy(upstream, 1 << 20).await;
    let through = Server::blobs_at(&format!("http://{proxy}"), &data).await;
    assert!(read(&through, &stored, 5, stored.size).await == bytes[5..]);

    // Broken and changed meanwhile: no clean end, and nothing of the new bytes.
    let mut reader = through.read(stored.sha256, &stored.seal, 0, stored.size).await.unwrap();
    reader.next().await.unwrap().unwrap();
    let path = of(&blobs).path(stored.sha256);
    of(&blobs).store.put(&path, PutPayload::from_bytes(sample((8 << 20) - 1))).await.unwrap();
    assert!(collect(reader).await.is_err());
}

/// Cuts every connection after so many bytes of answer.
async fn cutting_proxy(upstream: SocketAddr, after: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let server = TcpStream::connect(upstream).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let asking = tokio::io::copy(&mut from_client, &mut to_server);
                let answering = async {
                    let mut buffer = vec![0; 64 << 10];
                    let mut sent = 0;
                    while sent < after {
                        let n = from_server.read(&mut buffer).await.unwrap_or(0);
                        if n == 0 || to_client.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                        sent += n;
                    }
                };
                tokio::select! { _ = asking => {}, () = answering => {} }
            });
        }
    });
    address
}
