//! Sending a file while the rest of it is still fetched and verified, as far as that is safe.
//!
//! Only whole files whose verdict rests on ranges that were read already, of an approved revision, in an environment that
//! allows it, while the fetch runs in this process. Before the first byte leaves it is written down that it did; whoever
//! then asks for the rest of such a file gets all of it, once it is verified. Never fetches, and never sends the end of
//! a file that was not found right.

use std::sync::Arc;

use http::header;

use super::sql;
use crate::{
    app::App,
    blobs::{Copies, Filling, HELD_BACK, Kept},
    clock,
    domain::{
        range::{self, Part},
        refusal::Fault,
    },
    endpoint::{
        file::{FileAnswer, fetched},
        input::Asked,
    },
    gate::{act::PullFile, grant::Granted},
    jobs::Work,
    store::streamed,
    tasks,
};

/// The copies from which this request can be answered early. `None`: it waits until the file is verified.
pub async fn copies(app: &App, may: &Granted<PullFile>, asked: &Asked) -> Result<Option<Arc<Copies>>, Fault> {
    let file = may.object();
    let allowed = app.gate.environments().iter().any(|e| e.name == *may.environment() && e.stream_unverified);
    let whole = asked.header(header::RANGE).is_none() && !asked.head && !is_old_rust(asked);
    // A small file is verified before its client would see the difference.
    if !allowed || !whole || file.size < LEAST || file.id.lfs.is_none() {
        return Ok(None);
    }
    let Some(report) = sql::find_report(may, &file.revision.id, file.path.as_str()).await? else { return Ok(None) };
    let judged = (report.stage.as_str(), report.verdict.as_str(), report.coverage.as_str());
    if judged != ("inspected", "clean", "complete") || !FORMATS.contains(&report.format.as_str()) {
        return Ok(None);
    }
    let kept: Vec<Kept> = serde_json::from_str(&report.ranges).unwrap_or_default();
    app.blobs.copies(&kept).await
}

/// Begins to send, if the file is being fetched here and now. Otherwise the grant comes back.
pub async fn send(
    app: &App,
    may: Granted<PullFile>,
    copies: &Arc<Copies>,
    asked: &Asked,
) -> Result<Result<FileAnswer, Box<Granted<PullFile>>>, Fault> {
    let file = may.object();
    let etag = file.id.etag();
    let Some(filling) = app.blobs.filling(&fetch_of(&may).key(), &fetched(file)) else { return Ok(Err(Box::new(may))) };
    mark(app, &filling, etag).await?;
    Ok(FileAnswer::early(may, &app.blobs, (&filling, copies), asked))
}

/// Writes down that bytes will leave. Where the fetch ends before any did, whatever became of the request that wanted them,
/// that is taken back: a task of its own sees to it, one for each fetch.
pub(super) async fn mark(app: &App, filling: &Arc<Filling>, etag: String) -> Result<(), Fault> {
    let (chores, filling) = (app.chores.clone(), Arc::clone(filling));
    let marking = tasks::spawn(async move {
        let first = filling.mark(|| streamed::save(&chores, &etag, filling.id(), clock::now())).await?;
        if first {
            tasks::spawn(async move {
                if filling.was_read_by_nobody().await
                    && let Err(fault) = streamed::delete(&chores, &etag, filling.id()).await
                {
                    tracing::warn!(%fault, "a mark stays on a file of which nothing left early");
                }
            });
        }
        Ok(())
    });
    marking.await.map_err(|e| Fault::because("marking a file that is sent early", e))?
}

/// Whether the file is being fetched here in this revision's name, with nothing said of it yet.
pub fn is_filling(app: &App, may: &Granted<PullFile>) -> bool {
    app.blobs.filling(&fetch_of(may).key(), &fetched(may.object())).is_some()
}

/// Whether this asks for the rest of a file of which wrong bytes may be about. A client that goes on compares lengths and
/// nothing else, so it gets the whole file. The old Rust client never asks without a range and is never sent anything
/// early, so it has no such bytes; and it takes nothing but a part.
pub async fn goes_on_with_unverified(app: &App, may: &Granted<PullFile>, asked: &Asked) -> Result<bool, Fault> {
    let file = may.object();
    let part = range::parse(asked.header(header::RANGE), file.size);
    let later = matches!(part, Part::Slice { start, .. } if start > 0);
    Ok(later && !is_old_rust(asked) && streamed::stands(&app.chores, &file.id.etag()).await?)
}

pub fn is_old_rust(asked: &Asked) -> bool {
    asked.header(header::USER_AGENT).unwrap_or_default().contains("hf-hub/0.")
}

pub fn fetch_of(may: &Granted<PullFile>) -> Work {
    let file = may.object();
    let at = &file.revision;
    Work::fetch(&at.repo.hub_name, &at.id, &at.commit, &file.path, file.size, &file.id)
}

/// Formats whose verdict rests on a small part of the file, because no loader runs the rest. Tables are not among them:
/// their readers ask for pieces all the time and cannot do with the whole file instead, should a mark stay.
const FORMATS: [&str; 2] = ["safetensors", "gguf"];
/// What is held back should be a small part of a file.
const LEAST: u64 = 2 * HELD_BACK;
