//! Fetching one file: every byte once, hashed as it arrives, named only when it is what the hub had listed.
//!
//! Resumes where a broken connection or a killed process left off. Never serves a byte and never looks inside a file.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;

use super::{
    decide_sql,
    digests::Wish,
    evict, sql, verify,
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    blobs::{Expected, Fetched, Filling, Rehash, Spool, SpoolTrouble, Stored},
    clock,
    domain::{
        digest::{FileId, GitId, Sha256},
        event::{Kind, ObjectFact},
        file::FilePath,
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
    },
    gate::{
        act::{CloseBlob, ReportMismatch, StoreBlob, SuspendRevision},
        object::{BlobObject, Object, RevisionNamed},
        tx::Change,
    },
    jobs::{self, sql::Progress},
    store::streamed,
    upstream::{Download, Trouble},
};

/// What is fetched, as the job's row says it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub repo: RepoName,
    pub revision_id: String,
    pub commit: Commit,
    pub path: FilePath,
    pub size: u64,
    pub id: FileId,
}

impl Wanted {
    fn fetched(&self) -> Fetched {
        let (revision_id, path) = (self.revision_id.clone(), self.path.to_string());
        Fetched { revision_id, path, etag: self.id.etag(), size: self.size }
    }
}

pub async fn fetch(app: &App, wanted: &Wanted, lease: &mut Lease) -> Result<Outcome, Fault> {
    if is_stored(app, wanted).await? {
        return Ok(Outcome::Done);
    }
    let offer = app.blobs.offer(&lease.key(), wanted.fetched(), clock::new_id());
    if is_stored(app, wanted).await? {
        return Ok(Outcome::Done);
    }
    match bring(app, wanted, Some(lease)).await? {
        Brought::Stored(stored) => {
            keep(app, wanted, &stored).await?;
            match offer.watched() {
                Some(filling) => agree(app, wanted, &stored, &filling).await,
                None => Ok(Outcome::Done),
            }
        }
        Brought::Lost => Ok(Outcome::Lost),
        Brought::Trouble(trouble) => Ok(Outcome::of(&trouble)),
        Brought::Mismatch(what) => mismatch(app, wanted, &what).await,
    }
}

/// Whether it is here already: another try has brought it and only what follows was left undone, or whoever asks looked at
/// the store before it came and at its job after.
async fn is_stored(app: &App, wanted: &Wanted) -> Result<bool, Fault> {
    let Some(sha256) = wanted.id.lfs else { return Ok(false) };
    let cause = format!("{} of {}@{} is wanted", wanted.path, wanted.repo, wanted.commit);
    let may = app.gate.admit_work::<StoreBlob>(&cause, BlobObject(sha256, wanted.size));
    let may = may.map_err(|refusal| Fault::new(refusal.line()))?;
    let Some(seal) = sql::find_seal(may.reader(), &sha256).await? else { return Ok(false) };
    Ok(app.blobs.seal(sha256).await?.is_some_and(|there| there.to_text() == seal))
}

/// Somebody has read along, all but the end: have the stored bytes scanned at once, and let the end go when they are what
/// was judged. Whatever else comes of it cuts them.
async fn agree(app: &App, wanted: &Wanted, stored: &Stored, filling: &Filling) -> Result<Outcome, Fault> {
    let (repo, revision_id, commit) = (wanted.repo.clone(), wanted.revision_id.clone(), wanted.commit.clone());
    let wish = Wish { repo, revision_id, commit };
    // All that left was right, whatever the scanner may say next, or not say.
    if verify::is_as_judged(app, &wish, wanted.path.as_str(), stored).await? {
        streamed::delete(&app.chores, &wanted.id.etag(), filling.id()).await?;
    }
    match verify::verify(app, &wish, wanted.path.as_str()).await {
        Ok(Outcome::Done) => {}
        Ok(Outcome::Failed(why)) => return Ok(Outcome::Failed(why)),
        // The bytes are here, so the fetch is done; whoever waits for them asks for the rest.
        Ok(_) => return Ok(Outcome::Done),
        Err(fault) => {
            tracing::error!(%fault, file = %wanted.path, "a file that was sent early could not be verified");
            return Ok(Outcome::Done);
        }
    }
    if verify::is_clean(app, &wish, wanted.path.as_str()).await? {
        filling.agree(stored.sha256, stored.seal.clone());
        // Somebody may have begun to read meanwhile.
        streamed::delete(&app.chores, &wanted.id.etag(), filling.id()).await?;
    }
    Ok(Outcome::Done)
}

/// How fetching one file ended.
pub enum Brought {
    /// Its bytes are right and have their name; no row says so yet.
    Stored(Stored),
    /// Another worker has the job now.
    Lost,
    Trouble(Trouble),
    /// Twice it was not what had been listed.
    Mismatch(String),
}

/// Fetches one file into the store. Wrong bytes are fetched a second time, all of them, before they are believed: a bit
/// that flips on the way must not stop a revision.
pub async fn bring(app: &App, wanted: &Wanted, mut lease: Option<&mut Lease>) -> Result<Brought, Fault> {
    let expected = Expected { size: wanted.size, git: wanted.id.git, lfs: wanted.id.lfs };
    let mut first = true;
    loop {
        let mut spool = app.blobs.spool(&format!("fetch {}", wanted.id.etag()), expected.clone()).await?;
        let what = match fill(app, wanted, &mut spool, lease.as_deref_mut()).await? {
            Filled::Whole => match spool.finish().await {
                // They may have lain there still, evicted, and be gone by now.
                Ok(stored) if !evict::take_up(app, &stored).await? => continue,
                Ok(stored) => return Ok(Brought::Stored(stored)),
                Err(SpoolTrouble::Mismatch { what }) => what,
                Err(SpoolTrouble::Fault(fault)) => return Err(fault),
            },
            Filled::Lost => return Ok(Brought::Lost),
            Filled::Trouble(trouble) => return Ok(Brought::Trouble(trouble)),
            Filled::Mismatch(what) => {
                spool.restart().await?;
                what
            }
        };
        if !first {
            return Ok(Brought::Mismatch(what));
        }
        first = false;
        tracing::warn!(file = %wanted.path, repo = %wanted.repo, what, "wrong bytes came, and are fetched once more");
    }
}

enum Filled {
    Whole,
    /// Another worker has the job now.
    Lost,
    Trouble(Trouble),
    Mismatch(String),
}

/// Fills the spool, going on where it stops as long as each try brings some bytes.
async fn fill(app: &App, wanted: &Wanted, spool: &mut Spool, mut lease: Option<&mut Lease>) -> Result<Filled, Fault> {
    let mut idle_tries = 0;
    while spool.len() < wanted.size {
        let before = spool.len();
        let trouble = match fill_once(app, wanted, spool, lease.as_deref_mut()).await? {
            Filled::Trouble(trouble) => trouble,
            other => return Ok(other),
        };
        idle_tries = if spool.len() > before { 0 } else { idle_tries + 1 };
        if idle_tries >= 3 || !passing(&trouble) {
            return Ok(Filled::Trouble(trouble));
        }
        tracing::warn!(file = %wanted.path, at = spool.len(), %trouble, "a fetch broke off and goes on from there");
        tokio::time::sleep(Duration::from_millis(250 << idle_tries)).await;
        if !still_ours(app, lease.as_deref_mut(), spool.len(), wanted).await? {
            return Ok(Filled::Lost);
        }
    }
    Ok(Filled::Whole)
}

async fn fill_once(
    app: &App,
    wanted: &Wanted,
    spool: &mut Spool,
    mut lease: Option<&mut Lease>,
) -> Result<Filled, Fault> {
    let from = spool.len();
    let mut download = match app.upstream.open(&wanted.repo, &wanted.commit, &wanted.path, from).await {
        Ok(download) => download,
        Err(trouble) => return Ok(Filled::Trouble(trouble)),
    };
    if download.size != wanted.size {
        // A proxy's page of excuses looks like this too: it is no proof that the hub's file is another one.
        let what = format!("The hub had listed {} bytes of this file and announces {}.", wanted.size, download.size);
        return Ok(Filled::Trouble(Trouble::Unexpected(what)));
    }
    if download.from != from {
        spool.restart().await?;
        if download.from != 0 {
            return Ok(Filled::Trouble(Trouble::Unexpected("the hub sent another part than was asked for".to_owned())));
        }
    }
    if let (true, Some(lease)) = (spool.let_read(), &lease) {
        app.bells.ring_end(&lease.key());
    }
    let mut told = Instant::now();
    loop {
        let chunk = {
            let so_far = spool.len();
            let mut piece = pin!(next(&mut download, spool));
            loop {
                tokio::select! {
                    biased;
                    piece = &mut piece => break piece?,
                    // Nothing comes: also then people see how far it is.
                    () = tokio::time::sleep(TELL) => {
                        if !still_ours(app, lease.as_deref_mut(), so_far, wanted).await? {
                            return Ok(Filled::Lost);
                        }
                    }
                }
            }
        };
        match chunk {
            None => break,
            Some(Ok(bytes)) if spool.len() + bytes.len() as u64 > wanted.size => {
                return Ok(Filled::Mismatch(format!("the hub sends more than the {} bytes it listed", wanted.size)));
            }
            Some(Ok(bytes)) => spool.append(bytes).await?,
            // The announced length was right, and more came.
            Some(Err(Trouble::Unexpected(what))) => return Ok(Filled::Mismatch(what)),
            Some(Err(trouble)) => return Ok(Filled::Trouble(trouble)),
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            if !still_ours(app, lease.as_deref_mut(), spool.len(), wanted).await? {
                return Ok(Filled::Lost);
            }
        }
    }
    if spool.len() < wanted.size {
        return Ok(Filled::Trouble(Trouble::Unreachable("the hub ended a file too early".to_owned())));
    }
    Ok(Filled::Whole)
}

/// The next piece. What came before does not wait in memory for a source that is slow: somebody may be reading along.
async fn next(download: &mut Download, spool: &mut Spool) -> Result<Option<Result<Bytes, Trouble>>, Fault> {
    let mut piece = pin!(download.next());
    if let Some(due) = spool.due() {
        tokio::select! {
            biased;
            piece = &mut piece => return Ok(piece),
            () = tokio::time::sleep(due) => spool.flush().await?,
        }
    }
    Ok(piece.await)
}

/// Says how far a job of its own is, if this is one. False when it has been given away.
async fn still_ours(app: &App, lease: Option<&mut Lease>, done: u64, wanted: &Wanted) -> Result<bool, Fault> {
    match lease {
        Some(lease) => lease.tell(app, Progress { bytes: done, of_bytes: wanted.size, files: 0, of_files: 1 }).await,
        None => Ok(true),
    }
}

fn passing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unreachable(_) | Trouble::Busy { .. } | Trouble::Unexpected(_))
}

pub(super) async fn keep(app: &App, wanted: &Wanted, stored: &Stored) -> Result<(), Fault> {
    let cause = format!("{} of {}@{} was fetched", wanted.path, wanted.repo, wanted.commit);
    let may = app.gate.admit_work::<StoreBlob>(&cause, BlobObject(stored.sha256, stored.size));
    let may = may.map_err(|refusal| Fault::new(refusal.line()))?;
    let plain = wanted.id.lfs.is_none().then(|| wanted.id.git.to_string());
    let tx = may.begin().await?;
    sql::save_blob(&tx, &may, plain.as_deref(), &stored.seal.to_text(), clock::now()).await?;
    let detail = json!({
        "repo": wanted.repo.to_string(), "commit": wanted.commit.as_str(), "path": wanted.path.as_str(), "git": plain,
    });
    tx.commit(may, Change::new(detail)).await
}

/// The bytes are not what was listed: nothing gets a name, and whatever was approved on that listing stops.
pub async fn mismatch(app: &App, wanted: &Wanted, what: &str) -> Result<Outcome, Fault> {
    let reason = format!("{} is not what the hub had listed: {what}", wanted.path);
    let object = RevisionNamed { repo: wanted.repo.clone(), rev: Rev::from(&wanted.commit) };
    let refused = |refusal: crate::domain::refusal::Refusal| Fault::new(refusal.line());
    let fact = ObjectFact {
        kind: "file",
        path: Some(wanted.path.to_string()),
        size: Some(wanted.size),
        etag: Some(wanted.id.etag()),
        commit: Some(wanted.commit.to_string()),
        ..Object::fact(&object)
    };
    let may = app.gate.admit_work::<SuspendRevision>(&reason, object.clone()).map_err(refused)?;
    let tx = may.begin().await?;
    let environments = decide_sql::suspend(&tx, &may, &wanted.revision_id, &reason, clock::now()).await?;
    if environments.is_empty() {
        drop(tx);
        let may = app.gate.admit_work::<ReportMismatch>(&reason, object).map_err(refused)?;
        let tx = may.begin().await?;
        tx.commit(may, Change::new(json!({"path": wanted.path.as_str(), "what": what}))).await?;
    } else {
        let change = Change::new(json!({"reason": reason, "environments": environments}));
        tx.commit(may, change.and(Kind::BlobMismatched, fact, json!({"what": what}))).await?;
    }
    Ok(Outcome::Failed(format!("{}{reason}", jobs::MISMATCH)))
}

/// A stored blob's file is not as it was left: read all of it. It is taken away only when it was read twice and had
/// another hash both times; while somebody touches it nothing is known, and the hub may no longer have it.
pub async fn recheck(app: &App, sha256: Sha256, size: u64) -> Result<Outcome, Fault> {
    let refused = |refusal: crate::domain::refusal::Refusal| Fault::new(refusal.line());
    let mut read = app.blobs.rehash(sha256).await?;
    if read == Rehash::Different {
        read = app.blobs.rehash(sha256).await?;
    }
    let cause = match read {
        Rehash::Intact(seal) => {
            let cause = "a stored blob's file had changed, and its bytes had not";
            let may = app.gate.admit_work::<StoreBlob>(cause, BlobObject(sha256, size)).map_err(refused)?;
            let tx = may.begin().await?;
            sql::save_blob(&tx, &may, None, &seal.to_text(), clock::now()).await?;
            tx.commit(may, Change::new(json!({"recheck": true}))).await?;
            return Ok(Outcome::Done);
        }
        Rehash::Unsure if app.blobs.seal(sha256).await?.is_some() => {
            let why = "the stored file was touched while it was read".to_owned();
            return Ok(Outcome::Later { why, after: Duration::from_secs(2) });
        }
        Rehash::Unsure => "a stored blob is not where it was",
        Rehash::Different => {
            // Before its row is closed: from then on somebody may fetch it anew.
            app.blobs.remove(sha256).await?;
            "a stored blob no longer has its hash"
        }
    };
    tracing::error!(%sha256, cause);
    let may = app.gate.admit_work::<CloseBlob>(cause, BlobObject(sha256, size)).map_err(refused)?;
    let tx = may.begin().await?;
    sql::close_blob(&tx, &may).await?;
    tx.commit(may, Change::new(json!({"reason": cause}))).await?;
    Ok(Outcome::Done)
}

/// Reads the wanted file back from a job's row.
pub fn wanted(
    repo: &str,
    revision_id: String,
    commit: &str,
    path: &str,
    size: u64,
    (git, lfs): (&str, Option<&str>),
) -> Option<Wanted> {
    Some(Wanted {
        repo: RepoName::parse(repo)?,
        revision_id,
        commit: commit.parse().ok()?,
        path: FilePath::new(path)?,
        size,
        id: FileId {
            git: git.parse::<GitId>().ok()?,
            lfs: match lfs {
                Some(sha) => Some(sha.parse::<Sha256>().ok()?),
                None => None,
            },
        },
    })
}

/// How often a fetch says how far it is.
const TELL: Duration = Duration::from_secs(1);
