//! Casbin for the admission plane, set up so that none of its defaults is left to open a door.
//!
//! The same effector and silence as the access plane's; `eval` runs only text that `compile` wrote. Never reads files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use casbin::{Adapter, CoreApi, Enforcer, MemoryAdapter};

use super::{Asked, rows::Row, view::View};
use crate::{
    domain::{facts::Group, refusal::Fault},
    gate::access::{
        engine::{CollectAll, Silent},
        model,
    },
};

pub(super) const MODEL: &str = include_str!("../../../policies/admission.conf");

pub(super) async fn build(rows: &[Row]) -> Result<Enforcer, Fault> {
    let broken = |cause| Fault::because("setting up the admission policy", cause);
    let mut adapter = MemoryAdapter::default();
    adapter.add_policies("p", "p", rows.iter().map(Row::fields).collect()).await.map_err(broken)?;
    let mut enforcer = Enforcer::new(model::definitions("admission", MODEL)?, adapter).await.map_err(broken)?;
    enforcer.set_logger(Box::new(Silent));
    enforcer.set_effector(Box::new(CollectAll));
    Ok(enforcer)
}

/// Casbin's answer and the keys of all rows that matched. A panic inside is an error like any other: nothing is written
/// while asking, so nothing can be left half done.
pub(super) fn ask(enforcer: &Enforcer, asked: Asked, view: &View) -> Result<(bool, Vec<String>), String> {
    let place = if view.production { "production" } else { "elsewhere" };
    let question = (
        asked.scope.word(),
        asked.mode.word(),
        place,
        view.shape(Group::Subject),
        view.shape(Group::Revision),
        view.shape(Group::File),
        view.shape(Group::Context),
    );
    let answer = catch_unwind(AssertUnwindSafe(|| enforcer.enforce_ex(question)));
    let (allow, rows) = answer.map_err(|_| "Casbin panicked".to_owned())?.map_err(|error| error.to_string())?;
    Ok((allow, rows.into_iter().filter_map(|row| row.into_iter().next()).collect()))
}
