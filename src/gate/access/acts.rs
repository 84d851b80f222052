//! The closed list of acts: to whom each can be given, and what it is done to.
//!
//! Never says who has which: that is `policies/access.csv`.

use super::Subject;

/// One act that the gate knows.
#[derive(Debug)]
pub struct Act {
    pub word: &'static str,
    pub given_to: Given,
    /// The shapes of the objects it is done to, in the manner of a row's pattern.
    pub objects: &'static [&'static str],
}

/// Whom a row may name beside an act: no policy can lend our own jobs' acts to a person, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    Roles,
    Work,
    Host,
    /// Commands on the host, and people of some roles.
    RolesAndHost,
    Directory,
    /// Whoever comes in, before they have a role: signing in is not switched off by policy, so no row names these.
    Newcomers,
}

impl Given {
    pub fn fits(self, subject: Subject) -> bool {
        match subject {
            Subject::Role(_) => matches!(self, Self::Roles | Self::RolesAndHost),
            Subject::Work => self == Self::Work,
            Subject::Host => matches!(self, Self::Host | Self::RolesAndHost),
            Subject::Directory => self == Self::Directory,
            Subject::Anonymous => false,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Work => "system:work",
            Self::Host => "system:host",
            Self::RolesAndHost => "roles and system:host",
            Self::Directory => "system:directory",
            Self::Newcomers => "nobody by a row",
        }
    }
}

pub fn find(word: &str) -> Option<&'static Act> {
    ACTS.iter().find(|act| act.word == word)
}

pub const ACTS: &[Act] = &[
    act("file.pull", Given::Roles, REPOSITORY),
    act("revision.view", Given::Roles, REPOSITORY),
    act("repository.view", Given::Roles, REPOSITORY),
    act("catalogue.search", Given::Roles, &["/catalogue"]),
    act("upstream.search", Given::Roles, &["/catalogue"]),
    act("account.read", Given::Roles, &["/account"]),
    act("revision.request", Given::Roles, REPOSITORY),
    act("request.read", Given::Roles, &["/requests/**"]),
    act("decision.read", Given::Roles, &["/decisions/**"]),
    act("revision.examine", Given::Roles, REPOSITORY),
    act("revision.approve", Given::Roles, REPOSITORY),
    act("revision.revoke", Given::Roles, REPOSITORY),
    act("pointer.pin", Given::Roles, REPOSITORY),
    act("revision.list", Given::Work, REPOSITORY),
    act("revision.inspect", Given::Work, REPOSITORY),
    act("revision.decide", Given::Work, REPOSITORY),
    act("revision.suspend", Given::Work, REPOSITORY),
    act("blob.store", Given::Work, &["/models/*/*", "/datasets/*/*", "/spaces/*/*", "/blobs/**"]),
    act("basis.change", Given::Work, &["/gateway"]),
    act("job.read", Given::Roles, &["/jobs/**"]),
    act("job.retry", Given::Roles, &["/jobs/**"]),
    act("storage.read", Given::Roles, &["/storage"]),
    act("revision.prefetch", Given::Roles, REPOSITORY),
    act("blob.evict", Given::Work, &["/storage"]),
    act("token.create", Given::Host, &["/tokens/**"]),
    act("token.revoke", Given::Host, &["/tokens/**"]),
    act("token.list", Given::Host, &["/tokens/**"]),
    act("gateway.run", Given::Host, &["/gateway"]),
    act("roles.change", Given::Host, &["/gateway"]),
    act("host-code.make", Given::Host, &["/gateway"]),
    act("session.begin", Given::Newcomers, &["/account"]),
    act("session.elevate", Given::Newcomers, &["/account"]),
    act("session.end", Given::Newcomers, &["/account"]),
    act("session.read-own", Given::Newcomers, &["/account"]),
    act("session.end-own", Given::Newcomers, &["/account"]),
    act("session.end-of", Given::Roles, &["/people/*"]),
    act("device.begin", Given::Newcomers, &["/account"]),
    act("device.take", Given::Newcomers, &["/account"]),
    act("token.refresh", Given::Newcomers, &["/account"]),
    act("token.exchange", Given::Newcomers, &["/account"]),
    act("token.reuse", Given::Newcomers, &["/account"]),
    act("token.report", Given::Newcomers, &["/account"]),
    act("page.view", Given::Roles, &["/account"]),
    act("device.answer", Given::Roles, &["/account"]),
    act("token.create-own", Given::Roles, &["/account", "/tokens/*"]),
    act("token.list-own", Given::Roles, &["/account"]),
    act("token.revoke-own", Given::Roles, &["/tokens/**"]),
    act("token.issue", Given::Roles, &["/tokens/**"]),
    act("token.read", Given::Roles, &["/tokens/**"]),
    act("token.end", Given::Roles, &["/tokens/*"]),
    act("person.read", Given::RolesAndHost, &["/people/**"]),
    act("person.deactivate", Given::RolesAndHost, &["/people/*"]),
    act("person.reactivate", Given::RolesAndHost, &["/people/*"]),
    act("role.grant", Given::Roles, &["/people/*"]),
    act("role.withdraw", Given::Roles, &["/people/*"]),
    act("workload.read", Given::Roles, &["/workloads"]),
    act("workload.block", Given::RolesAndHost, &["/workloads"]),
    act("directory.read", Given::Directory, &["/people/**", "/groups/**"]),
    act("directory.write", Given::Directory, &["/people/**", "/groups/**"]),
    act("credential.keep-own", Given::Roles, &["/account"]),
    act("credential.keep", Given::Host, &["/credentials/**"]),
    act("terms.read", Given::Roles, REPOSITORY),
    act("terms.accept", Given::Roles, REPOSITORY),
];

const REPOSITORY: &[&str] = &["/models/*/*", "/datasets/*/*", "/spaces/*/*"];

const fn act(word: &'static str, given_to: Given, objects: &'static [&'static str]) -> Act {
    Act { word, given_to, objects }
}
