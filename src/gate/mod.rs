//! The gate: the only place where somebody gets the right to do something.
//!
//! `admit` takes an actor and an object as named, and gives a `Granted` or a `Refusal`: may this actor do this act there
//! (access), what does the name mean (resolve), is it served in this environment (standing), is it written down
//! (ledger). There is no other way to a `Granted`, and no switch that turns any of these off.

pub mod access;
pub mod act;
pub mod grant;
pub mod identity;
pub mod object;
pub mod pace;
pub mod resolve;
mod sql;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tx;
mod windows;

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderMap;
use moka::future::Cache;
use tokio::{
    sync::{Notify, watch::Receiver},
    time::MissedTickBehavior,
};

use self::{
    access::Access,
    act::{Act, Record},
    grant::{Context, Granted, Yes},
    identity::{Actor, Source},
    object::{File, Found, Object, Revision, Where},
    resolve::Until,
    windows::{Counted, Granting, Lease, LeaseKey, Leases},
};
use crate::{
    clock,
    domain::{
        event::{DecisionFact, Event, HttpFact, Kind, ObjectFact, Outcome},
        file::FilePath,
        name::RepoName,
        refusal::{Code, Fault, Refusal},
        rev::Rev,
        role::Environment,
        time::Micros,
    },
    ledger::Ledger,
    store::{Reader, Store, tables::decision},
    upstream::Upstream,
};

/// A configured environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSetting {
    pub name: Environment,
    pub production: bool,
}

/// What the gate is made of. Everything in it is needed; nothing has a default.
pub struct Parts {
    pub store: Store,
    pub ledger: Ledger,
    pub access: Access,
    pub upstream: Upstream,
    pub environments: Vec<EnvironmentSetting>,
    /// The address clients know us by, without a trailing slash: refusals point there.
    pub public_url: String,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

type RevisionKey = (u64, Environment, RepoName, Rev);
type FileKey = (u64, Environment, String, FilePath);
type DenialKey = (String, String, String, Code);
type CountKey = (String, &'static str, String, String, String);

struct Inner {
    parts: Parts,
    changes: Receiver<u64>,
    actors: Cache<(u64, [u8; 32]), Actor>,
    revisions: Cache<RevisionKey, Until<Revision>>,
    files: Cache<FileKey, File>,
    leases: Leases,
    counted: Counted<CountKey>,
    denials: Counted<DenialKey>,
    pace: pace::Pace,
    /// Tokens that were good within the hour: they are looked up again without being slowed down.
    familiar: moka::sync::Cache<[u8; 32], ()>,
    /// What is on its way to the ledger, in order.
    leaving: tokio::sync::Mutex<VecDeque<Event>>,
    /// Rung when a table is full.
    full: Notify,
    /// When each token was last used, until it is written down.
    used: Mutex<HashMap<String, Micros>>,
}

/// The circumstances of one request.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub request_id: Option<String>,
    pub source: Option<Source>,
    pub http: Option<HttpFact>,
    /// Only headers are asked for: nothing leaves but facts.
    pub head: bool,
}

impl Gate {
    pub fn new(parts: Parts) -> Self {
        let remembered = |most| Cache::builder().max_capacity(most).time_to_live(Duration::from_mins(5));
        Self(Arc::new(Inner {
            changes: parts.ledger.changes(),
            actors: Cache::builder().max_capacity(20_000).time_to_live(Duration::from_secs(5)).build(),
            revisions: remembered(50_000).build(),
            files: Cache::builder().max_capacity(200_000).time_to_live(Duration::from_mins(5)).build(),
            leases: Leases::new(),
            counted: Counted::new(),
            denials: Counted::new(),
            pace: pace::Pace::default(),
            familiar: moka::sync::Cache::builder().max_capacity(50_000).time_to_live(Duration::from_hours(1)).build(),
            leaving: tokio::sync::Mutex::default(),
            full: Notify::new(),
            used: Mutex::default(),
            parts,
        }))
    }

    /// Who is asking. No credential and a bad one are refused, and counted by address.
    pub async fn identify(&self, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
        match identity::identify(self, headers, call).await {
            Err(refusal) if matches!(refusal.code, Code::SignInRequired | Code::TokenNotAccepted) => {
                self.count_failed_sign_in(&refusal, call).await;
                Err(refusal)
            }
            Ok(actor) => {
                if let Some(id) = actor.token_id() {
                    let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
                    match used.get_mut(id) {
                        Some(at) => *at = clock::now(),
                        None => drop(used.insert(id.to_owned(), clock::now())),
                    }
                }
                Ok(actor)
            }
            answer => answer,
        }
    }

    /// The only way to a grant for whoever asks from outside.
    pub async fn admit<A: Act>(&self, actor: Actor, asked: A::Asked, call: &Call) -> Result<Granted<A>, Refusal> {
        if let Err(why) = self.parts().ledger.healthy() {
            return Err(Fault::new(format!("the ledger cannot take entries: {why}")).passing().into());
        }
        if self.parts().ledger.feed_age() > STALE {
            return Err(Fault::new("revocations have not been heard of for 5 seconds").passing().into());
        }
        // Taken before anything is looked at, so that what changes from here on is seen by whoever uses the grant.
        let changes = self.ledger().changes();
        let fact = asked.fact();
        let place = asked.place();
        match self.decide::<A>(&actor, asked).await {
            Ok(decided) => self.grant(actor, decided, changes, call).await,
            Err(denied) => Err(self.deny::<A>(&actor, denied, fact, &place, call).await),
        }
    }

    /// A grant for the gateway's own work: which job, and for whom.
    pub fn admit_work<A: Act<Found = <A as Act>::Asked>>(
        &self,
        cause: &str,
        asked: A::Asked,
    ) -> Result<Granted<A>, Refusal>
    where
        A::Asked: Found,
    {
        self.admit_system(Actor::work(cause), asked)
    }

    /// A grant for a command given on the host.
    pub fn admit_host<A: Act<Found = <A as Act>::Asked>>(
        &self,
        cause: &str,
        asked: A::Asked,
    ) -> Result<Granted<A>, Refusal>
    where
        A::Asked: Found,
    {
        self.admit_system(Actor::host(cause), asked)
    }

    pub fn environments(&self) -> &[EnvironmentSetting] {
        &self.parts().environments
    }

    pub fn public_url(&self) -> &str {
        &self.parts().public_url
    }

    pub fn policy_rev(&self) -> &str {
        self.parts().access.digest()
    }

    /// The environment an actor pulls in.
    pub fn home(&self, actor: &Actor) -> Option<&Environment> {
        identity::home(actor.reach(), self.environments())
    }

    /// What keeps this replica from answering, by name.
    pub fn failing(&self) -> Vec<&'static str> {
        let mut failing = Vec::new();
        if self.ledger().healthy().is_err() {
            failing.push("ledger");
        }
        if self.ledger().feed_age() > STALE {
            failing.push("database");
        }
        failing
    }

    /// Whether one more question may go to the hub on this caller's behalf: the budget there is one for all, and so is
    /// the hub's own patience. The gateway's own work has other limits.
    pub fn may_ask_upstream(&self, actor: &Actor) -> Result<(), Refusal> {
        if actor.is_system() { Ok(()) } else { self.pace().upstream(actor) }
    }

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

    /// Writes down when tokens were last used: bookkeeping, at most once a minute each.
    pub async fn write_use(&self) {
        let used = std::mem::take(&mut *self.0.used.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, at) in used {
            if let Err(fault) = sql::save_use(&self.parts().store.chores(), &id, at).await {
                tracing::warn!(fault = %fault, "when a token was last used could not be written");
                return;
            }
        }
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn ledger(&self) -> &Ledger {
        &self.0.parts.ledger
    }

    fn reader(&self) -> &Reader {
        self.0.parts.store.reader()
    }

    fn upstream(&self) -> &Upstream {
        &self.0.parts.upstream
    }

    fn revisions(&self) -> &Cache<RevisionKey, Until<Revision>> {
        &self.0.revisions
    }

    fn files(&self) -> &Cache<FileKey, File> {
        &self.0.files
    }

    fn actors(&self) -> &Cache<(u64, [u8; 32]), Actor> {
        &self.0.actors
    }

    /// Moves whenever anything that a decision rests on may have changed. It is part of every cache key, so a stale
    /// answer is not found rather than cleared in time.
    fn epoch(&self) -> u64 {
        *self.0.changes.borrow()
    }

    fn pace(&self) -> &pace::Pace {
        &self.0.pace
    }

    fn familiar(&self) -> &moka::sync::Cache<[u8; 32], ()> {
        &self.0.familiar
    }

    fn admit_system<A: Act<Found = <A as Act>::Asked>>(
        &self,
        actor: Actor,
        asked: A::Asked,
    ) -> Result<Granted<A>, Refusal>
    where
        A::Asked: Found,
    {
        let ruling = self.parts().access.decide(actor.subject(), "all", &Object::place(&asked), A::WORD);
        if !ruling.allow {
            return Err(Refusal::new(Code::NotAllowed, format!("The policy does not let the system do {}.", A::WORD)));
        }
        let changes = self.ledger().changes();
        let environment = self.first_environment()?;
        let decision = self.fact::<A>(&actor, "allow", ruling.matched, "system");
        let context = Context { decision, ..Context::default() };
        let (object, context) = (asked, Arc::new(context));
        let yes = Yes { actor, object, environment, everywhere: true, context, lease: None, changes };
        Ok(Granted::new(self.clone(), yes))
    }

    fn first_environment(&self) -> Result<Environment, Fault> {
        let first = self.environments().first().map(|e| e.name.clone());
        first.ok_or_else(|| Fault::new("no environment is configured"))
    }

    /// Access, then what the name means, then access to what it means, if that is something else.
    async fn decide<A: Act>(&self, actor: &Actor, asked: A::Asked) -> Result<Decided<A>, Denied> {
        let at = asked.at();
        let environments = self.scope(actor, &at).map_err(|refusal| Denied::of(refusal, &scope_word(&at)))?;
        let Some(environment) = environments.first().cloned() else {
            let refusal =
                Refusal::new(Code::NotAllowed, "This credential reaches no environment that is configured here.");
            return Err(Denied::of(refusal, "none"));
        };
        let word = if at == Where::Everywhere { "all".to_owned() } else { environment.to_string() };
        let place = asked.place();
        let mut matched = self.rule::<A>(actor, &environments, &place)?;
        let object = asked.find(self, actor, &environment).await.map_err(|refusal| Denied::of(refusal, &word))?;
        let found_place = object.place();
        if found_place != place {
            matched = self.rule::<A>(actor, &environments, &found_place)?;
        }
        Ok(Decided { object, environment, everywhere: at == Where::Everywhere, matched })
    }

    fn scope(&self, actor: &Actor, at: &Where) -> Result<Vec<Environment>, Refusal> {
        let outside = |name: &Environment| {
            let sentence = format!("This credential does not reach the environment {name}.");
            Refusal::new(Code::NotAllowed, sentence).hint("Use a credential of that environment.")
        };
        match at {
            Where::Credential => Ok(self.home(actor).cloned().into_iter().collect()),
            Where::Named(name) => {
                if !actor.reach().covers(name) {
                    return Err(outside(name));
                }
                if !self.environments().iter().any(|e| e.name == *name) {
                    let names: Vec<_> = self.environments().iter().map(|e| e.name.as_str()).collect();
                    let sentence = format!("There is no environment {name} here.");
                    return Err(
                        Refusal::new(Code::NotFound, sentence).hint(format!("There are: {}.", names.join(", ")))
                    );
                }
                Ok(vec![name.clone()])
            }
            Where::Everywhere => {
                let all: Vec<_> = self.environments().iter().map(|e| e.name.clone()).collect();
                let beyond = all.iter().find(|name| !actor.reach().covers(name));
                let hint = "Name one environment that it reaches, with --env.";
                beyond.map_or(Ok(()), |name| Err(Refusal { hint: hint.to_owned(), ..outside(name) }))?;
                Ok(all)
            }
        }
    }

    fn rule<A: Act>(&self, actor: &Actor, environments: &[Environment], place: &str) -> Result<Vec<String>, Denied> {
        let mut matched = Vec::new();
        for environment in environments {
            let ruling = self.parts().access.decide(actor.subject(), environment.as_str(), place, A::WORD);
            if !ruling.allow {
                let who = actor.role().map_or("This credential", |role| role.word());
                let sentence = format!("The role {who} may not do {} in {environment}.", A::WORD);
                let refusal =
                    Refusal::new(Code::NotAllowed, sentence).hint("Ask your Weighbridge operator for another role.");
                return Err(Denied { refusal, environment: environment.to_string(), matched: ruling.matched });
            }
            matched = ruling.matched;
        }
        Ok(matched)
    }

    async fn grant<A: Act>(
        &self,
        actor: Actor,
        decided: Decided<A>,
        changes: Receiver<u64>,
        call: &Call,
    ) -> Result<Granted<A>, Refusal> {
        let Decided { object, environment, everywhere, matched } = decided;
        let source = match &call.source {
            Some(source) => Some(source.fact(self).await?),
            None => None,
        };
        let decision = self.fact::<A>(&actor, "allow", matched, "approved");
        let context =
            Arc::new(Context { request_id: call.request_id.clone(), source, http: call.http.clone(), decision });
        let durable = A::RECORD == Record::Durable && !call.head;
        let lease = durable.then(|| self.lease(&actor, &object.fact(), &environment, &context));
        let yes = Yes { actor, object, environment, everywhere, context, lease, changes };
        let granted = Granted::new(self.clone(), yes);
        match A::RECORD {
            Record::Durable if durable => self.record_lease(&granted).await?,
            Record::Durable => self.count(&granted, Kind::RevisionViewed),
            Record::Counted => self.count(&granted, A::EVENT),
            Record::WithChange => {}
        }
        Ok(granted)
    }

    fn lease(&self, actor: &Actor, fact: &ObjectFact, environment: &Environment, context: &Context) -> Arc<Lease> {
        let (lease, full) = self.0.leases.of(LeaseKey {
            actor: actor.reference().to_owned(),
            token: actor.token_id().map(str::to_owned),
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
    fn ring_if(&self, full: bool) {
        if full {
            self.0.full.notify_one();
        }
    }

    /// Makes the grant durable, once a minute for the same actor and bytes; whoever comes second waits for the first.
    async fn record_lease<A: Act>(&self, granted: &Granted<A>) -> Result<(), Refusal> {
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

    fn count<A: Act>(&self, granted: &Granted<A>, kind: Kind) {
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

    fn fact<A: Act>(&self, actor: &Actor, effect: &'static str, matched: Vec<String>, reason: &str) -> DecisionFact {
        DecisionFact {
            effect,
            engine: "casbin",
            act: A::WORD,
            id: None,
            policy_rev: self.policy_rev().to_owned(),
            matched,
            groups: actor.role().map(|role| format!("role:{role}")).into_iter().collect(),
            reason: reason.to_owned(),
        }
    }

    /// Keeps a denial under an id that its receiver can ask about. Within a minute the same denial keeps its id.
    async fn deny<A: Act>(&self, actor: &Actor, denied: Denied, fact: ObjectFact, place: &str, call: &Call) -> Refusal {
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
    async fn count_failed_sign_in(&self, refusal: &Refusal, call: &Call) {
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

struct Decided<A: Act> {
    object: A::Found,
    environment: Environment,
    everywhere: bool,
    matched: Vec<String>,
}

/// A no, where it was said, and the rows that said it.
struct Denied {
    refusal: Refusal,
    environment: String,
    matched: Vec<String>,
}

impl Denied {
    fn of(refusal: Refusal, environment: &str) -> Self {
        Self { refusal, environment: environment.to_owned(), matched: Vec::new() }
    }
}

/// Which refusals are decisions about somebody's wish; the others say that a name means nothing, or that we are unwell.
fn is_decision(code: Code) -> bool {
    matches!(
        code,
        Code::NotAllowed
            | Code::NotApproved
            | Code::Revoked
            | Code::RevokedByName
            | Code::DigestDenied
            | Code::ReservedName
            | Code::BytesMismatch
    )
}

fn scope_word(at: &Where) -> String {
    match at {
        Where::Named(name) => name.to_string(),
        Where::Credential => "none".to_owned(),
        Where::Everywhere => "all".to_owned(),
    }
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
/// How long nobody may have heard of revocations before new grants stop.
const STALE: Duration = Duration::from_secs(5);
