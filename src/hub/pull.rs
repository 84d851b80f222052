//! Sending a granted file: from the store, or as soon as its bytes are verified there.
//!
//! A body that must wait is held a little and then told when to come back; what may leave before it is verified is in
//! `early`, and nothing else does. Never fetches itself: it asks for a job and watches the row.

use std::time::{Duration, Instant};

use super::{early, sql};
use crate::{
    app::App,
    blobs::Seal,
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        time::Micros,
    },
    endpoint::{
        come_back,
        file::{FileAnswer, SendTrouble},
        input::Asked,
    },
    gate::{
        act::{Act, PullFile},
        grant::Granted,
        object::Revision,
    },
    jobs::{self, State, Work, watch::Watch},
};

pub async fn send(app: &App, may: Granted<PullFile>, asked: &Asked) -> Result<FileAnswer, Refusal> {
    if let Some(answer) = FileAnswer::without_bytes(&may, asked) {
        return answer;
    }
    let until = Instant::now() + patience(app, asked);
    let mut may = may;
    let mut early = None;
    loop {
        let seal = stored(&may).await?;
        let verified = is_verified(&may).await?;
        let work = if let (Some(seal), true) = (&seal, verified) {
            app.storage.used(may.object().sha256);
            let whole = early::goes_on_with_unverified(app, &may, asked).await?.then(|| asked.of_the_whole());
            match FileAnswer::send(may, &app.blobs, seal, whole.as_ref().unwrap_or(asked)).await {
                Ok(answer) => return Ok(answer),
                Err(SendTrouble::Refused(refusal)) => return Err(refusal),
                Err(SendTrouble::Absent(back) | SendTrouble::Changed(back)) => {
                    may = *back;
                    let file = may.object();
                    Work::Recheck { sha256: file.sha256.to_string(), size: file.size }
                }
            }
        } else {
            if early.is_none() {
                early = Some(early::copies(app, &may, asked).await?);
            }
            if let Some(Some(copies)) = &early {
                match early::send(app, may, copies, asked).await? {
                    Ok(answer) => return Ok(answer),
                    Err(back) => may = *back,
                }
            }
            // Whoever fetches it for somebody who reads along has it verified too.
            if seal.is_some() && !early::is_filling(app, &may) {
                let at = &may.object().revision;
                Work::verify(&at.repo.hub_name, &at.id, &at.commit, &may.object().path)
            } else {
                early::fetch_of(&may)
            }
        };
        wait(app, &may, asked, &work, Until { until, early: matches!(early, Some(Some(_))) }).await?;
    }
}

/// What a request waits for besides the end of its work.
#[derive(Clone, Copy)]
struct Until {
    until: Instant,
    /// It can go on as soon as the fetch has begun.
    early: bool,
}

async fn wait(app: &App, may: &Granted<PullFile>, asked: &Asked, work: &Work, until: Until) -> Result<(), Refusal> {
    wait_for(app, may, work, until).await.map_err(|refusal| match refusal.code {
        Code::Fetching => Refusal { code: come_back(&asked.headers), ..refusal },
        _ => refusal,
    })
}

/// Whether the scanner has read these very bytes as this file of this revision.
async fn is_verified(may: &Granted<PullFile>) -> Result<bool, Fault> {
    let file = may.object();
    sql::is_verified(may, &file.revision.id, file.path.as_str()).await
}

/// A small file of the served commit, if its bytes are here: what model info tells of configuration and card.
pub async fn small_file<A: Act>(app: &App, may: &Granted<A>, at: &Revision, path: &str) -> Option<Vec<u8>> {
    let row = sql::find_file(may, at, path).await.ok()?.filter(|row| row.size <= 1 << 20)?;
    if !sql::is_verified(may, &at.id, path).await.ok()? {
        return None;
    }
    let sha256 = row.sha256?.parse().ok()?;
    let blob = sql::find_blob(may, &sha256).await.ok()??;
    let seal = Seal::parse(&blob.seal)?;
    let mut reader = app.blobs.read(sha256, &seal, 0, seal.size()).await.ok()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
    }
    Some(bytes)
}

async fn stored(may: &Granted<PullFile>) -> Result<Option<Seal>, Fault> {
    let row = sql::find_blob(may, &may.object().sha256).await?;
    Ok(row.and_then(|row| Seal::parse(&row.seal)))
}

/// Waits until the work has moved on, or says when to come back.
async fn wait_for(app: &App, may: &Granted<PullFile>, work: &Work, until: Until) -> Result<(), Refusal> {
    let Until { until, early } = until;
    let mut watch = Watch::new(app, &work.key());
    let mut asked = 0;
    loop {
        let seen = watch.look_for(work).await?;
        // A file that is there by now must not be asked for again: look at the store first.
        if matches!(work, Work::Fetch { .. }) {
            let fills = early::is_filling(app, may);
            if if fills { early } else { stored(may).await?.is_some() } {
                return Ok(());
            }
        }
        if matches!(work, Work::Verify { .. }) && is_verified(may).await? {
            return Ok(());
        }
        match seen {
            Some(State::UnderWay { done, total, since }) => {
                if Instant::now() >= until {
                    return Err(under_way(may, done, total, since));
                }
            }
            Some(State::Done) if asked > 0 => return Ok(()),
            Some(State::Failed { why, .. }) if why.starts_with(jobs::MISMATCH) => {
                let sentence = why.trim_start_matches(jobs::MISMATCH);
                return Err(Refusal::new(Code::BytesMismatch, format!("Refused: {sentence}."))
                    .hint("Nothing of it was kept. A reviewer has to look at this revision."));
            }
            Some(State::Failed { at, why }) if asked > 0 || clock::now().0 - at.0 < REST => {
                return Err(if why.starts_with(jobs::NO_ROOM) { no_room(may, &why) } else { not_fetched(may, &why) });
            }
            // Others who ask for the same bytes in the name of their own revisions take turns, but not for ever.
            _ if asked >= MOST_ASKED || (asked > 0 && Instant::now() >= until) => {
                return Err(not_fetched(may, "it was fetched for another revision, in vain"));
            }
            None | Some(State::Done | State::Failed { .. }) => {
                jobs::ask(app, work).await?;
                asked += 1;
            }
        }
        watch.moved(until).await?;
    }
}

fn under_way(may: &Granted<PullFile>, done: u64, total: u64, since: Micros) -> Refusal {
    let path = &may.object().path;
    let sentence = format!("{path} is being fetched and verified: {done} of {total} bytes so far.");
    Refusal::new(Code::Fetching, sentence)
        .hint("Try again; it goes on meanwhile.")
        .retry_after(seconds_left(done, total, since))
}

fn not_fetched(may: &Granted<PullFile>, why: &str) -> Refusal {
    let sentence = format!("{} could not be fetched: {}.", may.object().path, why.trim_end_matches('.'));
    Refusal::new(Code::UpstreamUnreachable, sentence).hint("It is tried again when asked for again.").retry_after(15)
}

fn no_room(may: &Granted<PullFile>, why: &str) -> Refusal {
    let why = why.trim_start_matches(jobs::NO_ROOM).trim_end_matches('.');
    Refusal::new(Code::StorageFull, format!("{} cannot be fetched: {why}.", may.object().path)).retry_after(15)
}

/// The old Rust client takes a "come back later" for the end; it is held for as long as it waits. Others retry.
fn patience(app: &App, asked: &Asked) -> Duration {
    if early::is_old_rust(asked) { Duration::from_hours(1) } else { app.face.hold }
}

/// Seconds until the rest is probably there, at the speed so far.
fn seconds_left(done: u64, total: u64, since: Micros) -> u32 {
    let spent = (clock::now().0 - since.0).max(1);
    let left = total.saturating_sub(done);
    let guess = u64::try_from(spent).unwrap_or(1).saturating_mul(left) / done.max(1) / 1_000_000;
    if done == 0 { 10 } else { u32::try_from(guess.clamp(1, 300)).unwrap_or(300) }
}

/// How often one request asks for its file.
const MOST_ASKED: u32 = 3;
/// How long a failed job rests before a new pull begins it again.
const REST: i64 = 15 * Micros::SECOND;
