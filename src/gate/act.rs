//! The closed list of acts: what anybody can do here, to what, and how it is written down.
//!
//! An act is a type without values; it lives only as the parameter of a grant. Adding one means adding a line here and
//! rows in `policies/access.csv`; nothing outside this file can be an act.

use super::object::{
    Account, BlobObject, Catalogue, CredentialId, Credentials, DecisionId, File, FileAsked, Folder, FolderAsked,
    Gateway, Group, Groups, InEnvironment, JobId, Jobs, MainAsked, Object, People, PersonId, Repo, RepoAsked,
    RepoInEnvironment, RepoNamed, RequestId, Requests, Revision, RevisionAsked, RevisionNamed, Storage, TokenId,
    Tokens, Workloads,
};
use crate::domain::event::Kind;

/// When an act's event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Before the grant exists, one per minute for the same actor and object: bytes leave on it.
    Durable,
    /// Counted, one event per minute for the same actor and object, not waited for: reading facts.
    Counted,
    /// By the transaction that does it: a change and its event are one commit.
    WithChange,
}

mod sealed {
    pub trait Sealed {}
}

/// Something that can be done. Sealed: the list below is all there is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an act",
    note = "the closed list of acts is in src/gate/act.rs"
)]
pub trait Act: sealed::Sealed + Send + Sync + 'static {
    /// The word policy knows it by.
    const WORD: &'static str;
    const RECORD: Record;
    /// What is written when it was done.
    const EVENT: Kind;
    /// What it is done to, as the URL names it.
    type Asked: Object<Found = Self::Found>;
    /// The same, once found.
    type Found: super::object::Found;
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $word:literal on $asked:ty => $found:ty, $record:ident, $event:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Act for $name {
                const WORD: &'static str = $word;
                const RECORD: Record = Record::$record;
                const EVENT: Kind = Kind::$event;
                type Asked = $asked;
                type Found = $found;
            }
        )+
        /// Every act's word: what the policy's vocabulary is compared with.
        pub const WORDS: &[&str] = &[$($word),+];
    };
}

acts! {
    /// Sending a file's bytes.
    PullFile = "file.pull" on FileAsked => File, Durable, FileGranted;
    /// Reading what is known of a served revision: info, tree, paths.
    ViewRevision = "revision.view" on RevisionAsked => Revision, Counted, RevisionViewed;
    /// The same of `main`, where the URL names no revision.
    ViewMain = "revision.view" on MainAsked => Revision, Counted, RevisionViewed;
    /// The same of one folder.
    ViewFolder = "revision.view" on FolderAsked => Folder, Counted, RevisionViewed;
    /// Reading what is served of a repository: its refs.
    ViewRepository = "repository.view" on RepoAsked => Repo, Counted, RepositoryViewed;
    /// Listing what is approved here.
    SearchCatalogue = "catalogue.search" on Catalogue => Catalogue, Counted, CatalogueSearched;
    /// Searching the public hub: ids, dates and counts, marked as such.
    SearchUpstream = "upstream.search" on Catalogue => Catalogue, Counted, CatalogueSearched;
    /// Asking who one is.
    ReadAccount = "account.read" on Account => Account, Counted, AccountRead;
    /// Asking for a revision.
    RequestRevision = "revision.request" on InEnvironment => InEnvironment, WithChange, RevisionRequested;
    /// Reading requests: one's own, or everybody's for those who decide.
    ReadRequests = "request.read" on Requests => Requests, Counted, RequestsRead;
    ReadRequest = "request.read" on RequestId => RequestId, Counted, RequestsRead;
    /// Reading why something was refused.
    ReadDecision = "decision.read" on DecisionId => DecisionId, Counted, DecisionRead;
    /// Having a revision listed and its small files fetched, to decide about it.
    ExamineRevision = "revision.examine" on InEnvironment => InEnvironment, Counted, RevisionExamined;
    ApproveRevision = "revision.approve" on InEnvironment => InEnvironment, WithChange, RevisionApproved;
    RevokeRevision = "revision.revoke" on InEnvironment => InEnvironment, WithChange, RevisionRevoked;
    /// Moving `main` where no approval would move it: back, or on after a revocation.
    PinPointer = "pointer.pin" on InEnvironment => InEnvironment, WithChange, PointerMoved;
    RevokeRepository = "revision.revoke" on RepoInEnvironment => RepoInEnvironment, WithChange, RevisionRevoked;
    /// Work: writing down what the hub says a revision holds.
    ListRevision = "revision.list" on RevisionNamed => RevisionNamed, WithChange, RevisionListed;
    /// Work: writing down what the scanner saw in a revision's files.
    InspectRevision = "revision.inspect" on RevisionNamed => RevisionNamed, WithChange, RevisionInspected;
    /// Work: writing down what the rules decided, in every environment.
    DecideRevision = "revision.decide" on RevisionNamed => RevisionNamed, WithChange, RevisionDecided;
    /// Work: learning that another name means a repository we know.
    NameRepository = "revision.list" on RepoNamed => RepoNamed, WithChange, RepositoryNamed;
    /// Work: writing down that a repository stands otherwise at the hub than it did.
    NoteRepository = "revision.list" on RepoNamed => RepoNamed, WithChange, RepositoryChanged;
    /// Work: from now on decisions rest on another scanner, policy or configuration.
    ChangeBasis = "basis.change" on Gateway => Gateway, WithChange, BasisChanged;
    /// Work: the rules were asked again on a new basis about some revisions, and said the same.
    ConfirmBasis = "basis.change" on Gateway => Gateway, WithChange, BasisConfirmed;
    /// Work: taking verified bytes into the store.
    StoreBlob = "blob.store" on BlobObject => BlobObject, WithChange, BlobStored;
    /// Work: stopping a revision whose bytes were not what was listed.
    SuspendRevision = "revision.suspend" on RevisionNamed => RevisionNamed, WithChange, RevisionSuspended;
    /// Work: writing down that the hub sent something else than it had listed.
    ReportMismatch = "blob.store" on RevisionNamed => RevisionNamed, WithChange, BlobMismatched;
    /// Work: closing a stored blob whose bytes changed under us.
    CloseBlob = "blob.store" on BlobObject => BlobObject, WithChange, BlobDamaged;
    /// Reading what the gateway is at work on, and how far it is.
    ReadJobs = "job.read" on Jobs => Jobs, Counted, JobsRead;
    ReadJob = "job.read" on JobId => JobId, Counted, JobsRead;
    /// Having a buried job tried again.
    RetryJob = "job.retry" on JobId => JobId, WithChange, JobRetried;
    /// Reading how full the store is, and what may go.
    ReadStorage = "storage.read" on Storage => Storage, Counted, StorageRead;
    /// Having a revision taken in, and its files fetched before anybody pulls them.
    PrefetchRevision = "revision.prefetch" on InEnvironment => InEnvironment, Counted, RevisionPrefetched;
    /// Work: making room in the store.
    EvictBlobs = "blob.evict" on Storage => Storage, WithChange, BlobsEvicted;
    /// The host's own commands.
    CreateToken = "token.create" on Tokens => Tokens, WithChange, TokenCreated;
    RevokeToken = "token.revoke" on TokenId => TokenId, WithChange, TokenRevoked;
    ListTokens = "token.list" on Tokens => Tokens, WithChange, TokensListed;
    StartGateway = "gateway.run" on Gateway => Gateway, WithChange, GatewayStarted;
    StopGateway = "gateway.run" on Gateway => Gateway, WithChange, GatewayStopped;
    /// The configuration maps groups to other roles than before.
    ChangeRoles = "roles.change" on Gateway => Gateway, WithChange, RolesChanged;
    /// A one-use code for somebody on the host: bootstrap, or breaking the glass.
    MakeHostCode = "host-code.make" on Gateway => Gateway, WithChange, HostCodeMade;
    /// At the door: who one is was found right, and from here on a credential of ours says it.
    BeginSession = "session.begin" on Account => Account, WithChange, SessionBegun;
    ElevateCredential = "session.elevate" on Account => Account, WithChange, SessionElevated;
    EndSession = "session.end" on Account => Account, WithChange, SessionEnded;
    BeginDevice = "device.begin" on Account => Account, WithChange, DeviceBegun;
    TakeDeviceToken = "device.take" on Account => Account, WithChange, TokenCreated;
    RefreshToken = "token.refresh" on Account => Account, WithChange, TokenRefreshed;
    ExchangeToken = "token.exchange" on Account => Account, WithChange, TokenExchanged;
    /// A refresh token came back that had long been exchanged: two hold it, and one of them should not.
    ReuseToken = "token.reuse" on Account => Account, WithChange, TokenReused;
    /// Somebody found a token where none should be.
    ReportToken = "token.report" on Account => Account, WithChange, TokenReported;
    /// One's own account and sessions, which everybody has who is signed in.
    ReadOwnSessions = "session.read-own" on Account => Account, Counted, AccountRead;
    EndOwnSession = "session.end-own" on Account => Account, WithChange, SessionEnded;
    /// Ending all sessions of somebody.
    EndSessionsOf = "session.end-of" on PersonId => PersonId, WithChange, SessionEnded;
    /// Looking at a page that shows nothing but one's own.
    ViewPage = "page.view" on Account => Account, Counted, PageViewed;
    /// Letting a terminal that shows a code sign in as oneself, or not.
    AnswerDevice = "device.answer" on Account => Account, WithChange, DeviceAnswered;
    CreateOwnToken = "token.create-own" on Account => Account, WithChange, TokenCreated;
    ListOwnTokens = "token.list-own" on Account => Account, Counted, TokensListed;
    RevokeOwnToken = "token.revoke-own" on TokenId => TokenId, WithChange, TokenRevoked;
    /// The same of every terminal that one is signed in from.
    EndOwnDevices = "token.revoke-own" on Tokens => Tokens, WithChange, TokenRevoked;
    /// A new token for one's own old one, which works a little longer.
    RotateOwnToken = "token.create-own" on TokenId => TokenId, WithChange, TokenCreated;
    /// A token for a machine, made by an operator.
    IssueToken = "token.issue" on Tokens => Tokens, WithChange, TokenCreated;
    RotateToken = "token.issue" on TokenId => TokenId, WithChange, TokenCreated;
    /// Everybody's tokens.
    ReadTokens = "token.read" on Tokens => Tokens, Counted, TokensListed;
    EndToken = "token.end" on TokenId => TokenId, WithChange, TokenRevoked;
    ReadPeople = "person.read" on People => People, Counted, PeopleRead;
    ReadPerson = "person.read" on PersonId => PersonId, Counted, PeopleRead;
    DeactivatePerson = "person.deactivate" on PersonId => PersonId, WithChange, PersonDeactivated;
    ReactivatePerson = "person.reactivate" on PersonId => PersonId, WithChange, PersonReactivated;
    GrantRole = "role.grant" on PersonId => PersonId, WithChange, RoleGranted;
    WithdrawRole = "role.withdraw" on PersonId => PersonId, WithChange, RoleWithdrawn;
    /// How the issuers of workloads' tokens stand.
    ReadWorkloads = "workload.read" on Workloads => Workloads, Counted, WorkloadsRead;
    BlockWorkload = "workload.block" on Workloads => Workloads, WithChange, WorkloadBlocked;
    /// The directory: people and groups as the provider pushes them.
    ReadDirectory = "directory.read" on People => People, Counted, DirectoryRead;
    ReadDirectoryPerson = "directory.read" on PersonId => PersonId, Counted, DirectoryRead;
    ReadGroups = "directory.read" on Groups => Groups, Counted, DirectoryRead;
    ReadGroup = "directory.read" on Group => Group, Counted, DirectoryRead;
    PushPeople = "directory.write" on People => People, WithChange, PersonChanged;
    PushPerson = "directory.write" on PersonId => PersonId, WithChange, PersonChanged;
    PushGroups = "directory.write" on Groups => Groups, WithChange, GroupChanged;
    PushGroup = "directory.write" on Group => Group, WithChange, GroupChanged;
    /// Credentials at the public hub.
    KeepOwnCredential = "credential.keep-own" on Account => Account, WithChange, CredentialKept;
    RemoveOwnCredential = "credential.keep-own" on Account => Account, WithChange, CredentialRemoved;
    KeepCredential = "credential.keep" on Credentials => Credentials, WithChange, CredentialKept;
    RemoveCredential = "credential.keep" on CredentialId => CredentialId, WithChange, CredentialRemoved;
    ReadTerms = "terms.read" on RepoInEnvironment => RepoInEnvironment, Counted, TermsRead;
    AcceptTerms = "terms.accept" on RepoInEnvironment => RepoInEnvironment, WithChange, TermsAccepted;
    WithdrawTerms = "terms.accept" on RepoInEnvironment => RepoInEnvironment, WithChange, TermsWithdrawn;
}

/// What is admitted without a role, for whoever has just been found to be who they are.
pub trait AtTheDoor: Act<Asked = Account, Found = Account> {}
impl AtTheDoor for BeginSession {}
impl AtTheDoor for ElevateCredential {}
impl AtTheDoor for EndSession {}
impl AtTheDoor for BeginDevice {}
impl AtTheDoor for TakeDeviceToken {}
impl AtTheDoor for RefreshToken {}
impl AtTheDoor for ExchangeToken {}
impl AtTheDoor for ReuseToken {}
impl AtTheDoor for ReportToken {}

/// What every person may do who is signed in, about their own sessions, whatever roles they have, lost or never had: somebody
/// without a role has to learn why, and has to get out.
pub const OF_ONESELF: &[&str] = &["session.read-own", "session.end-own"];

/// What a person may only do who proved minutes ago who they are: a stolen session or token does not suffice.
pub const FRESH: &[&str] = &[
    "revision.approve",
    "revision.revoke",
    "pointer.pin",
    "token.issue",
    "token.end",
    "session.end-of",
    "person.deactivate",
    "person.reactivate",
    "role.grant",
    "role.withdraw",
    "workload.block",
    "terms.accept",
];

/// What only people do, once there is a way for them to sign in: a token that nobody holds personally decides nothing.
pub const BY_PEOPLE: &[&str] = &[
    "token.issue",
    "token.end",
    "person.deactivate",
    "person.reactivate",
    "session.end-of",
    "revision.approve",
    "pointer.pin",
    "role.grant",
    "role.withdraw",
    "terms.accept",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::WORDS;
    use crate::gate::access::acts::ACTS;

    #[test]
    fn the_policy_knows_exactly_these_acts() {
        let here: BTreeSet<_> = WORDS.iter().copied().collect();
        let there: BTreeSet<_> = ACTS.iter().map(|act| act.word).collect();
        assert_eq!(here, there);
        assert!(super::FRESH.iter().chain(super::BY_PEOPLE).chain(super::OF_ONESELF).all(|word| here.contains(word)));
    }
}
