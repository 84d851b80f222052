//! The gate: the only place where somebody gets the right to do something.
//!
//! `admit` takes an actor and an object as named, and gives a `Granted` or a `Refusal`: may this actor do this act there
//! (access), what does the name mean (resolve), is it served in this environment (standing), is it written down
//! (ledger). There is no other way to a `Granted`, and no switch that turns any of these off.

pub mod access;
pub mod act;
pub mod admission;
mod door;
pub mod evidence;
pub mod grant;
pub mod identity;
pub mod object;
pub mod pace;
pub mod record;
pub mod resolve;
pub mod rights;
mod sql;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tx;
mod windows;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::digest;
use moka::future::Cache;
use tokio::sync::{Notify, watch::Receiver};

pub use self::door::Newcomer;
use self::{
    access::Access,
    act::{Act, OF_ONESELF, Record},
    admission::{Admission, DataClass},
    grant::{Context, Granted, Yes},
    identity::{Actor, Issuers, Source, WorkloadRule},
    object::{File, Found, Object, Revision, Where},
    resolve::Until,
    windows::{Counted, Leases},
};
use crate::{
    domain::{
        digest::Sha256,
        event::{Event, HttpFact, Kind},
        file::FilePath,
        mapping::Mapping,
        name::RepoName,
        refusal::{Code, Fault, Refusal},
        rev::Rev,
        role::Environment,
        time::Micros,
    },
    keys::SealKey,
    ledger::Ledger,
    store::{Reader, Store},
    upstream::Upstream,
};

/// A configured environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSetting {
    pub name: Environment,
    pub production: bool,
    /// The most sensitive data that is there.
    pub data_class: DataClass,
    /// Whether files of judged headers may leave while the rest of them is fetched and verified.
    pub stream_unverified: bool,
}

/// Who may come in and as what, as configured.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub mapping: Mapping,
    pub workloads: Vec<WorkloadRule>,
    /// Whose tokens are taken, and their keys.
    pub issuers: Issuers,
    /// Whether people can sign in: from then on tokens that nobody holds personally decide nothing.
    pub people: bool,
    /// How long a proof of who one is counts as fresh.
    pub fresh_for: Duration,
    /// What the proof must be worth, where the provider says such things.
    pub acr: Option<String>,
    /// Whose repositories that are private at the hub are open to whom.
    pub namespaces: Vec<rights::NamespaceRule>,
    /// Opens credentials at the hub; without it there are none.
    pub seals: Option<Arc<SealKey>>,
}

/// What the gate is made of. Everything in it is needed; nothing has a default.
pub struct Parts {
    pub identity: Identity,
    pub store: Store,
    pub ledger: Ledger,
    pub access: Access,
    pub admission: Admission,
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
    policy: String,
    actors: Cache<(u64, [u8; 32]), Actor>,
    revisions: Cache<RevisionKey, Until<Revision>>,
    files: Cache<FileKey, File>,
    /// What is closed at the hub, by epoch and name.
    closed: Cache<(u64, RepoName), Option<Arc<rights::Closed>>>,
    /// Whom the hub has just said no to, by epoch, name and owner: it is not asked again for each of their requests.
    no_right: moka::sync::Cache<(u64, RepoName, String), ()>,
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
    /// When each token and session was last used, until it is written down.
    used: Mutex<HashMap<String, Micros>>,
    /// The same of each revision, by its repository's id and its commit.
    used_revisions: Mutex<HashMap<(String, String), Micros>>,
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
            policy: both(parts.access.digest(), parts.admission.digest()),
            actors: Cache::builder().max_capacity(20_000).time_to_live(Duration::from_secs(5)).build(),
            revisions: remembered(50_000).build(),
            files: Cache::builder().max_capacity(200_000).time_to_live(Duration::from_mins(5)).build(),
            closed: Cache::builder().max_capacity(50_000).time_to_live(Duration::from_mins(5)).build(),
            no_right: moka::sync::Cache::builder().max_capacity(20_000).time_to_live(Duration::from_secs(30)).build(),
            leases: Leases::new(),
            counted: Counted::new(),
            denials: Counted::new(),
            pace: pace::Pace::default(),
            familiar: moka::sync::Cache::builder().max_capacity(50_000).time_to_live(Duration::from_hours(1)).build(),
            leaving: tokio::sync::Mutex::default(),
            full: Notify::new(),
            used: Mutex::default(),
            used_revisions: Mutex::default(),
            parts,
        }))
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

    /// Refuses what the gate could not decide, and writes it down like every other no.
    pub async fn turn_down<A: Act>(&self, actor: &Actor, asked: &A::Asked, refusal: Refusal, call: &Call) -> Refusal {
        let environment = scope_word(&asked.at());
        self.deny::<A>(actor, Denied::of(refusal, &environment), asked.fact(), &asked.place(), call).await
    }

    /// Tells of everything that may change an answer.
    pub fn changes(&self) -> Receiver<u64> {
        self.ledger().changes()
    }

    pub fn environments(&self) -> &[EnvironmentSetting] {
        &self.parts().environments
    }

    pub fn public_url(&self) -> &str {
        &self.parts().public_url
    }

    /// The version of both planes together.
    pub fn policy_rev(&self) -> &str {
        &self.0.policy
    }

    /// The plane that says what may be served where.
    pub fn admission(&self) -> &Admission {
        &self.parts().admission
    }

    /// The environment an actor pulls in.
    pub fn home(&self, actor: &Actor) -> Option<&Environment> {
        identity::home(actor, self.environments())
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
        let environment = self.first_environment()?;
        let place = Object::place(&asked);
        let ruling = self.parts().access.decide_any(&actor.subjects(&environment), "all", &place, A::WORD);
        if !ruling.allow {
            return Err(Refusal::new(Code::NotAllowed, format!("The policy does not let the system do {}.", A::WORD)));
        }
        let changes = self.ledger().changes();
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
        if OF_ONESELF.contains(&A::WORD) && actor.person().is_some() {
            let environment = self.first_environment().map_err(|fault| Denied::of(fault.into(), "none"))?;
            let object = asked.find(self, actor, &environment).await.map_err(|refusal| Denied::of(refusal, "none"))?;
            return Ok(Decided { object, environment, everywhere: true, matched: Vec::new() });
        }
        let (at, place) = (asked.at(), asked.place());
        let mut environments = self.scope(actor, &at).map_err(|refusal| Denied::of(refusal, &scope_word(&at)))?;
        if at == Where::Credential && EVERYWHERE.contains(&A::WORD) && !actor.is_system() {
            environments = self.environments().iter().map(|e| e.name.clone()).collect();
        } else if at == Where::Credential && !IN_ITS_OWN.contains(&A::WORD) {
            environments = self.where_it_may::<A>(actor, &place).map_or(environments, |name| vec![name]);
        }
        let Some(environment) = environments.first().cloned() else {
            let refusal =
                Refusal::new(Code::NotAllowed, "This credential reaches no environment that is configured here.");
            return Err(Denied::of(refusal, "none"));
        };
        let word = if at == Where::Everywhere { "all".to_owned() } else { environment.to_string() };
        let mut matched = self.rule::<A>(actor, &environments, &place)?;
        let found = asked.find(self, actor, &environment).await;
        let object = found.map_err(|refusal| {
            let by_right = refusal.code == Code::NoRightAtHub;
            let line = format!("deny, upstream right, {word}, {place}, {}", A::WORD);
            Denied { matched: by_right.then_some(line).into_iter().collect(), ..Denied::of(refusal, &word) }
        })?;
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
                if !actor.reaches(name) {
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
                let beyond = all.iter().find(|name| !actor.reaches(name));
                let hint = "Name one environment that it reaches, with --env.";
                beyond.map_or(Ok(()), |name| Err(Refusal { hint: hint.to_owned(), ..outside(name) }))?;
                Ok(all)
            }
        }
    }

    /// The first environment in which somebody may do what happens in no environment: a reviewer of production reads
    /// everybody's requests, whatever they are elsewhere.
    fn where_it_may<A: Act>(&self, actor: &Actor, place: &str) -> Option<Environment> {
        let mut all = self.environments().iter().map(|e| &e.name).filter(|name| actor.reaches(name));
        let may = |name: &&Environment| {
            self.parts().access.decide_any(&actor.subjects(name), name.as_str(), place, A::WORD).allow
        };
        all.find(may).cloned()
    }

    fn rule<A: Act>(&self, actor: &Actor, environments: &[Environment], place: &str) -> Result<Vec<String>, Denied> {
        let mut matched = Vec::new();
        for environment in environments {
            let subjects = actor.subjects(environment);
            let ruling = self.parts().access.decide_any(&subjects, environment.as_str(), place, A::WORD);
            if !ruling.allow {
                let sentence = match actor.role_words()[..] {
                    [] => format!("Nobody has given you a role here, so you may not do {}.", A::WORD),
                    [role] => format!("The role {role} may not do {} in {environment}.", A::WORD),
                    ref roles => format!("The roles {} may not do {} in {environment}.", roles.join(", "), A::WORD),
                };
                let refusal =
                    Refusal::new(Code::NotAllowed, sentence).hint("Ask your Weighbridge operator for another role.");
                return Err(Denied { refusal, environment: environment.to_string(), matched: ruling.matched });
            }
            matched = ruling.matched;
            if !actor.scopes().allow(A::WORD, place) {
                let sentence = format!("This token's scopes do not cover {} on {place}.", A::WORD);
                let refusal = Refusal::new(Code::NotAllowed, sentence).hint("Use a token with the scope, or sign in.");
                return Err(Denied { refusal, environment: environment.to_string(), matched });
            }
        }
        self.personal::<A>(actor).map_err(|refusal| Denied::of(refusal, "all"))?;
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
        let fact = object.fact();
        if A::RECORD != Record::WithChange {
            self.note_use(&fact);
        }
        let lease = durable.then(|| self.lease(&actor, &fact, &environment, &context));
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

fn scope_word(at: &Where) -> String {
    match at {
        Where::Named(name) => name.to_string(),
        Where::Credential => "none".to_owned(),
        Where::Everywhere => "all".to_owned(),
    }
}

/// One version for two planes.
fn both(access: &str, admission: &str) -> String {
    let mut bytes = [0; 32];
    let text = format!("{access} {admission}");
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    format!("sha256:{}", Sha256(bytes))
}

/// What happens in the environment of the credential and in no other: whatever leads to a file.
const IN_ITS_OWN: &[&str] = &["file.pull", "revision.view", "repository.view", "catalogue.search", "upstream.search"];
/// What happens to somebody or something that is the same in all environments, so that the role must hold in all of them.
const EVERYWHERE: &[&str] =
    &["token.end", "person.deactivate", "person.reactivate", "session.end-of", "workload.block"];
/// How long nobody may have heard of revocations before new grants stop.
const STALE: Duration = Duration::from_secs(5);
