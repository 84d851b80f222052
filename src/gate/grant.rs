//! The proof that an actor may do an act on an object, in an environment, now.
//!
//! Made only by `Gate::admit*`, in this crate and nowhere else: the fields are private to this file and this file has
//! no child modules (a child would see them). A grant is spent: a commit or a stream consumes it.

use std::{marker::PhantomData, sync::Arc};

use tokio::sync::watch;

use super::{Gate, act::Act, identity::Actor, windows::Lease};
use crate::{
    domain::{
        event::{DecisionFact, Event, HttpFact, Kind, ObjectFact, Outcome, SourceFact},
        role::Environment,
    },
    store::Reader,
};

// The compiler may suggest deriving Clone here. Do not: a grant that can be copied can be kept, and used after the
// decision behind it has changed.
/// That somebody may do `A`. Whoever needs the right takes this value; whoever holds it has been through the gate.
#[must_use = "a grant is asked for to be used"]
pub struct Granted<A: Act> {
    actor: Actor,
    object: A::Found,
    environment: Environment,
    everywhere: bool,
    context: Arc<Context>,
    lease: Option<Arc<Lease>>,
    changes: watch::Receiver<u64>,
    gate: Gate,
    act: PhantomData<A>,
}

/// What surrounds a decision: it goes into every event that the grant leads to.
#[derive(Debug, Default)]
pub struct Context {
    pub request_id: Option<String>,
    pub source: Option<SourceFact>,
    pub http: Option<HttpFact>,
    pub decision: DecisionFact,
}

/// Everything the gate has found out when it says yes.
pub(super) struct Yes<A: Act> {
    pub actor: Actor,
    pub object: A::Found,
    pub environment: Environment,
    pub everywhere: bool,
    pub context: Arc<Context>,
    pub lease: Option<Arc<Lease>>,
    /// Has seen what was there before it was decided, so that it tells of everything since.
    pub changes: watch::Receiver<u64>,
}

impl<A: Act> Granted<A> {
    /// Only `gate::admit` has a `Yes` to give.
    pub(super) fn new(gate: Gate, yes: Yes<A>) -> Self {
        let Yes { actor, object, environment, everywhere, context, lease, changes } = yes;
        Self { actor, object, environment, everywhere, context, lease, changes, gate, act: PhantomData }
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub fn object(&self) -> &A::Found {
        &self.object
    }

    /// The environment that was decided about. For an act on every environment, see `everywhere`.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    pub fn everywhere(&self) -> bool {
        self.everywhere
    }

    /// The way to read the database: whoever reads has been let in.
    pub fn reader(&self) -> &Reader {
        self.gate.reader()
    }

    /// The policy version this was decided under.
    pub fn policy_rev(&self) -> &str {
        &self.context.decision.policy_rev
    }

    /// Changes with whatever a decision rests on: part of the key of everything that is remembered.
    pub fn epoch(&self) -> u64 {
        self.gate.epoch()
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }

    /// Tells of everything that changed since this was decided.
    pub(super) fn changes(&self) -> &watch::Receiver<u64> {
        &self.changes
    }

    /// An event of this grant: its actor, source and decision cannot be anybody else's.
    pub(super) fn event(&self, id: String, kind: Kind, object: ObjectFact) -> Event {
        let mut event = Event::new(id, kind, Outcome::Done, self.actor.fact());
        event.request_id.clone_from(&self.context.request_id);
        event.source.clone_from(&self.context.source);
        event.http.clone_from(&self.context.http);
        event.decision = Some(self.context.decision.clone());
        let environment = if self.everywhere { "all" } else { self.environment.as_str() };
        // What follows from an act on all environments happens in one of them, and says which.
        let environment = object.environment.clone().unwrap_or_else(|| environment.to_owned());
        event.object = Some(ObjectFact { environment: Some(environment), ..object });
        event
    }
}

impl<A: Act> std::fmt::Debug for Granted<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Granted<{}>({:?} by {})", A::WORD, self.object, self.actor.reference())
    }
}
