//! What is closed at the hub: whose private namespaces are open to whom here, and with whose credential a gated or
//! private repository was opened.
//!
//! What the gateway's own token opens is for everybody whom policy lets have it. What it does not open, and somebody's
//! credential does, is for them alone: a person, or an environment. Bytes that lie here already change nothing of that.
//! Never asks the hub with a credential for anybody but its owner, and never shows one.

pub mod sql;

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use self::sql::Opened;
use super::{Gate, act::NameRepository, identity::Actor, object::RepoNamed, resolve::Asker, tx::Change};
use crate::{
    clock,
    domain::{
        name::{RepoKind, RepoName},
        refusal::{Code, Fault, Refusal},
        role::Environment,
    },
    store::tables::upstream_credential,
    upstream::{RepoFacts, Trouble, Upstream},
};

/// A namespace at the hub whose private repositories are open here: to people of these groups, and to credentials of
/// these environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    pub name: String,
    /// As the provider names them.
    pub groups: Vec<String>,
    pub environments: Vec<Environment>,
}

impl NamespaceRule {
    fn is_of(&self, name: &RepoName) -> bool {
        name.owner().is_some_and(|owner| owner.eq_ignore_ascii_case(&self.name))
    }

    /// A person has to be in one of the groups, where groups are named; a token without a person has no groups, so only
    /// its environment can let it in.
    fn opens(&self, groups: Option<&[String]>, environment: &Environment) -> bool {
        let here = self.environments.contains(environment);
        match groups {
            Some(groups) if !self.groups.is_empty() => {
                (here || self.environments.is_empty()) && self.groups.iter().any(|group| groups.contains(group))
            }
            _ => here,
        }
    }
}

/// What is known here of a repository's being closed at the hub.
#[derive(Debug)]
pub(super) struct Closed {
    /// What the hub calls it.
    name: RepoName,
    upstream_id: String,
    private: bool,
    opened: Vec<Opened>,
}

impl Closed {
    /// Nobody's own credential was needed for it, or the gateway's opens it by now, or one of theirs did.
    fn is_open_to(&self, actor: &Actor, environment: &Environment) -> bool {
        let theirs = |one: &Opened| match one {
            Opened::ByGateway => true,
            Opened::ByPerson(id) => actor.person().is_some_and(|person| person.id == *id),
            Opened::ByEnvironment(name) => name == environment.as_str(),
            Opened::ByNobodyAnyMore => false,
        };
        self.opened.is_empty() || self.opened.iter().any(theirs)
    }
}

impl Gate {
    /// Whether a private namespace is open in an environment to anybody at all: what rule W-024 asks.
    pub fn maps_namespace(&self, name: &RepoName, environment: &Environment) -> bool {
        let rules = self.identity().namespaces.iter().filter(|rule| rule.is_of(name));
        rules.into_iter().any(|rule| {
            let by_group = !rule.groups.is_empty() && rule.environments.is_empty();
            by_group || rule.environments.contains(environment)
        })
    }

    /// Whether this actor may know that a repository exists, as far as the hub's secrets go.
    pub async fn may_know_of(&self, actor: &Actor, environment: &Environment, name: &RepoName) -> Result<bool, Fault> {
        let closed = known(self, name).await?;
        Ok(closed.is_none_or(|closed| !closed.private || self.may_see_private(actor, environment, &closed.name)))
    }

    /// The hub as it has to be asked about this repository: with the credential that opened it, where our own does not.
    pub async fn upstream_for(&self, name: &RepoName) -> Result<Option<Upstream>, Fault> {
        let Some(row) = sql::find_opener(self.reader(), name).await? else { return Ok(None) };
        self.lend(&row).map(Some)
    }

    /// Whether this actor's group or environment opens a private namespace.
    pub(super) fn may_see_private(&self, actor: &Actor, environment: &Environment, name: &RepoName) -> bool {
        let groups = actor.person().map(|person| person.groups.as_slice());
        let mut rules = self.identity().namespaces.iter().filter(|rule| rule.is_of(name));
        actor.is_system() || rules.any(|rule| rule.opens(groups, environment))
    }

    fn lend(&self, row: &upstream_credential::Model) -> Result<Upstream, Fault> {
        let seals =
            self.identity().seals.as_ref().ok_or_else(|| Fault::new("opening a credential: there is no key"))?;
        self.upstream().with_token(&seals.open(&belongs_to(row), &row.sealed)?)
    }
}

/// What a sealed credential is bound to: its row and its owner.
pub fn belongs_to(row: &upstream_credential::Model) -> String {
    format!("upstream credential {} of {} {}", row.id, row.owner_kind, row.owner)
}

/// Asked before anything else is said of a repository, and of what lies here as of everything else.
pub(super) async fn check(by: Asker<'_>, name: &RepoName) -> Result<(), Refusal> {
    let Asker { gate, actor, environment } = by;
    if actor.is_system() {
        return Ok(());
    }
    let Some(closed) = known(gate, name).await? else { return Ok(()) };
    if closed.private && !gate.may_see_private(actor, environment, &closed.name) {
        return Err(absent(name));
    }
    if closed.is_open_to(actor, environment) {
        return Ok(());
    }
    bring(by, &closed.name, &closed.upstream_id, true).await
}

/// The same of a stream that is running: what is known now, without asking anybody.
pub(super) async fn still(by: Asker<'_>, name: &RepoName) -> Result<bool, Fault> {
    let Asker { gate, actor, environment } = by;
    let Some(closed) = known(gate, name).await? else { return Ok(true) };
    let hidden = closed.private && !gate.may_see_private(actor, environment, &closed.name);
    Ok(actor.is_system() || (!hidden && closed.is_open_to(actor, environment)))
}

/// The hub's word on a repository that nobody here has seen yet: who asks needs a right to it as well.
pub(super) async fn check_new(by: Asker<'_>, facts: &RepoFacts) -> Result<(), Refusal> {
    let Asker { gate, actor, environment } = by;
    if facts.private && !gate.may_see_private(actor, environment, &facts.name) {
        return Err(absent(&facts.name));
    }
    if facts.private || facts.gated.is_some() {
        bring(by, &facts.name, &id_of(facts), false).await?;
    }
    Ok(())
}

/// What the hub says to whoever asks with a credential of their own, where it told us that there is nothing: only of
/// namespaces that are open to them here.
pub(super) async fn seen_with_own(by: Asker<'_>, name: &RepoName) -> Result<Option<RepoFacts>, Refusal> {
    let Asker { gate, actor, environment } = by;
    if !gate.may_see_private(actor, environment, name) {
        return Ok(None);
    }
    for row in sql::list_credentials(gate.reader(), actor, environment).await? {
        if let Ok(Ok(facts)) = timeout(PATIENCE, gate.lend(&row)?.repository(name)).await {
            return Ok(Some(facts));
        }
    }
    Ok(None)
}

/// Finds a credential that opens the repository for whoever asks, and remembers that it does.
async fn bring(by: Asker<'_>, name: &RepoName, upstream_id: &str, known: bool) -> Result<(), Refusal> {
    let Asker { gate, actor, environment } = by;
    let whose =
        actor.person().map_or_else(|| format!("in {environment}"), |person| format!("{} in {environment}", person.id));
    let asked = (gate.epoch(), name.clone(), whose);
    if gate.0.no_right.contains_key(&asked) {
        return Err(no_right(name));
    }
    gate.may_ask_upstream(actor)?;
    if opens(gate.upstream(), name).await? {
        // What the gateway's own token opened from the first is nobody's in particular.
        return if known { remember(gate, name, upstream_id, sql::GATEWAY).await } else { Ok(()) };
    }
    for row in sql::list_credentials(gate.reader(), actor, environment).await? {
        if opens(&gate.lend(&row)?, name).await? {
            return remember(gate, name, upstream_id, &row.id).await;
        }
    }
    gate.0.no_right.insert(asked, ());
    Err(no_right(name))
}

fn no_right(name: &RepoName) -> Refusal {
    let sentence = format!("{name} is gated or private at the hub, and no credential that is yours opens it.");
    Refusal::new(Code::NoRightAtHub, sentence)
        .hint("Ask for access on its page at the hub, then give Weighbridge your hub token, or ask your operator.")
}

async fn opens(upstream: &Upstream, name: &RepoName) -> Result<bool, Refusal> {
    let why = match timeout(PATIENCE, upstream.opens(name)).await {
        Ok(Ok(opens)) => return Ok(opens),
        Ok(Err(Trouble::Reserved)) => return Ok(false),
        Ok(Err(trouble)) => trouble.to_string(),
        Err(_) => "The hub did not answer in time.".to_owned(),
    };
    let sentence = format!("Whether you may have {name} could not be asked of the hub. {why}");
    Err(Refusal::new(Code::UpstreamUnreachable, sentence).hint("Try again in a minute.").retry_after(10))
}

async fn remember(gate: &Gate, name: &RepoName, upstream_id: &str, credential: &str) -> Result<(), Refusal> {
    let cause = format!("{name} was asked for and a credential at the hub opened it");
    let may = gate.admit_work::<NameRepository>(&cause, RepoNamed(name.clone()))?;
    let at = clock::now();
    let tx = may.begin().await?;
    sql::save_opening(&tx, &may, (name, upstream_id), credential, at).await?;
    let detail = serde_json::json!({"name": name.path(), "upstream_id": upstream_id, "opened_by": credential});
    Ok(tx.commit(may, Change::new(detail)).await?)
}

/// What is known of a repository that has a row or an opening here.
async fn known(gate: &Gate, name: &RepoName) -> Result<Option<Arc<Closed>>, Fault> {
    let key = (gate.epoch(), name.clone());
    let load = async {
        let Some(found) = sql::find_closed(gate.reader(), name).await? else { return Ok(None) };
        let kind = RepoKind::from_word(&found.kind);
        let hub_name = kind.and_then(|kind| RepoName::new(kind, &found.hub_name));
        let hub_name = hub_name.ok_or_else(|| Fault::new("reading a repository's name"))?;
        let (upstream_id, private, opened) = (found.upstream_id, found.private, found.opened);
        Ok(Some(Arc::new(Closed { name: hub_name, upstream_id, private, opened })))
    };
    gate.0.closed.try_get_with(key, load).await.map_err(|fault: Arc<Fault>| {
        let copy = Fault::new(fault.to_string());
        if fault.passing { copy.passing() } else { copy }
    })
}

/// The hub's own id of a repository, as its row has it.
pub fn id_of(facts: &RepoFacts) -> String {
    facts.upstream_id.clone().unwrap_or_else(|| format!("name:{}", facts.name.key()))
}

/// What is said of a repository that does not exist: nobody can tell the two apart.
pub(super) fn absent(name: &RepoName) -> Refusal {
    Refusal::new(Code::RepoNotFound, format!("There is no {} {name}, here or at the hub.", name.kind().singular()))
}

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_private_namespace_opens_by_group_for_people_and_by_environment_for_machines() {
        let of = |name: &str| Environment::new(name).unwrap();
        let rule = |groups: &[&str], environments: &[&str]| NamespaceRule {
            name: "Acme-Research".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            environments: environments.iter().map(|name| of(name)).collect(),
        };
        let (ml, other) = (vec!["ml-team".to_owned()], vec!["sales".to_owned()]);
        let both = rule(&["ml-team"], &["research"]);
        let table = [
            (&both, Some(&ml), "research", true),
            (&both, Some(&ml), "prod", false),
            (&both, Some(&other), "research", false),
            (&both, None, "research", true),
            (&both, None, "prod", false),
        ];
        for (rule, groups, environment, opens) in table {
            let groups = groups.map(Vec::as_slice);
            assert_eq!(rule.opens(groups, &of(environment)), opens, "{groups:?} in {environment}");
        }
        let by_group = rule(&["ml-team"], &[]);
        assert!(by_group.opens(Some(&ml), &of("prod")) && !by_group.opens(None, &of("prod")));
        let by_place = rule(&[], &["prod"]);
        assert!(by_place.opens(Some(&other), &of("prod")) && !by_place.opens(Some(&other), &of("research")));
        assert!(!rule(&[], &[]).opens(Some(&ml), &of("research")));
        let name = RepoName::new(RepoKind::Model, "acme-research/x").unwrap();
        assert!(both.is_of(&name) && !both.is_of(&RepoName::new(RepoKind::Model, "acme/x").unwrap()));
    }
}
