//! Who acts. Every field of an `Actor` is private, and everything that can make one is in this folder.
//!
//! Never decides what the actor may do, and holds no secret: a credential is known here by its id.

use std::sync::Arc;

use crate::{
    domain::{
        event::ActorFact,
        refusal::ascii_line,
        role::{Environment, Held, Reach, Role},
        scope::Scopes,
        time::Micros,
        token::Class,
    },
    gate::access::Subject,
};

/// Who acts. Cheap to clone; closed.
#[derive(Clone, Debug)]
pub struct Actor(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub who: Who,
    /// user, service, workload, directory, system or anonymous.
    pub kind: &'static str,
    pub reference: Option<String>,
    pub name: String,
    pub credential: Credential,
    pub scopes: Scopes,
    /// The row of the person, where it is one.
    pub person: Option<Person>,
    /// When this credential's owner last proved who they are.
    pub proved: Option<Proof>,
    pub cluster: Option<String>,
    pub expires_at: Option<Micros>,
    pub cause: Option<String>,
}

#[derive(Debug)]
pub(super) enum Who {
    /// One of ours, or nobody.
    One(Subject),
    /// With the roles that its row, its groups or its claims give it.
    Holder(Vec<Held>),
}

/// What somebody came in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    None,
    Token {
        id: String,
        class: Class,
    },
    /// A browser's; `csrf` is what its forms must carry.
    Session {
        id: String,
        csrf: String,
    },
    /// A token of another issuer, known here by issuer, subject and the hash of its id.
    Workload {
        issuer: String,
        subject: String,
        id: String,
        issued_at: Micros,
    },
}

/// A person, as rows know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub provider: String,
    pub groups: Vec<String>,
}

/// That somebody proved who they are, when and how well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub at: Micros,
    pub acr: Option<String>,
}

impl Actor {
    /// What the access plane is asked about in one environment.
    pub fn subjects(&self, environment: &Environment) -> Vec<Subject> {
        match &self.0.who {
            Who::One(subject) => vec![*subject],
            Who::Holder(held) => {
                let mut here: Vec<Subject> =
                    held.iter().filter(|h| h.reach.covers(environment)).map(|h| Subject::Role(h.role)).collect();
                here.dedup();
                here
            }
        }
    }

    /// The keyed reference that stands for this actor in the ledger and in our tables.
    pub fn reference(&self) -> &str {
        self.0.reference.as_deref().unwrap_or(self.0.kind)
    }

    /// The name of the person or the credential, for people to read.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    pub fn roles(&self) -> &[Held] {
        match &self.0.who {
            Who::Holder(held) => held,
            Who::One(_) => &[],
        }
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles().iter().any(|held| held.role == role)
    }

    /// The words of all roles, each once.
    pub fn role_words(&self) -> Vec<&'static str> {
        let mut words: Vec<_> = self.roles().iter().map(|held| held.role.word()).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    pub fn reaches(&self, environment: &Environment) -> bool {
        match &self.0.who {
            Who::One(subject) => *subject != Subject::Anonymous,
            Who::Holder(held) => held.iter().any(|h| h.reach.covers(environment)),
        }
    }

    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    pub fn token_id(&self) -> Option<&str> {
        match &self.0.credential {
            Credential::Token { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The id of a token or a session: what a step-up is for.
    pub fn credential_id(&self) -> Option<&str> {
        match &self.0.credential {
            Credential::Token { id, .. } | Credential::Session { id, .. } => Some(id),
            Credential::Workload { .. } | Credential::None => None,
        }
    }

    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    pub fn person(&self) -> Option<&Person> {
        self.0.person.as_ref()
    }

    pub fn proved(&self) -> Option<&Proof> {
        self.0.proved.as_ref()
    }

    pub fn cluster(&self) -> Option<&str> {
        self.0.cluster.as_deref()
    }

    pub fn expires_at(&self) -> Option<Micros> {
        self.0.expires_at
    }

    pub fn is_expired(&self, at: Micros) -> bool {
        self.0.expires_at.is_some_and(|end| end <= at)
    }

    /// Whether this is the gateway itself, or a command on its host.
    pub fn is_system(&self) -> bool {
        matches!(self.0.who, Who::One(Subject::Work | Subject::Host))
    }

    pub fn fact(&self) -> ActorFact {
        let token_kind = match &self.0.credential {
            Credential::Token { class, .. } => Some(class.word()),
            Credential::Session { .. } => Some("session"),
            Credential::Workload { .. } => Some("workload"),
            Credential::None => None,
        };
        ActorFact {
            kind: self.0.kind,
            reference: self.0.reference.clone(),
            token_id: match &self.0.credential {
                Credential::Workload { id, .. } => Some(id.clone()),
                _ => self.credential_id().map(str::to_owned),
            },
            token_kind,
            cause: self.0.cause.clone(),
        }
    }

    /// The gateway itself, at work: which job, for whom.
    pub(in crate::gate) fn work(cause: &str) -> Self {
        Self::one(Subject::Work, "system", Some(ascii_line(cause, 200)))
    }

    /// A command given on the host, by whoever may read its configuration and keys.
    pub(in crate::gate) fn host(cause: &str) -> Self {
        Self::one(Subject::Host, "system", Some(ascii_line(cause, 200)))
    }

    pub(in crate::gate) fn anonymous() -> Self {
        Self::one(Subject::Anonymous, "anonymous", None)
    }

    /// Somebody at the door: known to be who they are, with nothing that opens anything yet.
    pub(in crate::gate) fn newcomer(kind: &'static str, reference: Option<String>, name: &str, cause: &str) -> Self {
        Self::of(Inner {
            who: Who::One(Subject::Anonymous),
            kind,
            reference,
            name: name.to_owned(),
            credential: Credential::None,
            scopes: Scopes::Only(Vec::new()),
            person: None,
            proved: None,
            cluster: None,
            expires_at: None,
            cause: Some(ascii_line(cause, 200)),
        })
    }

    pub(super) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn one(subject: Subject, kind: &'static str, cause: Option<String>) -> Self {
        Self::of(Inner {
            who: Who::One(subject),
            kind,
            reference: None,
            name: kind.to_owned(),
            credential: Credential::None,
            scopes: Scopes::Everything,
            person: None,
            proved: None,
            cluster: None,
            expires_at: None,
            cause,
        })
    }
}

/// The environment that this actor pulls in: its own, or the first one that is not production. Where somebody has several
/// roles, those that pull count first.
pub(in crate::gate) fn home<'a>(actor: &Actor, all: &'a [crate::gate::EnvironmentSetting]) -> Option<&'a Environment> {
    let reaches = |name: &Environment, pulling: bool| {
        let held = actor.roles().iter().filter(|h| !pulling || h.role.pulls());
        held.map(|h| &h.reach).any(|reach: &Reach| reach.covers(name))
    };
    let pick = |pulling: bool| {
        let mut mine = all.iter().filter(|e| reaches(&e.name, pulling));
        let calm = mine.clone().find(|e| !e.production);
        calm.or_else(|| mine.next()).map(|e| &e.name)
    };
    // Whoever is one of ours has no roles and no place: the first environment stands for all.
    let ours = || all.iter().map(|e| &e.name).find(|name| actor.roles().is_empty() && actor.reaches(name));
    pick(true).or_else(|| pick(false)).or_else(ours)
}
