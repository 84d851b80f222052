//! The closed list of fields: word, group, type and what the fact says.
//!
//! Policy knows these fields and no others. Never holds a value.

/// What a fact is about; the letter is how rules name it: `r.m.malicious`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Revision,
    File,
    Subject,
    Context,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Revision, Self::File, Self::Subject, Self::Context];

    pub fn letter(self) -> &'static str {
        match self {
            Self::Revision => "m",
            Self::File => "f",
            Self::Subject => "s",
            Self::Context => "x",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::File => "file",
            Self::Subject => "subject",
            Self::Context => "context",
        }
    }
}

/// What values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// A number that fits into 32 bits with its sign.
    Int,
    /// One word of a closed list.
    Word(&'static [&'static str]),
    /// Any number of words of a closed list.
    Words(&'static [&'static str]),
    /// One name that others gave: up to 100 of the characters that names are made of.
    Name,
    /// Any number of such names.
    Names,
    /// A point in time. Rules never read it: they read its age.
    Moment,
    /// Whole hours since a moment, worked out when somebody asks.
    Hours(Field),
    /// Whole days since a moment.
    Days(Field),
}

impl Kind {
    pub fn sentence(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int => "a number of 32 bits".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("some of {}", words.join(", ")),
            Self::Name => format!("a name of up to {LONGEST_NAME} letters, digits and any of {NAME_SIGNS:?}"),
            Self::Names => format!("up to {MOST_NAMES} names, each of letters, digits and any of {NAME_SIGNS:?}"),
            Self::Moment => "a point in time".to_owned(),
            Self::Hours(date) => format!("the hours since `{}`", date.word()),
            Self::Days(date) => format!("the days since `{}`", date.word()),
        }
    }
}

/// Whether this can be a name in a fact, and in a rule. Nothing in it means anything to whoever evaluates rules.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || NAME_SIGNS.as_bytes().contains(&b))
}

const NAME_SIGNS: &str = "._-/+: @";
pub(super) const LONGEST_NAME: usize = 100;
pub(super) const MOST_NAMES: usize = 100;

macro_rules! fields {
    ($($name:ident = $group:ident $word:literal $kind:expr, $sentence:literal;)+) => {
        /// One field. The list is closed: what is not in it cannot be known, and no rule can ask for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($name),+ }

        impl Field {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            fn row(self) -> (Group, &'static str, Kind, &'static str) {
                use Kind::{Bool, Days, Hours, Int, Moment, Name, Names, Word, Words};
                match self { $(Self::$name => (Group::$group, $word, $kind, $sentence)),+ }
            }
        }
    };
}

impl Field {
    pub fn group(self) -> Group {
        self.row().0
    }

    pub fn word(self) -> &'static str {
        self.row().1
    }

    pub fn kind(self) -> Kind {
        self.row().2
    }

    /// What the fact says, for people.
    pub fn sentence(self) -> &'static str {
        self.row().3
    }

    pub fn find(group: Group, word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.group() == group && field.word() == word)
    }

    /// The field that is written down for this one: itself, or the date that an age is counted from.
    pub fn stored(self) -> Self {
        match self.kind() {
            Kind::Hours(date) | Kind::Days(date) => date,
            _ => self,
        }
    }
}

fields! {
    // What the scanner saw, over all files of the revision.
    Malicious = Revision "malicious" Bool, "a file of the revision harms whoever loads it";
    Advisory = Revision "advisory" Bool, "a confirmed advisory names the revision";
    Coverage = Revision "coverage" Word(&["complete", "incomplete", "unsupported"]), "how much of the loadable files was looked at";
    Verdict = Revision "verdict" Word(&["clean", "unjudged", "suspicious", "malicious"]), "the worst verdict on a file";
    MaxSeverity = Revision "max_severity" Word(&["none", "info", "low", "medium", "high", "critical"]), "the severity of the worst finding";
    EnginesDisagree = Revision "engines_disagree" Bool, "two scanners come to different verdicts";

    UnknownGlobals = Revision "unknown_globals" Int, "names in pickles that belong to no package we know";

    // Formats.
    Formats = Revision "formats" Names, "what the files are by their content";
    HasPickle = Revision "has_pickle" Bool, "a file holds a pickle";
    PicklesLeft = Revision "pickles_left" Int, "files with a pickle that are not hidden";
    SafetensorsOnly = Revision "safetensors_only" Bool, "every file of weights that is not hidden is safetensors or GGUF";
    Plain = Revision "plain" Bool, "complete, clean, without code, and every loadable file that is not hidden is safetensors or GGUF";
    Executables = Revision "executables" Int, "programs and libraries of a machine";
    ArchiveDepth = Revision "archive_depth" Int, "how deep archives stand in archives";
    ArchiveRatioHigh = Revision "archive_ratio_high" Bool, "something unpacks to more than 200 times its size";
    PathTraversal = Revision "path_traversal" Bool, "a path or a symbolic link leads out of its tree";
    Secrets = Revision "secrets" Int, "credentials in files that would be handed on";

    // Code.
    RemoteCode = Revision "remote_code" Bool, "loading runs code of the repository, or of another";
    ExternalCode = Revision "external_code" Word(&["none", "approved", "unapproved"]), "code of another repository that loading runs, and whether that is approved here";
    CodeFiles = Revision "code_files" Int, "files of code";
    UnknownImports = Revision "unknown_imports" Int, "packages that the code imports and nobody knows";
    NetworkCalls = Revision "network_calls" Int, "calls to the network in code that loading runs";
    TemplateRisky = Revision "template_risky" Bool, "a chat template does more than write text";

    // Size.
    SizeMib = Revision "size_mib" Int, "all files together, in MiB";
    FileCount = Revision "file_count" Int, "files";
    LargestMib = Revision "largest_mib" Int, "the largest file, in MiB";
    ParametersMillions = Revision "parameters_millions" Int, "parameters in millions, as the hub counts them";
    ContextLength = Revision "context_length" Int, "tokens that the model reads at once, as the hub says";
    Architecture = Revision "architecture" Name, "the architecture, as the hub says";

    // Licence.
    LicenseDeclared = Revision "license_declared" Name, "the licence that the card declares, in the hub's word for it";
    LicensesFound = Revision "licenses_found" Names, "licences that files of the revision name";
    LicenseFamily = Revision "license_family" Word(&["permissive", "weak-copyleft", "strong-copyleft", "rail", "community", "non-commercial", "research", "proprietary", "unknown"]), "the kind of licence";
    LicenseConflict = Revision "license_conflict" Bool, "the card and the licence file name different licences";

    // What and whose it is.
    RepoKind = Revision "repo_kind" Word(&["model", "dataset", "space"]), "what kind of repository it is";
    RepoName = Revision "repo_name" Name, "its name at the hub, in lower case";
    RepoId = Revision "repo_id" Name, "the hub's own id of the repository, which a name registered anew does not have";
    Owner = Revision "owner" Name, "the owner's name at the hub, in lower case";
    OwnerKind = Revision "owner_kind" Word(&["user", "organisation"]), "whether the owner is a person or an organisation";
    OwnerId = Revision "owner_id" Name, "the hub's own id of the owner";
    OwnerVerified = Revision "owner_verified" Bool, "the hub has verified the organisation";
    OwnerModels = Revision "owner_models" Int, "models that the owner has published";

    // Who published it.
    PublisherTier = Revision "publisher_tier" Word(&["own", "strategic", "verified", "known", "unknown", "prohibited"]), "how well the publisher is known; of a commit that stands in pull requests only, unknown";
    OwnerSince = Revision "owner_since" Moment, "when the owner's account was made";
    OwnerAgeDays = Revision "owner_age_days" Days(Self::OwnerSince), "the age of the owner's account";
    TyposquatDistance = Revision "typosquat_distance" Int, "letters between this name and the nearest other name in the catalogue; 99 when none is near";
    NamespaceReused = Revision "namespace_reused" Bool, "the name belongs to another owner or repository than its earlier approved revisions";
    ProhibitedSupplier = Revision "prohibited_supplier" Bool, "the supplier or its country is on the list of those we may not use";
    PullRequestOnly = Revision "pull_request_only" Bool, "no branch leads to the commit, only a pull request";
    Internal = Revision "internal" Bool, "it comes from a namespace of our own";
    SignedByUs = Revision "signed_by_us" Bool, "our own build signed it";

    // Age.
    PublishedAt = Revision "published_at" Moment, "the commit's date at the hub, which its author can forge";
    AgeHours = Revision "age_hours" Hours(Self::PublishedAt), "hours since the commit's date";
    FirstSeenAt = Revision "first_seen_at" Moment, "when we first saw the revision";
    FirstSeenHours = Revision "first_seen_hours" Hours(Self::FirstSeenAt), "hours since we first saw it";

    RepoSince = Revision "repo_since" Moment, "when the repository was made at the hub";
    RepoAgeDays = Revision "repo_age_days" Days(Self::RepoSince), "the age of the repository";
    ChangedAt = Revision "changed_at" Moment, "when the repository was last changed at the hub";
    ChangedDays = Revision "changed_days" Days(Self::ChangedAt), "days since it was last changed";
    ScannedAt = Revision "scanned_at" Moment, "when the oldest report on one of its files was made";
    ScanAgeHours = Revision "scan_age_hours" Hours(Self::ScannedAt), "the age of that report";

    // How known it is.
    Downloads = Revision "downloads" Int, "downloads at the hub in thirty days";
    Likes = Revision "likes" Int, "likes at the hub";

    // Where it comes from and what it can do.
    BaseModels = Revision "base_models" Names, "models that it is made from, as the card says";
    BaseRelation = Revision "base_relation" Word(&["finetune", "adapter", "quantized", "merge"]), "how it was made from them";
    Datasets = Revision "datasets" Names, "datasets that it was made with, as the card says";
    Task = Revision "task" Name, "what it is for, in the hub's word";
    Library = Revision "library" Name, "the library that loads it, as the hub says";
    Languages = Revision "languages" Names, "the languages that the card names";
    SignatureFile = Revision "signature_file" Bool, "a file that looks like a signature lies in it; nobody has checked it";
    BillOfMaterials = Revision "bill_of_materials" Bool, "a bill of materials lies in it";
    AncestorsApproved = Revision "ancestors_approved" Word(&["all", "some", "none", "unknown"]), "whether the models it is made from are approved; all, when it is made from none";
    CapabilityFlags = Revision "capability_flags" Words(&["biometric", "bio-chem", "uncensored"]), "capabilities that somebody should think about";
    RatedFor = Revision "data_class" Word(&["unstated", "public", "internal", "confidential", "restricted"]), "the most sensitive data that the model is rated for";

    // The repository at the hub.
    Gated = Revision "gated" Word(&["no", "auto", "manual"]), "whether the hub asks for terms to be accepted";
    TermsAccepted = Revision "terms_accepted" Bool, "the organisation has accepted them, on record";
    UpstreamState = Revision "upstream_state" Word(&["live", "gone", "private", "disabled"]), "how the repository stands at the hub";
    Private = Revision "private" Bool, "the repository is private at the hub";
    PrivateMapped = Revision "private_mapped" Bool, "its namespace is mapped to the group that asks";

    // What was decided before, in the environment that is asked about.
    ApprovedBefore = Revision "approved_before" Bool, "this revision was approved here before";
    ApprovalExpired = Revision "approval_expired" Bool, "its approval is over";
    OnlyProseChanged = Revision "only_prose_changed" Bool, "it differs from an approved revision of the same model in prose only";

    // One file.
    FilePickle = File "pickle" Bool, "the file holds a pickle";
    FileClean = File "clean" Bool, "everything in it was looked at and nothing was found";
    FileTwin = File "twin" Word(&["none", "equal", "unequal"]), "whether a safetensors file of the revision holds the same tensors";

    // Who asks.
    SubjectKind = Subject "kind" Word(&["everyone", "person", "ci", "cluster"]), "who asks; everyone, when it is decided for all at once";
    Entitled = Subject "entitled" Bool, "the cluster's entitlement lists the model";

    // Where it would run.
    Production = Context "production" Bool, "the environment is a production one";
    DataClass = Context "data_class" Word(&["unstated", "public", "internal", "confidential", "restricted"]), "the most sensitive data of the environment";
    Stream = Context "stream" Bool, "the environment lets bytes go while they are verified";
    AnotherReview = Context "another_review" Bool, "a review rule that does not read this has matched";
}
