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
            Self::Moment => "a point in time".to_owned(),
            Self::Hours(date) => format!("the hours since `{}`", date.word()),
            Self::Days(date) => format!("the days since `{}`", date.word()),
        }
    }
}

macro_rules! fields {
    ($($name:ident = $group:ident $word:literal $kind:expr, $sentence:literal;)+) => {
        /// One field. The list is closed: what is not in it cannot be known, and no rule can ask for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($name),+ }

        impl Field {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            fn row(self) -> (Group, &'static str, Kind, &'static str) {
                use Kind::{Bool, Days, Hours, Int, Moment, Word, Words};
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

    // Formats.
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

    // Licence.
    LicenseFamily = Revision "license_family" Word(&["permissive", "weak-copyleft", "strong-copyleft", "rail", "community", "non-commercial", "research", "proprietary", "unknown"]), "the kind of licence";
    LicenseConflict = Revision "license_conflict" Bool, "the card and the licence file name different licences";

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

    // Where it comes from and what it can do.
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
