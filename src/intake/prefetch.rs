//! Prefetching: a revision is taken in before anybody pulls it, and its files are fetched and verified when it may be
//! served.
//!
//! Asks for the same jobs as a pull does, in the background, and watches them; so nothing is done twice, and whoever waits
//! for one of them comes first. Never decides: what is refused is refused here too, with the same reason.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{
    inspect, prefetch_sql as own, sql,
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    clock,
    domain::{
        file::FilePath,
        glob,
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
        role::Environment,
        standing::Now,
    },
    gate::{
        act::ListRevision,
        grant::Granted,
        object::RevisionNamed,
        resolve::{full_names, now_of},
    },
    jobs::{self, State, Work, sql::Progress, watch::Watch},
    store::{
        Reader,
        tables::{file, revision},
    },
};

/// What is to be there for whoever pulls it.
#[derive(Clone, Debug)]
pub struct Wanted {
    repo: RepoName,
    rev: Rev,
    environment: Environment,
    include: Vec<String>,
    exclude: Vec<String>,
    by: String,
}

impl Wanted {
    /// Reads it back from a job's row.
    pub fn read(
        repo: &str,
        rev: &str,
        environment: &str,
        (include, exclude): (Vec<String>, Vec<String>),
        by: String,
    ) -> Option<Self> {
        let (repo, rev) = (RepoName::parse(repo)?, Rev::new(rev)?);
        Some(Self { repo, rev, environment: Environment::new(environment)?, include, exclude, by })
    }
}

pub async fn prefetch(app: &App, wanted: &Wanted, lease: &mut Lease) -> Result<Outcome, Fault> {
    match run(app, wanted, lease).await? {
        Ok(()) => Ok(Outcome::Done),
        Err(outcome) => Ok(outcome),
    }
}

async fn run(app: &App, wanted: &Wanted, lease: &mut Lease) -> Result<Result<(), Outcome>, Fault> {
    let cause = format!("{} prefetches {}@{}", wanted.by, wanted.repo, wanted.rev);
    let object = RevisionNamed { repo: wanted.repo.clone(), rev: wanted.rev.clone() };
    let may = app.gate.admit_work::<ListRevision>(&cause, object).map_err(|refusal| Fault::new(refusal.line()))?;
    let head = match taken_in(app, wanted, &may).await? {
        Ok(head) => head,
        Err(outcome) => return Ok(Err(outcome)),
    };
    if let Err(outcome) = decided(app, wanted, &may, &head).await? {
        return Ok(Err(outcome));
    }
    let at = match served(wanted, &may, head).await? {
        Ok(at) => at,
        Err(why) => return Ok(Err(Outcome::Failed(why))),
    };
    if let Some(path) = own::find_denied(may.reader(), &at.id).await? {
        let why = format!("{}@{} is refused: the bytes of {path} are denied", wanted.repo, at.commit_id);
        return Ok(Err(Outcome::Failed(why)));
    }
    files(app, wanted, &may, &at, lease).await
}

/// Has the revision listed, and answers its row.
async fn taken_in(
    app: &App,
    wanted: &Wanted,
    may: &Granted<ListRevision>,
) -> Result<Result<revision::Model, Outcome>, Fault> {
    // A commit is listed once and for all; a branch may have moved.
    if wanted.rev.as_commit().is_some()
        && let Some(row) = listed(may.reader(), wanted).await?
    {
        return Ok(Ok(row));
    }
    let work = Work::examine(&wanted.repo, &wanted.rev, &wanted.by);
    if let Err(outcome) = until_over(app, &work).await? {
        return Ok(Err(outcome));
    }
    let name = format!("{}@{}", wanted.repo, wanted.rev);
    let missing = || Outcome::Failed(format!("{name} is not a revision that the hub lists"));
    Ok(listed(may.reader(), wanted).await?.ok_or_else(missing))
}

/// The row of the commit that is named, or of the newest one under the name.
async fn listed(db: &Reader, wanted: &Wanted) -> Result<Option<revision::Model>, Fault> {
    let (kind, key) = (wanted.repo.kind().word(), wanted.repo.key());
    let Some(id) = sql::find_repository_id_of_name(db, kind, &key).await? else { return Ok(None) };
    if let Some(commit) = wanted.rev.as_commit() {
        return sql::find_revision(db, &id, commit.as_str()).await;
    }
    let histories = sql::list_histories(db, &id).await?;
    let names = full_names(&wanted.rev);
    let walk = names.iter().find_map(|name| histories.iter().find(|walk| walk.ref_name == *name));
    match walk.and_then(|walk| walk.commits.split(' ').next()) {
        Some(commit) => sql::find_revision(db, &id, commit).await,
        None => Ok(None),
    }
}

/// Asks for a job and waits until it is over. What had failed before is tried again, once.
async fn until_over(app: &App, work: &Work) -> Result<Result<(), Outcome>, Fault> {
    jobs::ask(app, work).await?;
    let mut watch = Watch::new(app, &work.key());
    loop {
        match watch.look_for(work).await? {
            Some(State::Done) => return Ok(Ok(())),
            Some(State::Failed { why, .. }) => return Ok(Err(Outcome::Failed(plain(&why)))),
            Some(State::UnderWay { .. }) => {}
            None => jobs::ask(app, work).await?,
        }
        watch.moved(Instant::now() + LOOK * 5).await?;
    }
}

/// Waits until the rules have said something of it here.
async fn decided(
    app: &App,
    wanted: &Wanted,
    may: &Granted<ListRevision>,
    head: &revision::Model,
) -> Result<Result<(), Outcome>, Fault> {
    let commit = commit_of(head)?;
    let works = [Work::digests(&wanted.repo, &head.id, &commit), Work::inspect(&wanted.repo, &head.id, &commit)];
    let mut asked = 0;
    loop {
        let row = sql::look_at_standing(may.reader(), &head.id, &wanted.environment).await?;
        if now_of(row.as_ref(), clock::now()) != Now::Undecided {
            return Ok(Ok(()));
        }
        let mut under_way = None;
        for work in &works {
            match jobs::look(app, &work.key()).await? {
                Some(State::UnderWay { .. }) => under_way = Some(work),
                Some(State::Failed { why, .. }) if asked > 0 => return Ok(Err(Outcome::Failed(plain(&why)))),
                _ => {}
            }
        }
        let work = match under_way {
            Some(work) => work,
            None if asked >= MOST_ASKED => {
                let why = format!("nothing was decided about {}@{commit}", wanted.repo);
                return Ok(Err(Outcome::Failed(why)));
            }
            None => {
                asked += 1;
                let left = sql::count_unknown_bytes(may.reader(), &head.id).await?;
                let unknown = sql::list_unknown(may.reader(), &head.id, "", 1).await?;
                let [digests, inspect] = &works;
                let work = if left > 0 || !unknown.is_empty() { digests } else { inspect };
                jobs::ask(app, work).await?;
                work
            }
        };
        let mut watch = Watch::new(app, &work.key());
        watch.look_for(work).await?;
        watch.moved(Instant::now() + LOOK).await?;
    }
}

/// What a pull of this name gets now: the newest commit, or the older one that the name still means.
async fn served(
    wanted: &Wanted,
    may: &Granted<ListRevision>,
    head: revision::Model,
) -> Result<Result<revision::Model, String>, Fault> {
    let db = may.reader();
    let row = sql::look_at_standing(db, &head.id, &wanted.environment).await?;
    let now = now_of(row.as_ref(), clock::now());
    if now == Now::Approved {
        return Ok(Ok(head));
    }
    let names = full_names(&wanted.rev);
    let pointers = sql::list_pointers(db, &head.repository_id, &wanted.environment).await?;
    let pointer = names.iter().find_map(|name| pointers.iter().find(|p| p.name == *name));
    if let (None, Some(pointer)) = (wanted.rev.as_commit(), pointer)
        && let Some(older) = sql::find_revision(db, &head.repository_id, &pointer.commit_id).await?
    {
        let standing = sql::look_at_standing(db, &older.id, &wanted.environment).await?;
        if now_of(standing.as_ref(), clock::now()) == Now::Approved {
            return Ok(Ok(older));
        }
    }
    let reason = row.map(|row| row.reason.trim_end_matches('.').to_owned()).unwrap_or_default();
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let how = match now {
        Now::Pending => "waits for a review",
        Now::Cooling => "has to wait",
        Now::Expired => "was approved, and that has ended",
        other => other.word(),
    };
    Ok(Err(format!("{}@{} is refused in {}: {how}{because}", wanted.repo, head.commit_id, wanted.environment)))
}

/// Fetches and verifies what is not here yet, a few files at a time.
async fn files(
    app: &App,
    wanted: &Wanted,
    may: &Granted<ListRevision>,
    at: &revision::Model,
    lease: &mut Lease,
) -> Result<Result<(), Outcome>, Fault> {
    let db = may.reader();
    let hub_name = own::find_hub_name(db, &at.repository_id).await?;
    let repo = hub_name.and_then(|path| RepoName::new(wanted.repo.kind(), &path)).unwrap_or(wanted.repo.clone());
    let left_out = own::list_left_out(db, &at.id, &wanted.environment).await?;
    let all = sql::list_all_files(db, &at.id).await?;
    let mut left: Vec<file::Model> = all
        .into_iter()
        .filter(|row| !left_out.contains(&row.path) && glob::wanted(&row.path, &wanted.include, &wanted.exclude))
        .collect();
    if left.is_empty() {
        let why = format!("{}@{} has no file that is wanted", wanted.repo, at.commit_id);
        return Ok(Err(Outcome::Failed(why)));
    }
    let mut far =
        Progress { of_bytes: left.iter().map(size_of).sum(), of_files: left.len() as u64, ..Progress::default() };
    let mut asked: HashMap<String, u32> = HashMap::new();
    loop {
        let ready = ready(app, db, at, &mut left, &mut far).await?;
        let mut arriving = 0;
        let mut first = None;
        for row in left.iter().take(AT_ONCE) {
            let work = next_step(app, &repo, at, row, ready.contains(&row.path)).await?;
            match jobs::look_for(app, &work).await? {
                Some(State::UnderWay { done, .. }) => arriving += done,
                Some(State::Failed { why, .. }) if asked.contains_key(&work.key()) => {
                    let why = format!("{} could not be fetched: {}", row.path, plain(&why));
                    return Ok(Err(Outcome::Failed(why)));
                }
                _ => {
                    let times = asked.entry(work.key()).or_default();
                    *times += 1;
                    if *times > MOST_ASKED {
                        let why = format!("{} was fetched again and again, in vain", row.path);
                        return Ok(Err(Outcome::Failed(why)));
                    }
                    jobs::ask(app, &work).await?;
                }
            }
            first.get_or_insert(work);
        }
        if !lease.tell(app, Progress { bytes: far.bytes + arriving, ..far }).await? {
            return Ok(Err(Outcome::Lost));
        }
        let Some(work) = first else { return Ok(Ok(())) };
        let mut watch = Watch::new(app, &work.key());
        watch.look_for(&work).await?;
        watch.moved(Instant::now() + LOOK).await?;
    }
}

/// Takes out of `left` what is here and verified; answers what is here and is not.
async fn ready(
    app: &App,
    db: &Reader,
    at: &revision::Model,
    left: &mut Vec<file::Model>,
    far: &mut Progress,
) -> Result<HashSet<String>, Fault> {
    let stored = own::list_stored(db, left).await?;
    let verified = own::list_verified(db, &at.id).await?;
    let mut unverified = HashSet::new();
    left.retain(|row| {
        let Some(sha256) = row.sha256.as_ref().filter(|sha256| stored.contains(*sha256)) else { return true };
        if !verified.contains(&row.path) {
            unverified.insert(row.path.clone());
            return true;
        }
        far.files += 1;
        far.bytes += size_of(row);
        // What was just asked for is not the first to go.
        if let Ok(sha256) = sha256.parse() {
            app.storage.used(sha256);
        }
        false
    });
    Ok(unverified)
}

async fn next_step(
    app: &App,
    repo: &RepoName,
    at: &revision::Model,
    row: &file::Model,
    is_here: bool,
) -> Result<Work, Fault> {
    let commit = commit_of(at)?;
    let path = FilePath::new(&row.path).ok_or_else(|| Fault::new("reading a file's path"))?;
    let fetch = Work::fetch(repo, &at.id, &commit, &path, size_of(row), &inspect::file_id(row)?);
    // A fetch that somebody reads along has the file verified itself, before it is over.
    if !is_here || matches!(jobs::look_for(app, &fetch).await?, Some(State::UnderWay { .. })) {
        return Ok(fetch);
    }
    Ok(Work::verify(repo, &at.id, &commit, &path))
}

fn commit_of(row: &revision::Model) -> Result<Commit, Fault> {
    row.commit_id.parse().map_err(|_| Fault::new("reading a commit"))
}

fn size_of(row: &file::Model) -> u64 {
    u64::try_from(row.size).unwrap_or_default()
}

/// A job's reason as a sentence has it.
fn plain(why: &str) -> String {
    let why = why.trim_start_matches(jobs::MISMATCH).trim_start_matches(jobs::NO_ROOM);
    why.trim_end_matches('.').to_owned()
}

const LOOK: Duration = Duration::from_secs(1);
/// Files of one prefetch under way at once.
const AT_ONCE: usize = 4;
/// How often one prefetch asks for one thing.
const MOST_ASKED: u32 = 3;
