//! The ledger on both databases: order, durability, who may write, and what happens when things break.

mod breaking;
mod checking;
mod writing;

use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};

use super::{Ledger, Settings, verify};
use crate::{
    clock,
    domain::event::{ActorFact, Event, Kind, Outcome},
    store::{
        Store,
        tables::{denied_digest, ledger_entry},
        testing::Fresh,
    },
};

impl Fresh {
    async fn ledger(&self, replica: &str) -> Ledger {
        self.ledger_on(self.store().await, replica).await
    }

    async fn ledger_on(&self, store: Store, replica: &str) -> Ledger {
        let settings = Settings { data_dir: self.folder.path().to_owned(), replica: replica.to_owned() };
        Ledger::open(store, settings).await.unwrap()
    }
}

fn event(kind: Kind) -> Event {
    let actor = ActorFact { kind: "system", cause: Some("test".into()), ..ActorFact::default() };
    Event::new(clock::new_id(), kind, Outcome::Done, actor)
}

/// A change that can be counted, and its event.
async fn change(ledger: &Ledger) -> Result<(), crate::domain::refusal::Fault> {
    let tx = ledger.begin().await?;
    let row = denied_digest::ActiveModel {
        sha256: Set(clock::new_id()),
        reason: Set("test".into()),
        denied_at: Set(clock::now().0),
    };
    denied_digest::Entity::insert(row).exec_without_returning(&tx).await.map_err(crate::store::fault("a change"))?;
    tx.commit(vec![event(Kind::DigestDenied)]).await
}

async fn changes(ledger: &Ledger) -> u64 {
    denied_digest::Entity::find().count(ledger.0.store.reader()).await.unwrap()
}

async fn entries(ledger: &Ledger) -> Vec<ledger_entry::Model> {
    use sea_orm::QueryOrder as _;
    let all = ledger_entry::Entity::find().order_by_asc(ledger_entry::Column::Shard);
    all.order_by_asc(ledger_entry::Column::Seq).all(ledger.0.store.reader()).await.unwrap()
}

async fn entries_of(ledger: &Ledger, kind: Kind) -> u64 {
    entries(ledger).await.iter().filter(|e| e.kind == kind.word()).count() as u64
}

/// Whole, or a panic that says what is wrong.
async fn whole(ledger: &Ledger) -> verify::Report {
    let report = verify::all(ledger.0.store.reader(), &ledger.vkey()).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    report
}
