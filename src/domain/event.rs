//! The closed list of events: everything that can be written in the ledger, in one schema from the first entry on.
//!
//! Never carries personal data in the clear: people and addresses appear only as keyed references whose key can be
//! destroyed. Never numbers, times or hashes itself: the ledger's sequencer does.

use serde::Serialize;
use serde_json::Value;

macro_rules! kinds {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// What happened, in the past tense.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($name),+ }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.word() == word)
            }
        }
    };
}

kinds! {
    LedgerOpened = "ledger.opened",
    GatewayStarted = "gateway.started",
    GatewayStopped = "gateway.stopped",
    SignInFailed = "auth.failed",
    ActDenied = "act.denied",
    TokenCreated = "token.created",
    TokenRevoked = "token.revoked",
    TokensListed = "token.listed",
    TokenRefreshed = "token.refreshed",
    TokenExchanged = "token.exchanged",
    TokenReused = "token.reused",
    TokenReported = "token.reported",
    SessionBegun = "session.begun",
    SessionElevated = "session.elevated",
    SessionEnded = "session.ended",
    DeviceBegun = "device.begun",
    DeviceAnswered = "device.answered",
    PageViewed = "page.viewed",
    PeopleRead = "person.read",
    PersonChanged = "person.changed",
    PersonDeactivated = "person.deactivated",
    PersonReactivated = "person.reactivated",
    DirectoryRead = "directory.read",
    GroupChanged = "group.changed",
    RolesChanged = "roles.changed",
    RoleGranted = "role.granted",
    RoleWithdrawn = "role.withdrawn",
    WorkloadsRead = "workload.read",
    WorkloadBlocked = "workload.blocked",
    HostCodeMade = "host-code.made",
    CredentialKept = "credential.kept",
    CredentialRemoved = "credential.removed",
    TermsRead = "terms.read",
    TermsAccepted = "terms.accepted",
    TermsWithdrawn = "terms.withdrawn",
    RepositoryNamed = "repository.named",
    RepositoryChanged = "repository.changed",
    BasisChanged = "basis.changed",
    BasisConfirmed = "basis.confirmed",
    RevisionExamined = "revision.examined",
    RevisionListed = "revision.listed",
    RevisionRequested = "revision.requested",
    RevisionInspected = "revision.inspected",
    RevisionDecided = "revision.decided",
    RevisionApproved = "revision.approved",
    RevisionRevoked = "revision.revoked",
    RevisionSuspended = "revision.suspended",
    RevisionViewed = "revision.viewed",
    RepositoryViewed = "repository.viewed",
    CatalogueSearched = "catalogue.searched",
    RequestsRead = "request.read",
    DecisionRead = "decision.read",
    AccountRead = "account.read",
    PointerMoved = "pointer.moved",
    DigestDenied = "digest.denied",
    BlobWanted = "blob.wanted",
    BlobStored = "blob.stored",
    BlobMismatched = "blob.mismatched",
    BlobDamaged = "blob.damaged",
    BlobsEvicted = "blob.evicted",
    JobsRead = "job.read",
    JobRetried = "job.retried",
    StorageRead = "storage.read",
    RevisionPrefetched = "revision.prefetched",
    FileGranted = "file.granted",
    FileEnded = "file.ended",
    FileDenied = "file.denied",
}

impl Kind {
    /// Whether this event may change an answer of the gate: every replica drops what it remembers when it sees one.
    pub fn moves_the_gate(self) -> bool {
        matches!(
            self,
            Self::TokenCreated
                | Self::TokenRevoked
                | Self::TokenReused
                | Self::TokenReported
                | Self::SessionElevated
                | Self::SessionEnded
                | Self::PersonChanged
                | Self::PersonDeactivated
                | Self::PersonReactivated
                | Self::GroupChanged
                | Self::RolesChanged
                | Self::RoleGranted
                | Self::RoleWithdrawn
                | Self::WorkloadBlocked
                | Self::CredentialKept
                | Self::CredentialRemoved
                | Self::TermsAccepted
                | Self::TermsWithdrawn
                | Self::RepositoryNamed
                | Self::RepositoryChanged
                | Self::RevisionListed
                | Self::RevisionDecided
                | Self::RevisionApproved
                | Self::RevisionRevoked
                | Self::RevisionSuspended
                | Self::PointerMoved
                | Self::DigestDenied
                | Self::BlobMismatched
                | Self::BlobDamaged
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Allow,
    Deny,
    Done,
    Failed,
}

/// Who acted, by keyed reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ActorFact {
    /// user, service, workload, system or anonymous
    pub kind: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_kind: Option<&'static str>,
    /// Why the system acted, for `system` and `anonymous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Where a request came from: a keyed reference of the address and its truncated network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceFact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ua: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectFact {
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// What was decided and by which rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DecisionFact {
    pub effect: &'static str,
    pub engine: &'static str,
    pub act: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub policy_rev: String,
    pub matched: Vec<String>,
    pub groups: Vec<String>,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApprovalFact {
    pub id: String,
    pub by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HttpFact {
    pub method: String,
    pub route: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

/// How a granted stream ended: the sum over every stream of its grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndFact {
    pub grant_id: String,
    pub bytes: u64,
    pub streams: u64,
    pub aborted: u64,
}

/// Several of the same within a minute, written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountFact {
    pub times: u64,
    pub first: String,
    pub last: String,
}

/// One event, before the sequencer gives it its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// A ULID made where the event is: an unknown commit result is resolved by looking for it.
    pub id: String,
    #[serde(rename = "type", serialize_with = "kind_word")]
    pub kind: Kind,
    pub outcome: Outcome,
    pub actor: ActorFact,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<EndFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<CountFact>,
    /// What changed: before, after, reason. A flat object of this event's own keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Event {
    pub fn new(id: String, kind: Kind, outcome: Outcome, actor: ActorFact) -> Self {
        Self {
            id,
            kind,
            outcome,
            actor,
            request_id: None,
            source: None,
            object: None,
            decision: None,
            approval: None,
            http: None,
            end: None,
            count: None,
            detail: None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn kind_word<S: serde::Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_object_dot_past_tense_and_unique() {
        let mut words: Vec<_> = Kind::ALL.iter().map(|k| k.word()).collect();
        assert!(words.iter().all(|w| w.split('.').count() == 2));
        assert!(Kind::ALL.iter().all(|k| Kind::from_word(k.word()) == Some(*k)));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
