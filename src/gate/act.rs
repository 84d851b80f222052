//! The closed list of acts: what anybody can do here, to what, and how it is written down.
//!
//! An act is a type without values; it lives only as the parameter of a grant. Adding one means adding a line here and
//! rows in `policies/access.csv`; nothing outside this file can be an act.

use super::object::{
    Account, BlobObject, Catalogue, DecisionId, File, FileAsked, Folder, FolderAsked, Gateway, InEnvironment, JobId,
    Jobs, MainAsked, Object, Repo, RepoAsked, RepoInEnvironment, RepoNamed, RequestId, Requests, Revision,
    RevisionAsked, RevisionNamed, Storage, TokenId, Tokens,
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
}

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
    }
}
