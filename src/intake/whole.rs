//! Files that can only be judged whole: asked for as a job of their own, so that nobody's inspection waits for the network.
//!
//! Not asked for where the file is over the limit or the disk has no room for it. Never fetches: that is `fetch`.

use std::time::Duration;

use super::{fetch::Wanted, seen::Seen, worker::Outcome};
use crate::{
    app::App,
    clock,
    domain::{refusal::Fault, time::Micros},
    jobs::{self, State, Work},
};

/// How it stands with all of a file's bytes.
pub enum Whole {
    /// Nobody has asked for them, or long ago.
    NotAsked,
    /// They are on the way; look again after a while.
    UnderWay(Duration),
    /// They cannot be had.
    Not(Outcome),
}

fn work(wanted: &Wanted) -> Work {
    Work::fetch(&wanted.repo, &wanted.revision_id, &wanted.commit, &wanted.path, wanted.size, &wanted.id)
}

/// Whether all of the file was asked for before, and what became of that.
pub async fn look(app: &App, wanted: &Wanted) -> Result<Whole, Fault> {
    Ok(match jobs::look_for(app, &work(wanted)).await? {
        Some(State::UnderWay { done, total, since }) => Whole::UnderWay(soon(done, total, since)),
        Some(State::Failed { at, why }) if why.starts_with(jobs::MISMATCH) || clock::now().0 - at.0 < REST => {
            Whole::Not(Outcome::Failed(why))
        }
        Some(State::Failed { .. } | State::Done) | None => Whole::NotAsked,
    })
}

/// Asks for all of the file, if there is room for it.
pub async fn ask(app: &App, wanted: &Wanted) -> Result<Whole, Fault> {
    let room = app.blobs.room().await?;
    if room < wanted.size.saturating_add(RESERVE) {
        let why = format!(
            "all of its {} bytes are needed, and the gateway's disk has {room} left, of which {RESERVE} stay free",
            wanted.size
        );
        return Ok(Whole::Not(Outcome::Later { why, after: Duration::from_secs(10) }));
    }
    jobs::ask(app, &work(wanted)).await?;
    Ok(Whole::UnderWay(LEAST))
}

/// What is said of a file that is larger than what is fetched whole.
pub fn too_large(app: &App, wanted: &Wanted) -> Result<Seen, Fault> {
    let why = format!(
        "it can only be judged whole, and its {} bytes are more than the {} that are fetched for that \
         (`intake.whole_file_limit`); an operator can raise the limit, or the file can be left out of the repository",
        wanted.size, app.whole_file_limit
    );
    Seen::of_nothing(wanted.path.as_str(), &why)
}

/// When it is worth looking again: after a quarter of the time that the rest takes at the speed so far.
fn soon(done: u64, total: u64, since: Micros) -> Duration {
    let spent = Duration::from_micros(u64::try_from(clock::now().0 - since.0).unwrap_or_default());
    let left = total.saturating_sub(done).checked_div(done).unwrap_or(1);
    (spent.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)) / 4).clamp(LEAST, MOST)
}

/// What stays free on the disk, for the database and its ledger.
const RESERVE: u64 = 1 << 30;
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(15);
/// How long a fetch that failed is not asked for again.
const REST: i64 = 60 * Micros::SECOND;
