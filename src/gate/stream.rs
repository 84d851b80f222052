//! A granted file on its way out: counted, and stopped within seconds of a revocation.
//!
//! Never touches bytes: the endpoint's `FileAnswer` asks here before each chunk, and the connection is cut from here.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Gate, act::PullFile, grant::Granted, identity::Actor, object::File, resolve, sql, windows::Lease};
use crate::{
    clock,
    domain::{refusal::Fault, role::Environment},
};

/// The right to go on sending. Made by spending the grant, once per body.
pub struct Sending {
    gate: Gate,
    actor: Actor,
    file: File,
    environment: Environment,
    lease: Option<Arc<Lease>>,
    changes: watch::Receiver<u64>,
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
        Sending {
            gate: self.gate().clone(),
            actor: self.actor().clone(),
            file: self.object().clone(),
            environment: self.environment().clone(),
            lease,
            changes: self.gate().changes(),
            sent: 0,
            whole: false,
        }
    }
}

impl Sending {
    /// Whether nothing has happened since the last look: then the next chunk may leave without asking anybody.
    pub fn nothing_changed(&self) -> bool {
        !self.changes.has_changed().unwrap_or(true) && self.gate.ledger().feed_age() <= super::STALE
    }

    /// Whether the next chunk may leave, deciding again if it must. Costs nothing while nothing has changed; waits while revocations cannot be
    /// heard of, and gives up on that after a minute.
    pub async fn may_go_on(&mut self) -> bool {
        let mut waited = Duration::ZERO;
        while self.gate.ledger().feed_age() > super::STALE {
            if waited >= GIVE_UP {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
        if !self.changes.has_changed().unwrap_or(true) {
            return true;
        }
        self.changes.mark_unchanged();
        still_holds(&self.gate, &self.actor, &self.file, &self.environment).await
    }

    /// Completes when the grant no longer holds: what cuts a connection whose client does not read.
    pub fn until_revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        let (gate, actor, file) = (self.gate.clone(), self.actor.clone(), self.file.clone());
        let (environment, mut changes) = (self.environment.clone(), self.gate.changes());
        async move {
            loop {
                let _ = tokio::time::timeout(GIVE_UP, changes.changed()).await;
                let stale = gate.ledger().feed_age() > GIVE_UP;
                if stale || !still_holds(&gate, &actor, &file, &environment).await {
                    return;
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
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.stream_ended(self.sent, self.whole);
        }
    }
}

async fn still_holds(gate: &Gate, actor: &Actor, file: &File, environment: &Environment) -> bool {
    match holds(gate, actor, file, environment).await {
        Ok(holds) => holds,
        Err(fault) => {
            tracing::error!(fault = %fault, "a running stream could not be decided again, so it stops");
            false
        }
    }
}

async fn holds(gate: &Gate, actor: &Actor, file: &File, environment: &Environment) -> Result<bool, Fault> {
    if actor.is_expired(clock::now()) {
        return Ok(false);
    }
    if let Some(id) = actor.token_id() {
        let token = sql::find_token_by_id(gate.reader(), id).await?;
        if token.is_none_or(|token| token.revoked_at.is_some()) {
            return Ok(false);
        }
    }
    resolve::still_served(gate, file, environment).await
}

const PAUSE: Duration = Duration::from_millis(200);
const GIVE_UP: Duration = Duration::from_mins(1);
