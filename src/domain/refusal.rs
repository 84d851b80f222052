//! The two words for going wrong: a `Refusal` is what a caller may be told, a `Fault` is what broke inside.
//!
//! A `Fault` never reaches a caller: it becomes a refusal that names only the request. Never renders anything: the two
//! dialects (the hub's headers, problem+json) are the endpoint's.

use std::{error::Error, fmt};

use super::rev::Commit;

/// Why a caller is refused: a stable code, and with it the status and the hub's own error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    SignInRequired,
    TokenNotAccepted,
    NotAllowed,
    /// What is closed at the hub was opened by somebody else's credential.
    NoRightAtHub,
    /// A person may, once they prove again who they are.
    StepUpRequired,
    NotApproved,
    /// Nobody has asked for it yet: intake begins, and the caller waits for what it says.
    Undecided,
    /// A rule says no.
    Denied,
    /// Another file of the same revision is served instead.
    Hidden,
    Revoked,
    /// A revoked revision asked for by branch: the one answer that makes a client with a cache stop.
    RevokedByName,
    DigestDenied,
    ReservedName,
    BytesMismatch,
    RepoNotFound,
    RevisionNotFound,
    EntryNotFound,
    NotFound,
    MethodNotAllowed,
    NotOffered,
    BadInput,
    InputTooLarge,
    /// The request's body did not come in time.
    TooSlow,
    Conflict,
    RangeOutside,
    TooManyRequests,
    /// A file body that must wait: huggingface_hub retries it.
    Fetching,
    /// A HEAD or an API answer that must wait.
    NotReady,
    UpstreamUnreachable,
    /// There is no room for it, and nothing that may go.
    StorageFull,
    Unavailable,
    Internal,
}

impl Code {
    pub const ALL: [Self; 32] = [
        Self::SignInRequired,
        Self::TokenNotAccepted,
        Self::NotAllowed,
        Self::NoRightAtHub,
        Self::StepUpRequired,
        Self::NotApproved,
        Self::Undecided,
        Self::Denied,
        Self::Hidden,
        Self::Revoked,
        Self::RevokedByName,
        Self::DigestDenied,
        Self::ReservedName,
        Self::BytesMismatch,
        Self::RepoNotFound,
        Self::RevisionNotFound,
        Self::EntryNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotOffered,
        Self::BadInput,
        Self::InputTooLarge,
        Self::TooSlow,
        Self::Conflict,
        Self::RangeOutside,
        Self::TooManyRequests,
        Self::Fetching,
        Self::NotReady,
        Self::UpstreamUnreachable,
        Self::StorageFull,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The stable word for scripts.
    pub fn word(self) -> &'static str {
        self.row().0
    }

    pub fn status(self) -> u16 {
        self.row().1
    }

    /// `X-Error-Code`: which exception the hub's clients raise. Most refusals are `GatedRepo`, because that is the one
    /// whose text every client shows to the person.
    pub fn hub(self) -> Option<&'static str> {
        self.row().2
    }

    fn row(self) -> (&'static str, u16, Option<&'static str>) {
        let gated = Some("GatedRepo");
        match self {
            Self::SignInRequired => ("sign_in_required", 401, gated),
            Self::TokenNotAccepted => ("token_not_accepted", 401, gated),
            Self::NotAllowed => ("not_allowed", 403, gated),
            Self::NoRightAtHub => ("no_right_at_hub", 403, gated),
            Self::StepUpRequired => ("step_up_required", 403, gated),
            Self::NotApproved => ("not_approved", 403, gated),
            Self::Undecided => ("undecided", 503, None),
            Self::Denied => ("denied", 403, gated),
            Self::Hidden => ("hidden", 403, gated),
            Self::Revoked => ("revoked", 403, gated),
            Self::RevokedByName => ("revoked_by_name", 404, Some("RevisionNotFound")),
            Self::DigestDenied => ("digest_denied", 403, gated),
            Self::ReservedName => ("reserved_name", 403, gated),
            Self::BytesMismatch => ("bytes_mismatch", 403, gated),
            Self::RepoNotFound => ("repository_not_found", 404, Some("RepoNotFound")),
            Self::RevisionNotFound => ("revision_not_found", 404, Some("RevisionNotFound")),
            Self::EntryNotFound => ("file_not_found", 404, Some("EntryNotFound")),
            Self::NotFound => ("not_found", 404, None),
            Self::MethodNotAllowed => ("method_not_allowed", 405, None),
            Self::NotOffered => ("not_offered", 403, None),
            Self::BadInput => ("bad_input", 400, None),
            Self::InputTooLarge => ("input_too_large", 413, None),
            Self::TooSlow => ("too_slow", 408, None),
            Self::Conflict => ("conflict", 409, None),
            Self::RangeOutside => ("range_outside", 416, None),
            Self::TooManyRequests => ("too_many_requests", 429, None),
            Self::Fetching => ("fetching", 429, None),
            Self::NotReady => ("not_ready", 503, None),
            Self::UpstreamUnreachable => ("upstream_unreachable", 503, None),
            Self::StorageFull => ("storage_full", 503, None),
            Self::Unavailable => ("unavailable", 503, None),
            Self::Internal => ("internal", 500, None),
        }
    }
}

/// What a caller is told: what was refused, why, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub sentence: String,
    pub hint: String,
    /// The decision to ask about, when one was recorded.
    pub decision: Option<String>,
    pub retry_after: Option<u32>,
    /// The commit that was looked in, for `EntryNotFound`.
    pub commit: Option<Commit>,
    /// The size of the file, for a range outside it.
    pub size: Option<u64>,
}

impl Refusal {
    pub fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: sentence.into(),
            hint: String::new(),
            decision: None,
            retry_after: None,
            commit: None,
            size: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn in_commit(mut self, commit: Commit) -> Self {
        self.commit = Some(commit);
        self
    }

    pub fn bad_input(sentence: impl Into<String>) -> Self {
        Self::new(Code::BadInput, sentence)
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here.")
    }

    /// One line that any header and any terminal can carry: printable ASCII, at most 400 characters.
    pub fn line(&self) -> String {
        let text =
            if self.hint.is_empty() { self.sentence.clone() } else { format!("{} {}", self.sentence, self.hint) };
        ascii_line(&text, 400)
    }
}

/// Printable ASCII, at most `most` characters: what stands outside becomes `?`, line breaks become spaces.
pub fn ascii_line(text: &str, most: usize) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        ' '..='~' => c,
        _ => '?',
    };
    let mut line: String = text.chars().map(plain).take(most).collect();
    if text.chars().count() > most {
        line.truncate(most.saturating_sub(3));
        line.push_str("...");
    }
    line
}

/// What broke inside, with what we were doing. Logged once, where it turns into a refusal; never shown.
#[derive(Debug)]
pub struct Fault {
    doing: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    /// Whether trying again later can help: the store or the ledger is unreachable, the disk is full.
    pub passing: bool,
}

impl Fault {
    /// `doing` completes "failed: …", e.g. `reading the token table`.
    pub fn new(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), cause: None, passing: false }
    }

    pub fn because(doing: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), cause: Some(cause.into()), passing: false }
    }

    pub fn passing(mut self) -> Self {
        self.passing = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        let mut cause = self.cause.as_deref().map(|c| c as &(dyn Error + 'static));
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Fault {}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        tracing::error!(fault = %fault, "something broke inside");
        if fault.passing {
            Self::new(Code::Unavailable, "Weighbridge cannot answer safely right now, so it does not answer.")
                .hint("Try again in a few seconds; if it lasts, tell your operator the request id.")
                .retry_after(5)
        } else {
            Self::new(Code::Internal, "Something broke inside Weighbridge.").hint("Tell your operator the request id.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printable_ascii_and_short() {
        let refusal = Refusal::new(Code::NotApproved, "naïve\r\nX-Evil: 1 模型".repeat(60)).hint("next");
        let line = refusal.line();
        assert!(line.len() <= 400 && line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
    }

    #[test]
    fn a_fault_tells_its_whole_story_in_the_log_and_nothing_outside() {
        let fault = Fault::because("reading the token table", std::io::Error::other("secret detail"));
        assert_eq!(fault.to_string(), "reading the token table: secret detail");
        assert!(!Refusal::from(fault).line().contains("secret"));
    }
}
