//! A granted file on its way out: counted, and stopped within seconds of a revocation, or when its time is over.
//!
//! Never touches bytes: the endpoint's `FileAnswer` asks here before each chunk, and the connection is cut from here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Gate,
    act::PullFile,
    grant::Granted,
    identity::{self, Actor},
    object::File,
    resolve, rights, sql,
    windows::Lease,
};
use crate::{
    clock,
    domain::{refusal::Fault, role::Environment, time::Micros},
};

/// The right to go on sending. Made by spending the grant, once per body.
pub struct Sending {
    held: Held,
    lease: Option<Arc<Lease>>,
    changes: watch::Receiver<u64>,
    /// When the grant ends by itself.
    ends: Option<Micros>,
    sent: u64,
    whole: bool,
}

impl Granted<PullFile> {
    /// Spends the grant on one body.
    pub fn send(self) -> Sending {
        let lease = self.lease().cloned();
        if let Some(lease) = &lease {
            lease.stream_began();
        }
        let held = Held {
            gate: self.gate().clone(),
            actor: self.actor().clone(),
            file: self.object().clone(),
            environment: self.environment().clone(),
        };
        let ends = earliest(held.actor.expires_at(), held.file.revision.expires_at);
        // Never marked as seen here: what changed since the decision has to be asked about.
        Sending { held, lease, changes: self.changes().clone(), ends, sent: 0, whole: false }
    }
}

impl Sending {
    /// Whether nothing has happened since the last look: then the next chunk may leave without asking anybody.
    pub fn nothing_changed(&self) -> bool {
        self.is_current() && !self.held.is_stale(super::STALE)
    }

    /// Whether the next chunk may leave, deciding again if it must. Costs nothing while nothing has changed; waits
    /// while revocations cannot be heard of or nothing can be decided, and gives up on that after a minute.
    pub async fn may_go_on(&mut self) -> bool {
        let mut patience = Patience::default();
        loop {
            if !self.held.is_stale(super::STALE) {
                if self.is_current() {
                    return true;
                }
                // What changes while it is being decided is not seen yet, and is asked about again.
                let mut changes = self.changes.clone();
                changes.mark_unchanged();
                match self.held.decide().await {
                    Ok(Now::Holds { until }) => {
                        (self.changes, self.ends) = (changes, until);
                        return true;
                    }
                    Ok(Now::Over) => return false,
                    Err(fault) => patience.note(&fault),
                }
            }
            if patience.is_over() {
                return false;
            }
            sleep(PAUSE).await;
        }
    }

    /// Completes when the grant no longer holds: what cuts a connection whose client does not read.
    pub fn until_revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        let (held, mut changes, mut ends) = (self.held.clone(), self.changes.clone(), self.ends);
        async move {
            let mut failing: Option<Patience> = None;
            loop {
                let most = if failing.is_some() { PAUSE } else { left(ends) };
                // The sender lives as long as the gate that we hold.
                if matches!(timeout(most, changes.changed()).await, Ok(Err(_))) || held.is_stale(GIVE_UP) {
                    return;
                }
                match held.decide().await {
                    Ok(Now::Holds { until }) => (ends, failing) = (until, None),
                    Ok(Now::Over) => return,
                    Err(fault) => {
                        let patience = failing.get_or_insert_default();
                        patience.note(&fault);
                        if patience.is_over() {
                            return;
                        }
                    }
                }
            }
        }
    }

    pub fn count(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// The body was sent to its end.
    pub fn finished(&mut self) {
        self.whole = true;
    }

    fn is_current(&self) -> bool {
        !self.changes.has_changed().unwrap_or(true) && self.ends.is_none_or(|end| clock::now() < end)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.stream_ended(self.sent, self.whole);
        }
    }
}

/// What was granted, to look up again.
#[derive(Clone)]
struct Held {
    gate: Gate,
    actor: Actor,
    file: File,
    environment: Environment,
}

enum Now {
    /// Still granted, until then at most.
    Holds {
        until: Option<Micros>,
    },
    Over,
}

impl Held {
    /// A fault is no answer: it must neither let bytes leave nor cut them off.
    async fn decide(&self) -> Result<Now, Fault> {
        let reader = self.gate.reader();
        if self.actor.is_expired(clock::now()) {
            return Ok(Now::Over);
        }
        let Some(actor) = identity::again(&self.gate, &self.actor).await? else { return Ok(Now::Over) };
        if actor.is_expired(clock::now()) || !self.gate.may_still::<PullFile>(&actor, &self.environment, &self.file) {
            return Ok(Now::Over);
        }
        // Read before the rest is judged: should it be given another time meanwhile, that is one more change.
        let standing = sql::find_standing(reader, &self.file.revision.id, &self.environment).await?;
        if !resolve::still_served(&self.gate, &self.file, &self.environment).await? {
            return Ok(Now::Over);
        }
        let by = resolve::Asker { gate: &self.gate, actor: &actor, environment: &self.environment };
        if !rights::still(by, &self.file.revision.repo.name).await? {
            return Ok(Now::Over);
        }
        let approved_until = standing.and_then(|row| row.expires_at).map(Micros);
        Ok(Now::Holds { until: earliest(actor.expires_at(), approved_until) })
    }

    fn is_stale(&self, most: Duration) -> bool {
        self.gate.ledger().feed_age() > most
    }
}

/// How long nothing could be decided.
struct Patience {
    since: Instant,
    told: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), told: false }
    }
}

impl Patience {
    fn note(&mut self, fault: &Fault) {
        if !self.told {
            tracing::warn!(%fault, "a running stream cannot be decided again and waits");
        }
        self.told = true;
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= GIVE_UP
    }
}

fn earliest(a: Option<Micros>, b: Option<Micros>) -> Option<Micros> {
    a.into_iter().chain(b).min()
}

/// How long to sleep at most: a minute, or until just after the end.
fn left(ends: Option<Micros>) -> Duration {
    let Some(end) = ends else { return GIVE_UP };
    let left = u64::try_from(end.0.saturating_sub(clock::now().0)).unwrap_or_default();
    Duration::from_micros(left.saturating_add(1000)).min(GIVE_UP)
}

const PAUSE: Duration = Duration::from_millis(200);
const GIVE_UP: Duration = Duration::from_mins(1);
