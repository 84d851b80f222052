//! A world: a hub of ours, a database, a blob store, and the built gateway between them as a process of its own.
//!
//! Acts on the gateway only as a person can: through its commands and its addresses, with signals, and by looking at
//! the files it leaves. Everything of a world ends with it.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Statement};
use weighbridge::{ledger::verify, store::Store};
use weighbridge_simulator::{Content, Hub, Options, Side, Token, load_sample};

use crate::{
    front,
    stock::{Ran, run},
    wire,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blobs {
    Disk,
    S3,
}

pub struct WorldOptions {
    pub database: Database,
    pub blobs: Blobs,
    /// The path of the public address: empty, or `/hf`.
    pub prefix: &'static str,
    /// Whether the hub holds its sample set.
    pub sample: bool,
    /// Whether the gateway speaks TLS, with a certificate of this world's own authority.
    pub tls: bool,
    /// More of the gateway's configuration.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            blobs: Blobs::Disk,
            prefix: "",
            sample: true,
            tls: false,
            settings: Vec::new(),
        }
    }
}

pub struct World {
    pub gateway: Gateway,
    pub hub: Hub,
    pub folder: Folder,
    database_url: String,
    tokens: Mutex<HashMap<String, String>>,
    prefix: &'static str,
    settings: Vec<(&'static str, String)>,
    s3: Option<S3>,
    _postgres: Option<Postgres>,
}

impl World {
    pub async fn new() -> Self {
        Self::start(WorldOptions::default()).await
    }

    /// Without the sample set: the hub holds what the test puts into it.
    pub async fn bare() -> Self {
        Self::start(WorldOptions { sample: false, ..WorldOptions::default() }).await
    }

    pub async fn start(options: WorldOptions) -> Self {
        let folder = Folder::new();
        let hub = Hub::start(Options::default()).unwrap();
        hub.add_token(Token::new("gateway", UPSTREAM_TOKEN).may_read("*"));
        if options.sample {
            load_sample(&hub);
        }
        let (database_url, postgres) = match options.database {
            Database::Sqlite => (format!("sqlite://{}/data/weighbridge.db", folder.path().display()), None),
            Database::Postgres => {
                let database = Postgres::new().await;
                (database.url.clone(), Some(database))
            }
        };
        let s3 = (options.blobs == Blobs::S3).then(|| S3::start(&folder.path().join("s3")));
        let blobs_url = match &s3 {
            Some(s3) => format!("s3://models/wb/blobs?endpoint={}&allow_http=true&region=here", s3.url),
            None => format!("file://{}/blobs", folder.path().display()),
        };
        let mut settings = vec![
            ("WEIGHBRIDGE_DATABASE_URL", database_url.clone()),
            ("WEIGHBRIDGE_BLOBS_URL", blobs_url),
            ("WEIGHBRIDGE_UPSTREAM__URL", hub.url().to_owned()),
            ("WEIGHBRIDGE_UPSTREAM__ALLOW_HOSTS", "127.0.0.1".to_owned()),
            ("WEIGHBRIDGE_UPSTREAM__ALLOW_PRIVATE_ADDRESSES", "true".to_owned()),
            ("WEIGHBRIDGE_UPSTREAM__TOKEN", UPSTREAM_TOKEN.to_owned()),
            ("WEIGHBRIDGE_RESERVED_NAMESPACES", "ours".to_owned()),
            // Most of these tests are about what people approve; `intake` is about what rules do.
            ("WEIGHBRIDGE_ADMISSION__PROFILE", "strict".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret".to_owned()),
        ];
        if options.tls {
            settings.extend(front::certify(folder.path()));
        }
        settings.extend(options.settings);
        let gateway = Gateway::start(folder.path(), "data", options.prefix, &settings).await;
        Self {
            gateway,
            hub,
            folder,
            database_url,
            tokens: Mutex::default(),
            prefix: options.prefix,
            settings,
            s3,
            _postgres: postgres,
        }
    }

    /// Another gateway on the same database and blob store, with a data folder of its own and the first one's key.
    pub async fn another(&self, name: &str) -> Gateway {
        let keys = self.folder.path().join(name).join("keys");
        fs::create_dir_all(&keys).unwrap();
        fs::copy(self.folder.path().join("data/keys/ledger.key"), keys.join("ledger.key")).unwrap();
        Gateway::start(self.folder.path(), name, self.prefix, &self.settings).await
    }

    pub fn url(&self) -> &str {
        &self.gateway.url
    }

    /// A token of that role, made by the command; for an environment, or without one (`""`).
    pub async fn token(&self, role: &str, environment: &str) -> String {
        let name = format!("{role}-{environment}");
        if let Some(token) = self.tokens.lock().unwrap().get(&name) {
            return token.clone();
        }
        let mut words = vec!["token", "create", "--name", &name, "--role", role];
        if !environment.is_empty() {
            words.extend(["--env", environment]);
        }
        let token = self.gateway.command(&words, &[]).await.good().out.trim().to_owned();
        self.tokens.lock().unwrap().insert(name, token.clone());
        token
    }

    /// The token of somebody who may pull in research.
    pub async fn developer(&self) -> String {
        self.token("developer", "research").await
    }

    /// A command that acts through the API, with this token.
    pub async fn api_command(&self, words: &[&str], token: &str) -> Ran {
        self.gateway.command(words, &[("WEIGHBRIDGE_URL", self.url()), ("WEIGHBRIDGE_TOKEN", token)]).await
    }

    /// Approves for research, as a reviewer does.
    pub async fn approve(&self, revision: &str) {
        self.approve_in(revision, "research").await;
    }

    pub async fn approve_in(&self, revision: &str, environment: &str) {
        let token = self.token("reviewer", "").await;
        let words = ["approve", revision, "--reason", "looked at it", "--env", environment, "--yes"];
        self.api_command(&words, &token).await.good();
    }

    /// Revokes in all environments.
    pub async fn revoke(&self, revision: &str) {
        let token = self.token("reviewer", "").await;
        self.api_command(&["revoke", revision, "--reason", "it was a mistake", "--yes"], &token).await.good();
    }

    /// Ends the gateway with SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.gateway.kill();
    }

    /// Starts the gateway again where it was.
    pub async fn restart(&mut self) {
        self.gateway.kill();
        self.gateway.spawn().await;
    }

    /// The named blobs that lie in the store, and whether their bytes hash to their names.
    pub fn blobs(&self) -> Vec<(String, bool)> {
        let root = self.folder.path().join(if self.s3.is_some() { "s3" } else { "blobs" });
        let named = files_under(&root).into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let is_digest = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
            is_digest.then(|| (name.clone(), Content::bytes(fs::read(&path).unwrap_or_default()).sha256() == name))
        });
        named.collect()
    }

    /// The ledger's own check, over the database as it is.
    pub async fn ledger(&self) -> verify::Report {
        let vkey = self.query_text("SELECT value FROM setting WHERE name = 'ledger.vkey'").await.remove(0);
        let store = Store::open(&self.database_url, false).await.unwrap();
        let report = verify::all(store.reader(), &vkey).await.unwrap();
        store.close().await;
        report
    }

    /// Fails unless the ledger is whole. It is read beside a gateway that may be writing: what moved meanwhile is looked
    /// at again, and what is broken stays broken.
    pub async fn ledger_is_whole(&self) {
        let mut report = self.ledger().await;
        for _ in 0..5 {
            if report.problems.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            report = self.ledger().await;
        }
        assert_eq!(report.problems, Vec::<String>::new(), "after {} entries", report.entries);
        assert!(report.entries > 0);
    }

    /// The first column of a query, read beside the gateway.
    pub async fn query_text(&self, sql: &str) -> Vec<String> {
        let database = sea_orm::Database::connect(&self.database_url).await.unwrap();
        let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await.unwrap();
        let found = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        database.close().await.unwrap();
        found
    }

    /// Bytes as this world's database writes them.
    pub fn bytes_literal(&self, hex: &str) -> String {
        if self.database_url.starts_with("sqlite") { format!("X'{hex}'") } else { format!("'\\x{hex}'::bytea") }
    }

    /// Changes a row behind the gateway's back, for what a test cannot wait for.
    pub async fn change_row(&self, sql: &str) {
        let database = sea_orm::Database::connect(&self.database_url).await.unwrap();
        assert_eq!(database.execute_unprepared(sql).await.unwrap().rows_affected(), 1, "{sql}");
        database.close().await.unwrap();
    }

    /// How many bytes of LFS files the content host sent; the bodies of redirects to it are no file's bytes.
    pub fn fetched(&self, file: &str) -> u64 {
        self.hub.counts(file).iter().filter(|count| count.side == Side::Cdn).map(|count| count.body_bytes).sum()
    }

    /// What no pull may ever leave behind at the hub.
    pub fn nothing_leaked(&self) {
        assert_eq!(self.hub.xet_leaks(), 0, "a client was led to Xet");
        assert_eq!(self.hub.cdn_saw_authorization(), 0, "a token went to the content host");
    }
}

/// The built gateway as a process.
pub struct Gateway {
    pub url: String,
    child: Option<Child>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    address: String,
}

impl Gateway {
    async fn start(root: &Path, name: &str, prefix: &str, settings: &[(&'static str, String)]) -> Self {
        let data = root.join(name);
        fs::create_dir_all(&data).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let secure = settings.iter().any(|(key, _)| *key == "WEIGHBRIDGE_TLS__CERT_FILE");
        let url = format!("{}://{address}{prefix}", if secure { "https" } else { "http" });
        let mut environment: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let own = [
            ("WEIGHBRIDGE_LISTEN", address.clone()),
            ("WEIGHBRIDGE_PUBLIC_URL", url.clone()),
            ("WEIGHBRIDGE_DATA_DIR", data.display().to_string()),
            ("HOME", root.display().to_string()),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("RUST_BACKTRACE", "1".to_owned()),
        ];
        environment.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let log = root.join(format!("{name}.log"));
        let mut gateway = Self { url, child: None, environment, log, address };
        gateway.spawn().await;
        gateway
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn spawn(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut serve = self.weighbridge();
        serve.arg("serve").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = serve.spawn().unwrap();
        remember_process(child.id());
        let child = self.child.insert(child);
        let began = Instant::now();
        let client = wire::client();
        loop {
            let asked = client.get(format!("{}/-/readyz", self.url)).send().await;
            if asked.is_ok_and(|reply| reply.status().is_success()) {
                return;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the gateway ended at once, with {status}:\n{}", self.log_end());
            }
            assert!(began.elapsed() < Duration::from_mins(1), "the gateway is not ready:\n{}", self.log_end());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One of its commands, on the same configuration.
    pub async fn command(&self, words: &[&str], more: &[(&str, &str)]) -> Ran {
        let mut command = self.weighbridge();
        command.args(words).envs(more.iter().copied());
        run(command, Duration::from_mins(2)).await
    }

    pub fn weighbridge(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weighbridge"));
        command.env_clear().envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.current_dir(self.log.parent().unwrap());
        command
    }

    /// Another value for a part of its configuration, from its next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.retain(|(name, _)| name != key);
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// SIGTERM, as an orchestrator sends it, and how the process ended.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &child.id().to_string()]);
        run(kill, Duration::from_secs(10)).await.good();
        tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap()
    }

    /// The most memory that the process ever held, in bytes.
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last of the gateway's log:\n{}", self.log_end());
        }
        self.kill();
    }
}

/// A folder of this world alone.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("weighbridge-world-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A database of this world alone on the server that `tests/run` started.
struct Postgres {
    url: String,
    server: String,
}

impl Postgres {
    async fn new() -> Self {
        let server = needed("WEIGHBRIDGE_TEST_POSTGRES", "a PostgreSQL server");
        let name = format!("world_{}_{}", std::process::id(), free_port());
        let admin = sea_orm::Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
        Self { url: format!("{base}/{name}"), server }
    }
}

impl Drop for Postgres {
    /// In a thread of its own: a test may end in the middle of its runtime.
    fn drop(&mut self) {
        let (server, url) = (self.server.clone(), self.url.clone());
        let forget = async move {
            let Ok(admin) = sea_orm::Database::connect(server).await else { return };
            let name = url.rsplit('/').next().unwrap_or_default();
            let _ = admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = std::thread::spawn(move || runtime.block_on(forget)).join();
    }
}

/// The S3 server in its own process; it ends when its input does.
struct S3 {
    url: String,
    child: Child,
    input: Option<ChildStdin>,
}

impl S3 {
    fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder.join("models")).unwrap();
        let mut command = Command::new(beside("weighbridge-s3-server"));
        let mut child = command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let input = child.stdin.take();
        Self { url: line.trim().to_owned(), child, input }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}

/// A program of this workspace, beside the test's own.
pub fn beside(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "{name} is not built: run tests/run");
    path
}

/// What `tests/run` says in this variable.
pub fn needed(variable: &str, what: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("this test needs {what} ({variable} is not set): run tests/run"))
}

/// Whether the long forms are asked for: `tests/run --long`.
pub fn long() -> bool {
    std::env::var_os("WEIGHBRIDGE_TEST_LONG").is_some()
}

pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// For `tests/run`, which ends what a killed test has left behind.
pub fn remember_process(pid: u32) {
    if let Some(folder) = std::env::var_os("WEIGHBRIDGE_TEST_PIDS") {
        let _ = fs::write(Path::new(&folder).join(pid.to_string()), "");
    }
}

const UPSTREAM_TOKEN: &str = "hf_gatewayGatewayGatewayGatewayGateway00";
