//! Fetching one file: every byte once, hashed as it arrives, named only when it is what the hub had listed.
//!
//! Resumes where a broken connection or a killed process left off. Never serves a byte and never looks inside a file.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    sql,
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    blobs::{Expected, Spool, SpoolTrouble, Stored},
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
    jobs,
    upstream::Trouble,
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

pub async fn fetch(app: &App, wanted: &Wanted, lease: &mut Lease) -> Result<Outcome, Fault> {
    let expected = Expected { size: wanted.size, git: wanted.id.git, lfs: wanted.id.lfs };
    let mut spool = app.blobs.spool(&lease.key(), expected).await?;
    match fill(app, wanted, &mut spool, lease).await? {
        Filled::Whole => {}
        Filled::Lost => return Ok(Outcome::Lost),
        Filled::Trouble(trouble) => return Ok(Outcome::of(&trouble)),
        Filled::Mismatch(what) => {
            spool.restart().await?;
            return mismatch(app, wanted, &what).await;
        }
    }
    match spool.finish().await {
        Ok(stored) => keep(app, wanted, &stored).await,
        Err(SpoolTrouble::Mismatch { what }) => mismatch(app, wanted, &what).await,
        Err(SpoolTrouble::Fault(fault)) => Err(fault),
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
async fn fill(app: &App, wanted: &Wanted, spool: &mut Spool, lease: &mut Lease) -> Result<Filled, Fault> {
    let mut idle_tries = 0;
    while spool.len() < wanted.size {
        let before = spool.len();
        let trouble = match fill_once(app, wanted, spool, lease).await? {
            Filled::Trouble(trouble) => trouble,
            other => return Ok(other),
        };
        idle_tries = if spool.len() > before { 0 } else { idle_tries + 1 };
        if idle_tries >= 3 || !passing(&trouble) {
            return Ok(Filled::Trouble(trouble));
        }
        tracing::warn!(file = %wanted.path, at = spool.len(), %trouble, "a fetch broke off and goes on from there");
        tokio::time::sleep(Duration::from_millis(250 << idle_tries)).await;
        if !lease.renew(app, spool.len(), wanted.size).await? {
            return Ok(Filled::Lost);
        }
    }
    Ok(Filled::Whole)
}

async fn fill_once(app: &App, wanted: &Wanted, spool: &mut Spool, lease: &mut Lease) -> Result<Filled, Fault> {
    let from = spool.len();
    let mut download = match app.upstream.open(&wanted.repo, &wanted.commit, &wanted.path, from).await {
        Ok(download) => download,
        Err(trouble) => return Ok(Filled::Trouble(trouble)),
    };
    if download.size != wanted.size {
        return Ok(Filled::Mismatch(format!("the hub listed {} bytes and sends {}", wanted.size, download.size)));
    }
    if download.from != from {
        spool.restart().await?;
        if download.from != 0 {
            return Ok(Filled::Trouble(Trouble::Unexpected("the hub sent another part than was asked for".to_owned())));
        }
    }
    let mut told = Instant::now();
    while let Some(chunk) = download.next().await {
        match chunk {
            Ok(bytes) if spool.len() + bytes.len() as u64 > wanted.size => {
                return Ok(Filled::Mismatch(format!("the hub sends more than the {} bytes it listed", wanted.size)));
            }
            Ok(bytes) => spool.append(bytes).await?,
            Err(trouble) => return Ok(Filled::Trouble(trouble)),
        }
        if told.elapsed() >= Duration::from_secs(2) {
            told = Instant::now();
            if !lease.renew(app, spool.len(), wanted.size).await? {
                return Ok(Filled::Lost);
            }
        }
    }
    if spool.len() < wanted.size {
        return Ok(Filled::Trouble(Trouble::Unreachable("the hub ended a file too early".to_owned())));
    }
    Ok(Filled::Whole)
}

fn passing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unreachable(_) | Trouble::Busy { .. } | Trouble::Unexpected(_))
}

async fn keep(app: &App, wanted: &Wanted, stored: &Stored) -> Result<Outcome, Fault> {
    let cause = format!("{} of {}@{} was fetched", wanted.path, wanted.repo, wanted.commit);
    let may = app.gate.admit_work::<StoreBlob>(&cause, BlobObject(stored.sha256, stored.size));
    let may = may.map_err(|refusal| Fault::new(refusal.line()))?;
    let plain = wanted.id.lfs.is_none().then(|| wanted.id.git.to_string());
    let tx = may.begin().await?;
    sql::save_blob(&tx, &may, plain.as_deref(), &stored.seal.to_text(), clock::now()).await?;
    let detail = json!({
        "repo": wanted.repo.to_string(), "commit": wanted.commit.as_str(), "path": wanted.path.as_str(), "git": plain,
    });
    tx.commit(may, Change::new(detail)).await?;
    app.bells.tell_news();
    Ok(Outcome::Done)
}

/// The bytes are not what was listed: nothing gets a name, and whatever was approved on that listing stops.
async fn mismatch(app: &App, wanted: &Wanted, what: &str) -> Result<Outcome, Fault> {
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
    let environments = sql::suspend(&tx, &may, &wanted.revision_id, &reason, clock::now()).await?;
    if environments.is_empty() {
        drop(tx);
        let may = app.gate.admit_work::<ReportMismatch>(&reason, object).map_err(refused)?;
        let tx = may.begin().await?;
        tx.commit(may, Change::new(json!({"path": wanted.path.as_str(), "what": what}))).await?;
    } else {
        let change = Change::new(json!({"reason": reason, "environments": environments}));
        tx.commit(may, change.and(Kind::BlobMismatched, fact, json!({"what": what}))).await?;
    }
    app.bells.tell_news();
    Ok(Outcome::Failed(format!("{}{reason}", jobs::MISMATCH)))
}

/// A stored blob's file is not as it was left: read all of it, and keep it only if it still has its hash.
pub async fn recheck(app: &App, sha256: Sha256, size: u64) -> Result<Outcome, Fault> {
    let refused = |refusal: crate::domain::refusal::Refusal| Fault::new(refusal.line());
    if let Some(seal) = app.blobs.rehash(sha256).await? {
        let cause = "a stored blob's file had changed, and its bytes had not";
        let may = app.gate.admit_work::<StoreBlob>(cause, BlobObject(sha256, size)).map_err(refused)?;
        let tx = may.begin().await?;
        sql::save_blob(&tx, &may, None, &seal.to_text(), clock::now()).await?;
        tx.commit(may, Change::new(json!({"recheck": true}))).await?;
    } else {
        let cause = "a stored blob no longer has its hash";
        tracing::error!(%sha256, cause);
        let may = app.gate.admit_work::<CloseBlob>(cause, BlobObject(sha256, size)).map_err(refused)?;
        let tx = may.begin().await?;
        sql::close_blob(&tx, &may).await?;
        tx.commit(may, Change::new(json!({"reason": cause}))).await?;
        app.blobs.remove(sha256).await?;
    }
    app.bells.tell_news();
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
