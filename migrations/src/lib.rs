//! The history of the database schema: one file a step, never edited once released.
//!
//! Every statement runs on SQLite and PostgreSQL alike; where a type has two names it is written `{bytes}` or
//! `{counted}` (a number that counts up by itself). `{bytewise}` text sorts by its bytes, whatever the database's language.

mod m20261121_000001_house;
mod m20261121_000002_intake;
mod m20261121_000003_streamed;
mod m20261121_000004_change;
mod m20261121_000005_jobs;
mod m20261121_000006_tensors;
mod m20261121_000007_identity;
mod m20261121_000009_openings;

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait::async_trait};

/// All steps, oldest first.
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_house::Migration),
            Box::new(m20261121_000002_intake::Migration),
            Box::new(m20261121_000003_streamed::Migration),
            Box::new(m20261121_000004_change::Migration),
            Box::new(m20261121_000005_jobs::Migration),
            Box::new(m20261121_000006_tensors::Migration),
            Box::new(m20261121_000007_identity::Migration),
            Box::new(m20261121_000009_openings::Migration),
        ]
    }
}
