//! What a token is held to beside the rights of its owner: `read:repo:<glob>`, `request`, `approve`, `audit:read` and so on.
//!
//! A scope never gives a right; it only takes away. Never asks who somebody is: that is the gate's.

use super::glob;

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Reading and pulling repositories whose name (`org/name`, `datasets/org/name`) the pattern means.
    ReadRepo(String),
    Request,
    Approve,
    AdminPolicy,
    AuditRead,
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "request" => Some(Self::Request),
            "approve" => Some(Self::Approve),
            "admin:policy" => Some(Self::AdminPolicy),
            "audit:read" => Some(Self::AuditRead),
            _ => {
                let glob = text.strip_prefix("read:repo:")?;
                let plain = |b: u8| b.is_ascii_graphic() && b != b',';
                ((1..=200).contains(&glob.len()) && glob.bytes().all(plain)).then(|| Self::ReadRepo(glob.to_owned()))
            }
        }
    }

    pub fn text(&self) -> String {
        match self {
            Self::ReadRepo(glob) => format!("read:repo:{glob}"),
            Self::Request => "request".to_owned(),
            Self::Approve => "approve".to_owned(),
            Self::AdminPolicy => "admin:policy".to_owned(),
            Self::AuditRead => "audit:read".to_owned(),
        }
    }

    fn allows(&self, act: &str, place: &str) -> bool {
        match self {
            Self::ReadRepo(glob) => {
                let lists = matches!(act, "catalogue.search" | "upstream.search");
                let reads = matches!(act, "file.pull" | "revision.view" | "repository.view");
                lists || act == "decision.read" || (reads && glob::matches(glob, named(place)))
            }
            Self::Request => {
                matches!(act, "revision.request" | "revision.prefetch" | "request.read" | "decision.read")
            }
            Self::Approve => matches!(
                act,
                "revision.examine"
                    | "revision.approve"
                    | "revision.revoke"
                    | "pointer.pin"
                    | "request.read"
                    | "decision.read"
            ),
            Self::AdminPolicy => act.starts_with("policy."),
            Self::AuditRead => {
                act.starts_with("audit.")
                    || matches!(act, "request.read" | "decision.read" | "job.read" | "storage.read")
            }
        }
    }
}

/// The name a person writes, of a place such as `/models/org/name`.
fn named(place: &str) -> &str {
    let inside = place.strip_prefix("/models/").or_else(|| place.strip_prefix('/')).unwrap_or(place);
    inside.strip_prefix("_/").unwrap_or(inside)
}

/// All that a credential is held to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scopes {
    /// Whatever its owner may do.
    Everything,
    Only(Vec<Scope>),
}

impl Scopes {
    /// As a row stores them: nothing, or a comma list. What cannot be read allows nothing.
    pub fn stored(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Everything };
        Self::Only(text.split(',').filter_map(|word| Scope::parse(word.trim())).collect())
    }

    pub fn text(&self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::Only(list) => Some(list.iter().map(Scope::text).collect::<Vec<_>>().join(",")),
        }
    }

    /// Whether the act is within them. Asking who one is always is.
    pub fn allow(&self, act: &str, place: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(list) => act == "account.read" || list.iter().any(|scope| scope.allows(act, place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_its_acts_and_nothing_else() {
        let only = |words: &str| Scopes::stored(Some(words));
        let read = only("read:repo:acme/*");
        assert!(read.allow("file.pull", "/models/acme/x") && read.allow("account.read", "/account"));
        assert!(!read.allow("file.pull", "/models/other/x") && !read.allow("file.pull", "/datasets/acme/x"));
        assert!(only("read:repo:datasets/acme/*").allow("file.pull", "/datasets/acme/x"));
        assert!(only("read:repo:gpt2").allow("file.pull", "/models/_/gpt2"));
        assert!(!read.allow("revision.approve", "/models/acme/x") && !read.allow("token.create-own", "/tokens"));
        assert!(
            only("approve").allow("revision.approve", "/models/acme/x")
                && !only("approve").allow("file.pull", "/models/a/b")
        );
        assert!(Scopes::stored(None).allow("token.create-own", "/tokens"));
        for nothing in ["", "read:repo:", "everything", "Approve"] {
            assert!(!only(nothing).allow("file.pull", "/models/acme/x"), "{nothing}");
        }
        assert_eq!(only("request, read:repo:a/*").text().as_deref(), Some("request,read:repo:a/*"));
    }
}
