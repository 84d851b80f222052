//! Who is asking: a bearer token becomes an actor, and nothing else does.
//!
//! An `Actor` is made here and nowhere else. Never decides what the actor may do, and never keeps or logs a token: only
//! its sha256 is compared, after a checksum has sorted out guesses without asking the database.

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::digest;
use http::{HeaderMap, header};

use super::{Call, Gate, access::Subject, pace, sql};
use crate::{
    clock,
    domain::{
        event::{ActorFact, SourceFact},
        refusal::{Code, Fault, Refusal, ascii_line},
        role::{Environment, Reach, Role},
        time::Micros,
        token,
    },
    ledger::About,
};

/// Who acts. Cheap to clone; closed: every field is private and every constructor is in this file.
#[derive(Clone, Debug)]
pub struct Actor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    subject: Subject,
    kind: &'static str,
    reference: Option<String>,
    name: String,
    token_id: Option<String>,
    reach: Reach,
    cluster: Option<String>,
    expires_at: Option<Micros>,
    cause: Option<String>,
}

impl Actor {
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The keyed reference that stands for this actor in the ledger and in our tables.
    pub fn reference(&self) -> &str {
        self.0.reference.as_deref().unwrap_or(self.0.kind)
    }

    /// The name a person gave the credential, for people to read.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn role(&self) -> Option<Role> {
        match self.0.subject {
            Subject::Role(role) => Some(role),
            _ => None,
        }
    }

    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    pub fn cluster(&self) -> Option<&str> {
        self.0.cluster.as_deref()
    }

    pub fn reach(&self) -> &Reach {
        &self.0.reach
    }

    pub fn expires_at(&self) -> Option<Micros> {
        self.0.expires_at
    }

    pub fn is_expired(&self, at: Micros) -> bool {
        self.0.expires_at.is_some_and(|end| end <= at)
    }

    /// Whether this is the gateway itself, or a command on its host.
    pub fn is_system(&self) -> bool {
        matches!(self.0.subject, Subject::Work | Subject::Host)
    }

    pub fn fact(&self) -> ActorFact {
        ActorFact {
            kind: self.0.kind,
            reference: self.0.reference.clone(),
            token_id: self.0.token_id.clone(),
            token_kind: self.0.token_id.as_ref().map(|_| "service"),
            cause: self.0.cause.clone(),
        }
    }

    /// The gateway itself, at work: which job, for whom.
    pub(super) fn work(cause: &str) -> Self {
        Self::system(Subject::Work, cause)
    }

    /// A command given on the host, by whoever may read its configuration and keys.
    pub(super) fn host(cause: &str) -> Self {
        Self::system(Subject::Host, cause)
    }

    pub(super) fn anonymous() -> Self {
        Self::of(Subject::Anonymous, "anonymous", None)
    }

    fn system(subject: Subject, cause: &str) -> Self {
        Self::of(subject, "system", Some(ascii_line(cause, 200)))
    }

    fn of(subject: Subject, kind: &'static str, cause: Option<String>) -> Self {
        Self(Arc::new(Inner {
            subject,
            kind,
            reference: None,
            name: kind.to_owned(),
            token_id: None,
            reach: if kind == "anonymous" { Reach::These(Vec::new()) } else { Reach::All },
            cluster: None,
            expires_at: None,
            cause,
        }))
    }
}

/// Where a request came from. The full address stays in the erasable side table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub address: IpAddr,
    pub agent: String,
}

impl Source {
    pub fn of(address: IpAddr, headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Self { address, agent: ascii_line(agent, 200) }
    }

    pub(super) async fn fact(&self, gate: &Gate) -> Result<SourceFact, Fault> {
        let reference = gate.ledger().reference(About::Address, &self.address.to_string()).await?;
        Ok(self.with(Some(reference)))
    }

    /// The same of somebody who has not signed in: such addresses come in any number, so what is referred to is the
    /// network around them, and of new networks only some get a reference.
    pub(super) async fn strange_fact(&self, gate: &Gate) -> SourceFact {
        if !gate.pace().may_name_a_stranger() {
            return self.with(None);
        }
        let reference = gate.ledger().reference(About::Address, &neighbourhood(self.address)).await;
        if let Err(fault) = &reference {
            tracing::warn!(%fault, "a failed sign-in is counted without a reference to its network");
        }
        self.with(reference.ok())
    }

    fn with(&self, ip_ref: Option<String>) -> SourceFact {
        let ua = (!self.agent.is_empty()).then(|| self.agent.clone());
        SourceFact { ip_ref, net: Some(network(self.address)), ua }
    }
}

/// `10.20.30.0/24` or `2001:db8:1:2::/64`: near enough to find whoever tries tokens, and few enough to remember.
pub(super) fn neighbourhood(address: IpAddr) -> String {
    match pace::subscriber(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        v6 @ IpAddr::V6(_) => format!("{v6}/64"),
    }
}

/// `10.20.0.0/16` or `2001:db8:1::/48`: enough to see where from, not whom.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            format!("{a}.{b}.0.0/16")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// Reads the credential of a request. Without one, or with a bad one, nobody comes in.
///
/// Whoever is not known to hold a good one is slowed down first: before the database is asked, and before the failure
/// is written down.
pub(super) async fn identify(gate: &Gate, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
    let hash = match token_of(headers) {
        Ok(token) => hash(token),
        Err(refusal) => {
            gate.pace().stranger(call)?;
            return Err(refusal);
        }
    };
    let familiar = gate.familiar().contains_key(&hash);
    if !familiar {
        gate.pace().stranger(call)?;
    }
    let refusal = match gate.actors().try_get_with((gate.epoch(), hash), load(gate, hash)).await {
        Ok(actor) if !actor.is_expired(clock::now()) => {
            if !familiar {
                gate.familiar().insert(hash, ());
            }
            return Ok(actor);
        }
        Ok(_) => not_accepted("This token's time is over."),
        Err(why) => Refusal::clone(&why),
    };
    // A database that did not answer says nothing about the token.
    if familiar && refusal.code == Code::TokenNotAccepted {
        gate.familiar().invalidate(&hash);
        gate.pace().stranger(call)?;
    }
    Err(refusal)
}

/// The token of a request, of the right shape.
fn token_of(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        let hint = "Set HF_TOKEN to a token from your Weighbridge operator, or run hf auth login with it.";
        return Err(Refusal::new(Code::SignInRequired, "Sign in first: this needs a token.").hint(hint));
    };
    if given.next().is_some() {
        return Err(not_accepted("The request carries two Authorization headers."));
    }
    let text = value.to_str().unwrap_or_default();
    let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = bearer else {
        return Err(not_accepted("Weighbridge takes bearer tokens only."));
    };
    let token = token.trim();
    if !token::plausible(token) {
        return Err(not_accepted("This is not a Weighbridge token, or it was cut short."));
    }
    Ok(token)
}

/// What is kept of a token.
pub fn hash(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

async fn load(gate: &Gate, hash: [u8; 32]) -> Result<Actor, Refusal> {
    let row = sql::find_token(gate.reader(), &hash).await?;
    let row = row.ok_or_else(|| not_accepted("This token is not known here."))?;
    if row.revoked_at.is_some() {
        return Err(not_accepted("This token was revoked."));
    }
    let role = Role::from_word(&row.role).ok_or_else(|| Fault::new("reading a token: unknown role"))?;
    let reach = Reach::parse(&row.reach).ok_or_else(|| Fault::new("reading a token: unreadable reach"))?;
    let reference = gate.ledger().reference(About::Actor, &format!("weighbridge token {}", row.id)).await?;
    Ok(Actor(Arc::new(Inner {
        subject: Subject::Role(role),
        kind: if role == Role::Cluster { "workload" } else { "service" },
        reference: Some(reference),
        name: row.name,
        token_id: Some(row.id),
        reach,
        cluster: row.cluster,
        expires_at: Some(Micros(row.expires_at)),
        cause: None,
    })))
}

/// The environment that this credential pulls in: its own, or the first one that is not production.
pub(super) fn home<'a>(reach: &Reach, all: &'a [super::EnvironmentSetting]) -> Option<&'a Environment> {
    let mut mine = all.iter().filter(|e| reach.covers(&e.name));
    let calm = mine.clone().find(|e| !e.production);
    calm.or_else(|| mine.next()).map(|e| &e.name)
}

fn not_accepted(why: &str) -> Refusal {
    Refusal::new(Code::TokenNotAccepted, why).hint("Ask your Weighbridge operator for a token and set it as HF_TOKEN.")
}

#[cfg(test)]
mod tests {
    use super::{neighbourhood, network};

    #[test]
    fn networks_are_truncated() {
        let of = |text: &str| text.parse().map(network).unwrap_or_default();
        assert_eq!(of("10.20.30.40"), "10.20.0.0/16");
        assert_eq!(of("::ffff:10.20.30.40"), "10.20.0.0/16");
        assert_eq!(of("2001:db8:1:2::9"), "2001:db8:1::/48");
        let around = |text: &str| text.parse().map(neighbourhood).unwrap_or_default();
        assert_eq!(around("10.20.30.40"), "10.20.30.0/24");
        assert_eq!(around("::ffff:10.20.30.40"), "10.20.30.0/24");
        assert_eq!(around("2001:db8:1:2::9"), "2001:db8:1:2::/64");
    }
}
