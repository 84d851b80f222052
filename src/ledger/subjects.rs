//! References to people and addresses: the same for the same person everywhere, and leading nowhere without the key.
//!
//! Each subject has a random key of its own. Destroying it makes every reference to the subject a dead number, while
//! the tree over the entries stays as it is. Never writes a name or an address into an entry.

use std::sync::Arc;

use aws_lc_rs::hmac;
use moka::future::Cache;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::Clock;
use crate::{
    domain::refusal::Fault,
    keys,
    store::{Store, fault, tables::subject},
};

/// What a reference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    Actor,
    Address,
}

impl About {
    fn word(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Address => "address",
        }
    }
}

pub(super) struct Subjects {
    store: Store,
    clock: Clock,
    known: Cache<(About, String), Arc<str>>,
}

/// So many are remembered: an office's people and addresses, not the internet's.
const REMEMBERED: u64 = 50_000;
/// A reference is forgotten after a while, so that a destroyed key is no longer used anywhere.
const FOR: std::time::Duration = std::time::Duration::from_mins(5);

impl Subjects {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, known: Cache::builder().max_capacity(REMEMBERED).time_to_live(FOR).build() }
    }

    pub(super) async fn reference(&self, about: About, clear: &str) -> Result<String, Fault> {
        let made = self.known.try_get_with((about, clear.to_owned()), self.look_up(about, clear)).await;
        made.map(|reference| reference.to_string()).map_err(|fault| {
            let passing = fault.passing;
            let fault = Fault::because("looking up a reference", fault);
            if passing { fault.passing() } else { fault }
        })
    }

    /// Finds the subject's row or makes it. Of several replicas that make it at once one succeeds, and all read its row.
    async fn look_up(&self, about: About, clear: &str) -> Result<Arc<str>, Fault> {
        if let Some(row) = find(self.store.reader(), about, clear).await? {
            return Ok(row.reference.into());
        }
        let mut secret = [0; 32];
        keys::fill(&mut secret)?;
        let row = subject::ActiveModel {
            reference: Set(reference(&secret, about, clear)),
            kind: Set(about.word().to_owned()),
            clear: Set(clear.to_owned()),
            secret: Set(secret.to_vec()),
            created_at: Set((self.clock)().0),
        };
        let chores = self.store.chores();
        let insert = subject::Entity::insert(row)
            .on_conflict(OnConflict::columns([subject::Column::Kind, subject::Column::Clear]).do_nothing().to_owned());
        insert.exec_without_returning(&chores).await.map_err(fault("writing a reference"))?;
        let row = find(&chores, about, clear).await?;
        row.map(|r| r.reference.into()).ok_or_else(|| Fault::new("writing a reference: it is gone again").passing())
    }
}

async fn find<C: ConnectionTrait>(db: &C, about: About, clear: &str) -> Result<Option<subject::Model>, Fault> {
    use subject::Column;
    let find = subject::Entity::find().filter(Column::Kind.eq(about.word())).filter(Column::Clear.eq(clear));
    find.one(db).await.map_err(fault("reading a reference"))
}

/// `c1` names this way of making references, should there ever be another.
pub(super) fn reference(secret: &[u8], about: About, clear: &str) -> String {
    use std::fmt::Write as _;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(about.word().as_bytes());
    context.update(b"\0");
    context.update(clear.as_bytes());
    let mut text = "c1:".to_owned();
    for byte in context.sign().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
