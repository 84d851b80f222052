//! Writing down what the gate said: grants before their first byte, what is counted once a minute, and every no.
//!
//! Nothing is decided here. What the ledger does not take now is kept and offered again.

use std::{
    future::Future,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;

use super::{
    Call, Denied, Gate,
    act::{Act, Record},
    grant::{Context, Granted},
    identity::{self, Actor},
    object::Found,
    sql,
    windows::{Granting, Lease, LeaseKey},
};
use crate::{
    clock,
    domain::{
        event::{DecisionFact, Event, Kind, ObjectFact, Outcome},
        refusal::{Code, Fault, Refusal},
        role::Environment,
    },
    store::tables::decision,
};

impl Gate {
    /// Hands the ledger what is counted and over, waiting while it takes no more. What it does not take stays here for
    /// the next time. At the very end everything is handed over, however often that has to be tried.
    pub async fn write_out(&self, all: bool) {
        self.pace().tidy();
        let mut leaving = self.0.leaving.lock().await;
        let since = Instant::now();
        let mut filled = false;
        loop {
            // Only then: so what waits here while the ledger takes nothing is no more than the tables hold.
            if leaving.is_empty() && (all || !filled) {
                leaving.extend(self.finished(all));
                filled = true;
            }
            let Some(event) = leaving.front() else { return };
            match self.ledger().note(event).await {
                Ok(()) => drop(leaving.pop_front()),
                Err(fault) if !fault.passing => {
                    tracing::error!(%fault, kind = event.kind.word(), "an event cannot be written and is left out");
                    leaving.pop_front();
                }
                Err(_) if all && since.elapsed() < LAST_WORD => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(fault) if all => {
                    tracing::error!(%fault, events = leaving.len(), "counted events are lost with this process");
                    return;
                }
                Err(fault) => {
                    tracing::warn!(%fault, events = leaving.len(), "counted events wait for the ledger");
                    return;
                }
            }
        }
    }

    fn finished(&self, all: bool) -> impl Iterator<Item = Event> {
        let (leases, counted, denials) = (&self.0.leases, &self.0.counted, &self.0.denials);
        leases.take_ended(all).into_iter().chain(counted.take(all)).chain(denials.take(all))
    }

    /// A revision is used: what is in use is looked after first.
    pub(super) fn note_use(&self, fact: &ObjectFact) {
        if let (Some(repository), Some(commit)) = (&fact.repo_id, &fact.commit) {
            let mut used = self.0.used_revisions.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert((repository.clone(), commit.clone()), clock::now());
        }
    }

    /// Writes down when tokens and revisions were last used: bookkeeping, at most once a minute each.
    pub async fn write_use(&self) {
        let chores = self.parts().store.chores();
        // Credentials first: a session whose use is not written down ends early. What could not be written is kept.
        let used = std::mem::take(&mut *self.0.used.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, at) in used {
            if let Err(fault) = sql::save_use(&chores, &id, at).await {
                tracing::warn!(%fault, "when a token or session was last used could not be written");
                self.0.used.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert(at);
            }
        }
        let used = std::mem::take(&mut *self.0.used_revisions.lock().unwrap_or_else(PoisonError::into_inner));
        for ((repository, commit), at) in used {
            if let Err(fault) = sql::save_revision_use(&chores, &repository, &commit, at).await {
                tracing::warn!(%fault, "when a revision was last used could not be written");
                return;
            }
        }
    }

    pub(super) fn lease(
        &self,
        actor: &Actor,
        fact: &ObjectFact,
        environment: &Environment,
        context: &Context,
    ) -> Arc<Lease> {
        let (lease, full) = self.0.leases.of(LeaseKey {
            actor: actor.reference().to_owned(),
            token: actor.fact().token_id,
            address: context.source.as_ref().and_then(|s| s.ip_ref.clone()),
            revision: format!(
                "{}@{}",
                fact.repo_id.as_deref().unwrap_or_default(),
                fact.commit.as_deref().unwrap_or_default()
            ),
            path: fact.path.clone().unwrap_or_default(),
            sha256: fact.sha256.clone().unwrap_or_default(),
            environment: environment.to_string(),
        });
        self.ring_if(full);
        lease
    }

    /// A full table does not wait for its time.
    pub(super) fn ring_if(&self, full: bool) {
        if full {
            self.0.full.notify_one();
        }
    }

    /// Makes the grant durable, once a minute for the same actor and bytes; whoever comes second waits for the first.
    pub(super) async fn record_lease<A: Act>(&self, granted: &Granted<A>) -> Result<(), Refusal> {
        let Some(lease) = granted.lease() else { return Ok(()) };
        let record = async || {
            let mut event = granted.event(clock::new_id(), A::EVENT, granted.object().fact());
            event.outcome = Outcome::Allow;
            let granting = Granting {
                id: event.id.clone(),
                actor: event.actor.clone(),
                source: event.source.clone(),
                object: event.object.clone().unwrap_or_default(),
            };
            self.ledger().record(event).await?;
            Ok::<_, Fault>(granting)
        };
        lease.recorded.get_or_try_init(record).await?;
        Ok(())
    }

    pub(super) fn count<A: Act>(&self, granted: &Granted<A>, kind: Kind) {
        let mut fact = granted.object().fact();
        if matches!(fact.kind, "request" | "decision") {
            // There are endlessly many of them, the invented ones included: what counts is that some were asked for.
            fact.id = None;
        }
        let key = (
            granted.actor().reference().to_owned(),
            kind.word(),
            fact.repo.clone().or_else(|| fact.id.clone()).unwrap_or_default(),
            fact.commit.clone().or_else(|| fact.rev.clone()).unwrap_or_default(),
            granted.environment().to_string(),
        );
        let event = || {
            let object = ObjectFact { path: None, sha256: None, size: None, etag: None, ..fact };
            let mut event = granted.event(String::new(), kind, object);
            event.outcome = Outcome::Allow;
            event
        };
        self.ring_if(self.0.counted.add(key, clock::now(), event));
    }

    pub(super) fn fact<A: Act>(
        &self,
        actor: &Actor,
        effect: &'static str,
        matched: Vec<String>,
        reason: &str,
    ) -> DecisionFact {
        DecisionFact {
            effect,
            engine: "casbin",
            act: A::WORD,
            id: None,
            policy_rev: self.policy_rev().to_owned(),
            matched,
            groups: actor.role_words().into_iter().map(|role| format!("role:{role}")).collect(),
            reason: reason.to_owned(),
        }
    }

    /// Keeps a denial under an id that its receiver can ask about. Within a minute the same denial keeps its id.
    pub(super) async fn deny<A: Act>(
        &self,
        actor: &Actor,
        denied: Denied,
        fact: ObjectFact,
        place: &str,
        call: &Call,
    ) -> Refusal {
        if !is_decision(denied.refusal.code) {
            return denied.refusal;
        }
        let Denied { refusal, environment, .. } = &denied;
        let what = format!("{place}@{}", fact.rev.as_deref().or(fact.id.as_deref()).unwrap_or_default());
        let key = (actor.reference().to_owned(), what, environment.clone(), refusal.code);
        if let Some(id) = self.0.denials.again(&key, clock::now()) {
            return self.pointing(denied.refusal, id);
        }
        if let Err(too_many) = self.pace().denial(actor) {
            return too_many;
        }
        let id = clock::new_id();
        match self.save_denial::<A>(actor, &denied, &fact, &id, call).await {
            Ok(event) => {
                self.ring_if(self.0.denials.opened(key, clock::now(), event));
                self.pointing(denied.refusal, id)
            }
            // Nothing is served, so a denial stands even when it cannot be written down now.
            Err(fault) => {
                tracing::error!(fault = %fault, "a denial could not be recorded");
                denied.refusal
            }
        }
    }

    async fn save_denial<A: Act>(
        &self,
        actor: &Actor,
        denied: &Denied,
        fact: &ObjectFact,
        id: &str,
        call: &Call,
    ) -> Result<Event, Fault> {
        let Denied { refusal, environment, matched } = denied;
        let pull = matches!(fact.kind, "file" | "revision" | "repository") && A::RECORD != Record::WithChange;
        let kind = if pull { Kind::FileDenied } else { Kind::ActDenied };
        let mut event = Event::new(clock::new_id(), kind, Outcome::Deny, actor.fact());
        event.request_id.clone_from(&call.request_id);
        event.http.clone_from(&call.http);
        if let Some(source) = &call.source {
            event.source = Some(source.fact(self).await?);
        }
        event.object = Some(ObjectFact { environment: Some(environment.clone()), ..fact.clone() });
        let mut decision = self.fact::<A>(actor, "deny", matched.clone(), refusal.code.word());
        decision.id = Some(id.to_owned());
        event.decision = Some(decision);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let row = decision::Model {
            id: id.to_owned(),
            act: A::WORD.to_owned(),
            actor_ref: actor.reference().to_owned(),
            actor_name: actor.name().to_owned(),
            environment: environment.clone(),
            repo_kind: fact.repo_type.unwrap_or_default().to_owned(),
            repo: text(&fact.repo),
            rev: text(&fact.rev),
            commit_id: fact.commit.clone(),
            path: text(&fact.path),
            code: refusal.code.word().to_owned(),
            sentence: refusal.sentence.clone(),
            hint: refusal.hint.clone(),
            policy_rev: self.policy_rev().to_owned(),
            made_at: clock::now().0,
        };
        let tx = self.ledger().begin().await?;
        sql::save_decision(&tx, row).await?;
        tx.commit(vec![event.clone()]).await?;
        Ok(event)
    }

    fn pointing(&self, mut refusal: Refusal, id: String) -> Refusal {
        let more = format!("Decision {id}: {}/-/r/{id}", self.public_url());
        refusal.hint = if refusal.hint.is_empty() { more } else { format!("{} {more}", refusal.hint) };
        refusal.decision = Some(id);
        refusal
    }

    /// One row a minute for a network, however many addresses it has.
    pub(super) async fn count_failed_sign_in(&self, refusal: &Refusal, call: &Call) {
        let Some(source) = &call.source else { return };
        let key = (
            identity::neighbourhood(source.address),
            Kind::SignInFailed.word(),
            refusal.code.word().to_owned(),
            String::new(),
            String::new(),
        );
        if self.0.counted.more(&key, clock::now()) {
            return;
        }
        let fact = source.strange_fact(self).await;
        let event = || {
            let mut event = Event::new(String::new(), Kind::SignInFailed, Outcome::Deny, Actor::anonymous().fact());
            event.source = Some(fact);
            event.request_id.clone_from(&call.request_id);
            event.http.clone_from(&call.http);
            event.detail = Some(serde_json::json!({"reason": refusal.code.word()}));
            event
        };
        self.ring_if(self.0.counted.add(key, clock::now(), event));
    }
}

/// Which refusals are decisions about somebody's wish; the others say that a name means nothing, or that we are unwell.
fn is_decision(code: Code) -> bool {
    matches!(
        code,
        Code::NotAllowed
            | Code::NoRightAtHub
            | Code::NotApproved
            | Code::Denied
            | Code::Hidden
            | Code::Revoked
            | Code::RevokedByName
            | Code::DigestDenied
            | Code::ReservedName
            | Code::BytesMismatch
    )
}

/// Runs beside the server: writes out what is counted, every few seconds, and sooner when there is much.
pub async fn keep(gate: Gate, stop: impl Future<Output = ()> + Send + 'static) {
    tokio::pin!(stop);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    let mut minute = tokio::time::interval(Duration::from_mins(1));
    // While the ledger takes nothing, a turn is longer than a tick.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = minute.tick() => gate.write_use().await,
            _ = tick.tick() => gate.write_out(false).await,
            () = gate.0.full.notified() => {
                gate.write_out(false).await;
                // A table full of what still runs stays full.
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
    gate.write_use().await;
}

/// How long the last word to the ledger is tried.
const LAST_WORD: Duration = Duration::from_secs(10);
