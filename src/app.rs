//! The handles a feature may hold: the gate, the stores, the hub, and the bells.
//!
//! Never a `Store` or a `Ledger`: reading goes through a grant, changing through a grant's transaction.

pub mod directories;
pub mod providers;
pub mod storage;
pub mod tries;
pub mod vigils;

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use moka::sync::Cache;
use serde::Deserialize;
use tokio::sync::watch;

use self::{directories::Directory, providers::Providers, storage::Storage, tries::Tries, vigils::Vigils};
use crate::{
    blobs::Blobs,
    domain::basis::{self, Words},
    gate::Gate,
    sandbox::Sandbox,
    store::chores::Chores,
    upstream::Upstream,
};

/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub gate: Gate,
    pub blobs: Blobs,
    pub upstream: Upstream,
    pub chores: Chores,
    pub bells: Arc<Bells>,
    pub face: Arc<Face>,
    pub stopping: Stopping,
    pub answers: Answers,
    pub recent: Recent,
    pub sandbox: Sandbox,
    pub publishers: Arc<Publishers>,
    pub basis: Basis,
    pub following: Arc<Following>,
    /// The largest file that is fetched whole so that it can be judged.
    pub whole_file_limit: u64,
    pub storage: Storage,
    pub vigils: Vigils,
    /// Where people sign in.
    pub providers: Providers,
    /// How often codes are tried and sign-ins begun.
    pub tries: Arc<Tries>,
    /// The directories that may push people.
    pub directories: Arc<Vec<Directory>>,
    /// Whether this is work that nobody waits for: what it asks for stays in the background too.
    pub in_background: bool,
}

/// What this process decides on, and where that stands among what others decide on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Basis(Arc<BasisNow>);

#[derive(Debug, Default)]
struct BasisNow {
    words: Words,
    number: AtomicI64,
    behind: AtomicBool,
    /// Scanners above ours that nobody works with any more: those of a version that was stepped back from.
    gone: RwLock<BTreeSet<String>>,
}

impl Basis {
    pub fn of(words: Words) -> Self {
        Self(Arc::new(BasisNow { words, ..BasisNow::default() }))
    }

    pub fn words(&self) -> &Words {
        &self.0.words
    }

    /// What is written beside each decision. 0 until it is settled.
    pub fn number(&self) -> i64 {
        self.0.number.load(Ordering::Relaxed)
    }

    /// Whether others work on a basis that replaces ours: then we decide what nobody has decided, and nothing anew.
    pub fn is_behind(&self) -> bool {
        self.0.behind.load(Ordering::Relaxed)
    }

    /// From now on what these scanners reported counts no more than what any older one did.
    pub fn forget(&self, gone: BTreeSet<String>) {
        *self.0.gone.write().unwrap_or_else(PoisonError::into_inner) = gone;
    }

    pub fn settle(&self, number: i64, behind: bool) {
        self.0.number.store(number, Ordering::Relaxed);
        self.0.behind.store(behind, Ordering::Relaxed);
    }

    /// Whether what this scanner reported is to be left as it is: it is ours, or replaces ours.
    pub fn leaves(&self, scanner: &str) -> bool {
        let scanner = basis::plain(scanner);
        scanner == self.0.words.scanner || self.is_newer(scanner)
    }

    /// Whether a scanner replaces ours. Two builds of one version: the one that others work with while we are behind. One
    /// that nobody works with replaces none: else what it judged would wait for ever for somebody to verify it.
    pub fn is_newer(&self, scanner: &str) -> bool {
        let scanner = basis::plain(scanner);
        if self.0.gone.read().unwrap_or_else(PoisonError::into_inner).contains(scanner) {
            return false;
        }
        let ours = self.0.words.scanner.as_str();
        basis::is_newer(scanner, ours) || (self.is_behind() && scanner != ours && !basis::is_newer(ours, scanner))
    }
}

/// How closely the hub is followed.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// How often each repository is looked up; zero is never.
    pub every: Duration,
    /// The hash of what a webhook must say to be heard. None: there is no webhook.
    pub secret: Option<[u8; 32]>,
}

/// How well publishers are known, by the name of the repository's owner. Who stands nowhere is unknown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publishers {
    pub strategic: Vec<String>,
    pub verified: Vec<String>,
    pub known: Vec<String>,
    pub prohibited: Vec<String>,
}

impl Publishers {
    /// One hash over all lists.
    pub fn digest(&self) -> String {
        basis::hash(&serde_json::json!([self.strategic, self.verified, self.known, self.prohibited]))
    }

    pub fn tier(&self, owner: &str) -> &'static str {
        let lists = [
            ("prohibited", &self.prohibited),
            ("strategic", &self.strategic),
            ("verified", &self.verified),
            ("known", &self.known),
        ];
        let listed = |names: &Vec<String>| names.iter().any(|name| name.eq_ignore_ascii_case(owner));
        lists.into_iter().find(|(_, names)| listed(names)).map_or("unknown", |(tier, _)| tier)
    }
}

impl Following {
    pub fn hash(secret: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
        bytes
    }

    /// Whether a webhook's secret is ours, in the same time whatever it is. `None` when there is none.
    pub fn hears(&self, secret: &str) -> Option<bool> {
        let ours = self.secret?;
        Some(constant_time::verify_slices_are_equal(&ours, &Self::hash(secret)).is_ok())
    }
}

/// Which branches were looked up at the hub just now. Cheap to clone.
#[derive(Clone)]
pub struct Recent(Cache<String, ()>);

impl Default for Recent {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(50_000).time_to_live(Duration::from_mins(5)).build())
    }
}

impl Recent {
    /// Whether it is time to look again; whoever hears yes does.
    pub fn due(&self, name: &str) -> bool {
        self.0.entry_by_ref(name).or_insert(()).is_fresh()
    }
}

/// JSON that was composed before, under keys that change with everything it rests on. At most 32 MiB.
#[derive(Clone)]
pub struct Answers(Cache<String, Bytes>);

impl Default for Answers {
    fn default() -> Self {
        let weight = |key: &String, answer: &Bytes| u32::try_from(key.len() + answer.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weight).max_capacity(32 << 20).time_to_live(Duration::from_mins(5)).build())
    }
}

impl Answers {
    pub fn find(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)
    }

    pub fn keep(&self, key: String, answer: Bytes) {
        self.0.insert(key, answer);
    }
}

impl App {
    /// What keeps this replica from being sent requests, by name.
    pub fn failing(&self) -> Vec<&'static str> {
        let mut failing = self.gate.failing();
        if self.stopping.has_begun() {
            failing.push("stopping");
        }
        failing
    }
}

/// How clients reach us.
#[derive(Clone, Debug)]
pub struct Face {
    /// Without a trailing slash.
    pub public_url: String,
    /// The path part of `public_url`: empty, or `/prefix`.
    pub prefix: String,
    /// How long a request is held for something that is under way.
    pub hold: Duration,
}

/// Wakes workers for new jobs, and waiters for their own job's end, within this process; other replicas look every
/// second.
pub struct Bells {
    jobs: watch::Sender<u64>,
    /// Jobs share a bell when their keys fall together: whoever is woken looks at the row anyway.
    ends: Vec<watch::Sender<u64>>,
}

impl Default for Bells {
    fn default() -> Self {
        Self { jobs: watch::Sender::new(0), ends: (0..64).map(|_| watch::Sender::new(0)).collect() }
    }
}

impl Bells {
    pub fn ring_for_work(&self) {
        self.jobs.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Rings whenever a job was asked for.
    pub fn work(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }

    /// The job with this key has ended, or waits for its next try.
    pub fn ring_end(&self, key: &str) {
        self.end_of(key).send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Rings when the job with this key may have ended.
    pub fn end(&self, key: &str) -> watch::Receiver<u64> {
        self.end_of(key).subscribe()
    }

    fn end_of(&self, key: &str) -> &watch::Sender<u64> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % 64).unwrap_or_default();
        self.ends.get(place).unwrap_or(&self.jobs)
    }
}

/// Whether the gateway has been told to stop, in two steps: first health answers say so, so that balancers send nobody
/// any more; then, a while later, listeners close and workers end.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Sender<Phase>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Announced,
    Begun,
    Over,
}

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }
}

impl Stopping {
    /// From now on this gateway is not ready; it still takes connections.
    pub fn announce(&self) {
        self.0.send_if_modified(|phase| {
            let first = *phase == Phase::Running;
            if first {
                *phase = Phase::Announced;
            }
            first
        });
    }

    pub fn begin(&self) {
        self.0.send_replace(Phase::Begun);
    }

    /// The drain time is over: whatever still runs is cut.
    pub fn cut(&self) {
        self.0.send_replace(Phase::Over);
    }

    /// Completes when what still runs has to end at once.
    pub fn is_over(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reached(&[Phase::Over])
    }

    /// Whether a stop was at least announced: what readiness looks at.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() != Phase::Running
    }

    /// The second step: when listeners close.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reached(&[Phase::Begun, Phase::Over])
    }

    fn reached(&self, phases: &'static [Phase]) -> impl Future<Output = ()> + Send + 'static {
        let mut told = self.0.subscribe();
        async move {
            let _ = told.wait_for(|phase| phases.contains(phase)).await;
        }
    }
}
