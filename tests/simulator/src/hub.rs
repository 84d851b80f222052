//! Starting and stopping the simulator, and the handle by which tests steer it.
//!
//! Runs on threads of its own, so that a test may block, sleep or use any runtime it likes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::access::{Token, Tokens};
use crate::counters::{Count, Counters, RequestSeen, Side};
use crate::fault::{Fault, Faults};
use crate::grants::Grants;
use crate::owner::{Owner, Owners};
use crate::repo::Repo;
use crate::server;
use crate::store::{Kind, Store};

/// How to start a hub; the default is two free ports of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Options {
    pub host: IpAddr,
    /// 0 takes a free one.
    pub port: u16,
    pub cdn_port: u16,
    /// The addresses written into answers, when others than the listeners' own.
    pub public_url: Option<String>,
    pub public_cdn_url: Option<String>,
    /// Whether the 401 for a missing repository carries `X-Error-Code: RepoNotFound`.
    pub code_on_401: bool,
    pub signed_url_ttl: Duration,
    /// Entries of a tree page when the client names no limit; the hub's own 1000 (50 expanded) if none.
    pub tree_page: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            cdn_port: 0,
            public_url: None,
            public_cdn_url: None,
            code_on_401: false,
            signed_url_ttl: Duration::from_hours(1),
            tree_page: None,
        }
    }
}

/// A running hub; it stops, and its ports are free again, when this is dropped.
pub struct Hub {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Hub {
    pub fn start(options: Options) -> io::Result<Self> {
        let hub = std::net::TcpListener::bind(SocketAddr::new(options.host, options.port))?;
        let cdn = std::net::TcpListener::bind(SocketAddr::new(options.host, options.cdn_port))?;
        let url = |public: &Option<String>, listener: &std::net::TcpListener| -> io::Result<String> {
            let own = format!("http://{}", listener.local_addr()?);
            Ok(public.clone().map_or(own, |url| url.trim_end_matches('/').to_owned()))
        };
        let shared = Shared {
            hub_url: url(&options.public_url, &hub)?,
            cdn_url: url(&options.public_cdn_url, &cdn)?,
            store: Mutex::default(),
            tokens: Tokens::default(),
            owners: Owners::default(),
            faults: Faults::default(),
            counters: Counters::default(),
            grants: Grants::default(),
            offline: AtomicBool::new(false),
            signed_url_ttl_ms: AtomicU64::new(u64::try_from(options.signed_url_ttl.as_millis()).unwrap_or(u64::MAX)),
            tree_page: AtomicUsize::new(options.tree_page.unwrap_or(0)),
            requests: AtomicU64::new(0),
            options,
        };
        let handle = Handle { shared: Arc::new(shared) };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("simulator").enable_all().build()?;
        {
            let _entered = runtime.enter();
            for (listener, side) in [(hub, Side::Hub), (cdn, Side::Cdn)] {
                listener.set_nonblocking(true)?;
                runtime.spawn(server::serve(TcpListener::from_std(listener)?, handle.clone(), side));
            }
        }
        Ok(Self { handle, runtime: Some(runtime) })
    }

    /// A handle that may be cloned and kept; it does not keep the hub running.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Deref for Hub {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        // A runtime may not wait for its end inside another one, and tests are often inside one.
        let stopping = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(2)));
        drop(stopping.join());
    }
}

/// Steers a hub: its content, tokens, faults and counters. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.shared.hub_url
    }

    pub fn cdn_url(&self) -> &str {
        &self.shared.cdn_url
    }

    /// The repository of that name; made empty, public and open if there is none.
    pub fn repo(&self, kind: Kind, id: &str) -> Repo {
        let cell = self.store().open(kind, id);
        Repo { hub: self.clone(), cell }
    }

    pub fn model(&self, id: &str) -> Repo {
        self.repo(Kind::Models, id)
    }

    pub fn dataset(&self, id: &str) -> Repo {
        self.repo(Kind::Datasets, id)
    }

    pub fn space(&self, id: &str) -> Repo {
        self.repo(Kind::Spaces, id)
    }

    /// The repository of exactly that name, if there is one.
    pub fn find_repo(&self, kind: Kind, id: &str) -> Option<Repo> {
        let cell = self.store().cell(kind, id)?;
        Some(Repo { hub: self.clone(), cell })
    }

    /// What the overview pages say of an owner; of others they say that it is an organisation nobody has verified.
    pub fn owner(&self, owner: Owner) {
        self.shared.owners.put(owner);
    }

    pub fn add_token(&self, token: Token) {
        self.shared.tokens.add(token);
    }

    pub fn remove_token(&self, value: &str) {
        self.shared.tokens.remove(value);
    }

    /// From the next request on; the number is for `clear_fault`.
    pub fn fault(&self, fault: Fault) -> u64 {
        self.shared.faults.add(fault)
    }

    pub fn clear_fault(&self, id: u64) {
        self.shared.faults.remove(id);
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The faults in force, with their numbers and the times they have left.
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        self.shared.faults.list()
    }

    /// New connections to both hosts are closed at once, as if nobody was there.
    pub fn offline(&self, offline: bool) {
        self.shared.offline.store(offline, Ordering::Relaxed);
    }

    /// How long addresses of the content host live from now on.
    pub fn signed_url_ttl(&self, lives: Duration) {
        let ms = u64::try_from(lives.as_millis()).unwrap_or(u64::MAX);
        self.shared.signed_url_ttl_ms.store(ms, Ordering::Relaxed);
    }

    /// All addresses of the content host handed out so far are void.
    pub fn expire_signed_urls(&self) {
        self.shared.grants.expire_all();
    }

    /// Entries of a tree page when the client names no limit; `None` for the hub's own.
    pub fn tree_page(&self, entries: Option<usize>) {
        self.shared.tree_page.store(entries.unwrap_or(0), Ordering::Relaxed);
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.shared.counters.requests()
    }

    /// Sums per listener, method and path, for the paths (or files, on the CDN) that contain this text.
    pub fn counts(&self, path_contains: &str) -> Vec<Count> {
        self.shared.counters.counts(path_contains)
    }

    /// How many requests.
    pub fn count(&self, path_contains: &str) -> u64 {
        self.counts(path_contains).iter().map(|count| count.requests).sum()
    }

    /// How many bytes of bodies were handed to connections, both hosts together.
    pub fn bytes_sent(&self, path_contains: &str) -> u64 {
        self.counts(path_contains).iter().map(|count| count.body_bytes).sum()
    }

    /// Requests that only a client which was offered Xet would make.
    pub fn xet_leaks(&self) -> u64 {
        self.shared.counters.xet_leaks()
    }

    /// Requests to the content host that carried an Authorization header.
    pub fn cdn_saw_authorization(&self) -> u64 {
        self.shared.counters.cdn_authorized()
    }

    pub fn reset_counters(&self) {
        self.shared.counters.reset();
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store()
    }
}

/// Everything the connections and the handles share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) hub_url: String,
    pub(crate) cdn_url: String,
    pub(crate) tokens: Tokens,
    pub(crate) owners: Owners,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    pub(crate) grants: Grants,
    store: Mutex<Store>,
    offline: AtomicBool,
    signed_url_ttl_ms: AtomicU64,
    /// 0 for the hub's own.
    tree_page: AtomicUsize,
    requests: AtomicU64,
}

impl Shared {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    pub(crate) fn signed_url_ttl(&self) -> Duration {
        Duration::from_millis(self.signed_url_ttl_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn tree_page(&self) -> Option<usize> {
        Some(self.tree_page.load(Ordering::Relaxed)).filter(|entries| *entries > 0)
    }

    pub(crate) fn next_request_id(&self) -> String {
        format!("Root=1-{:08x}-weighbridgesimulator", self.requests.fetch_add(1, Ordering::Relaxed))
    }
}
