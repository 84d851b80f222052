//! Listing a revision: what the hub says it holds, written down once, with the branches it lies on.
//!
//! Never fetches a file's bytes (that is `fetch`); asks for the fetches that evidence needs.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::{
    change::follow::{self, AtHub},
    list_sql, sql,
    worker::Outcome,
};
use crate::{
    app::App,
    clock,
    domain::{
        digest::Sha256,
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
        time::Micros,
    },
    gate::{act::ListRevision, grant::Granted, object::RevisionNamed, resolve::full_names, tx::Change},
    jobs::{self, Work},
    store::tables::{file, history, repository, revision},
    upstream::{RefKind, RepoFacts, TreeFile, Trouble},
};

/// Lists `name@rev` and asks for the bytes of every file whose sha256 nobody knows yet.
pub async fn examine(app: &App, name: &RepoName, rev: &Rev, by: &str) -> Result<Outcome, Fault> {
    let asked_at = clock::now();
    let facts = match app.upstream.revision(name, rev).await {
        Ok(facts) => facts,
        Err(trouble) => {
            if let Some(stands) = AtHub::of(&trouble) {
                follow::note_name(app, name, stands).await?;
            }
            return Ok(not_there(app, name, &trouble).await);
        }
    };
    let mapped = app.gate.environments().iter().any(|one| app.gate.maps_namespace(&facts.name, &one.name));
    if facts.private && !mapped {
        follow::note_name(app, name, AtHub::Private).await?;
        return Ok(Outcome::Failed(format!(
            "{name} is private at the hub; private repositories are not taken until their namespace is mapped to a group"
        )));
    }
    let Some(commit) = facts.commit.clone() else {
        return Ok(Outcome::Failed(format!("the hub did not say which commit {name}@{rev} is")));
    };
    let cause = format!("{by} asked about {name}@{rev}");
    let may = grant(app, &cause, &facts.name, &commit)?;
    let repository_id = match repository_id(&may, name, &facts).await? {
        Ok(id) => id,
        Err(why) => {
            follow::note_name(app, name, AtHub::Taken).await?;
            return Ok(Outcome::Failed(why));
        }
    };
    let known = sql::find_revision(may.reader(), &repository_id, commit.as_str()).await?.is_some();
    // A commit does not change: what is listed is listed, and only the branches may have moved.
    let files = if known { Ok(Vec::new()) } else { app.upstream.tree(&facts.name, &commit).await };
    let files = match files {
        Ok(files) => files,
        Err(trouble) => return Ok(Outcome::of(&trouble)),
    };
    if let Some(why) = too_large(&files) {
        return Ok(Outcome::Failed(why));
    }
    let branches = match branches(app, &facts.name, rev, &commit).await {
        Ok(branches) => branches,
        Err(trouble) => return Ok(Outcome::of(&trouble)),
    };
    let owner = owner(app, &facts.name).await;
    let listing = compose(&may, name, (&facts, owner), &commit, repository_id, files, (branches, asked_at)).await?;
    let Some(ids) = save(app, &cause, &facts, &commit, listing).await? else {
        return Ok(Outcome::Failed(another_repository(name)));
    };
    follow::note_name(app, &facts.name, AtHub::of_facts(&facts)).await?;
    let unknown = !sql::list_unknown(may.reader(), &ids.revision, "", 1).await?.is_empty();
    let next = if unknown { Work::digests } else { Work::inspect };
    jobs::ask(app, &next(&facts.name, &ids.revision, &commit)).await?;
    Ok(Outcome::Done)
}

/// Who owns it, as far as the hub says: nothing waits for this, and what is not said is missing.
async fn owner(app: &App, name: &RepoName) -> Value {
    let Some(owner) = name.owner() else { return Value::Null };
    match app.upstream.owner(owner).await {
        Ok(Some(owner)) => json!({
            "organisation": owner.is_organisation, "id": owner.upstream_id, "verified": owner.verified,
            "models": owner.models, "created_at": owner.created_at.map(|at| at.0),
        }),
        Ok(None) => Value::Null,
        Err(trouble) => {
            tracing::info!(%name, %trouble, "the hub does not say who owns it");
            Value::Null
        }
    }
}

/// What a trouble with a revision means. A repository that nobody has put anything into has no `main`; the hub says so
/// in more than one way.
async fn not_there(app: &App, name: &RepoName, trouble: &Trouble) -> Outcome {
    if matches!(trouble, Trouble::Unexpected(_) | Trouble::RevisionNotFound)
        && app.upstream.repository(name).await.is_ok_and(|facts| facts.commit.is_none())
    {
        return Outcome::Failed(format!("{name} is empty: it has no commit yet"));
    }
    Outcome::of(trouble)
}

/// Why this tree is not taken, when a file of it is too large to be fetched before anybody has decided anything.
fn too_large(files: &[TreeFile]) -> Option<String> {
    let large = files.iter().find(|file| file.id.lfs.is_none() && file.size > LARGEST_PLAIN)?;
    Some(format!(
        "{} has {} bytes and is not in LFS; outside LFS no file is taken that has more than {LARGEST_PLAIN}",
        large.path, large.size
    ))
}

fn grant(app: &App, cause: &str, name: &RepoName, commit: &Commit) -> Result<Granted<ListRevision>, Fault> {
    let object = RevisionNamed { repo: name.clone(), rev: Rev::from(commit) };
    app.gate.admit_work::<ListRevision>(cause, object).map_err(|refusal| Fault::new(refusal.line()))
}

/// Writes a listing down, part by part, so that nobody else has to wait long for the database. Each part is in the
/// ledger with the digest of its files; the revision itself comes with the last one, and nobody sees any before. `None`
/// when one of its names means another repository by now.
async fn save(
    app: &App,
    cause: &str,
    facts: &RepoFacts,
    commit: &Commit,
    mut listing: list_sql::Listing,
) -> Result<Option<list_sql::Ids>, Fault> {
    let mut files = std::mem::take(&mut listing.files).into_iter();
    let parts = files.len().div_ceil(PART).max(1);
    let mut known: Option<list_sql::Ids> = None;
    for part in 1..=parts {
        let may = grant(app, cause, &facts.name, commit)?;
        let mut rows: Vec<_> = files.by_ref().take(PART).collect();
        let size: i64 = rows.iter().map(|f| f.size).sum();
        let mut detail = json!({
            "part": part, "parts": parts, "files": rows.len(), "size": size, "list": digest_of(&rows),
        });
        let tx = may.begin().await?;
        let ids = match known.take() {
            Some(ids) => ids,
            None => match list_sql::begin_listing(&tx, &may, &listing).await? {
                Some(ids) => ids,
                None => return Ok(None),
            },
        };
        if !ids.listed {
            for row in &mut rows {
                row.revision_id.clone_from(&ids.revision);
            }
            list_sql::save_files(&tx, &may, rows).await?;
        }
        let last = part == parts || ids.listed;
        if last {
            let histories = std::mem::take(&mut listing.histories);
            list_sql::end_listing(&tx, &may, &ids, listing.revision.clone(), histories).await?;
            detail = json!({
                "part": part, "parts": parts, "files": detail["files"], "size": size, "list": detail["list"],
                "listed_before": ids.listed, "upstream_id": facts.upstream_id, "private": facts.private,
                "gated": facts.gated,
            });
        }
        tx.commit(may, Change::new(detail)).await?;
        if last {
            return Ok(Some(ids));
        }
        known = Some(ids);
    }
    Err(Fault::new("writing a listing down: it has no last part"))
}

/// What a part of a listing said, in one hash: path, size, git id and LFS id of each file, a line each.
fn digest_of(rows: &[file::Model]) -> String {
    let mut hash = Context::new(&SHA256);
    for row in rows {
        let lfs = row.lfs.as_deref().unwrap_or("-");
        hash.update(format!("{} {} {} {}\n", row.size, row.git_id, lfs, row.path).as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Sha256(bytes).to_string()
}

/// The repository this is: known under its hub id, or new. A name that now belongs to another one is refused: whoever
/// deletes and registers a name again must not inherit what was approved under it.
async fn repository_id(
    may: &Granted<ListRevision>,
    asked: &RepoName,
    facts: &RepoFacts,
) -> Result<Result<String, String>, Fault> {
    let upstream_id = upstream_id(facts);
    let kind = facts.name.kind().word();
    let known = sql::find_repository_by_upstream(may.reader(), kind, &upstream_id).await?;
    for name in [asked, &facts.name] {
        let named = sql::find_repository_id_of_name(may.reader(), kind, &name.key()).await?;
        if named.is_some() && named != known {
            return Ok(Err(another_repository(name)));
        }
    }
    Ok(Ok(known.unwrap_or_else(clock::new_id)))
}

fn another_repository(name: &RepoName) -> String {
    format!(
        "W-003: the name {name} now belongs to another repository at the hub than the one known here; nothing of it is taken"
    )
}

/// The hub's own id of a repository. A hub that gives none is taken at its word about names.
pub(super) fn upstream_id(facts: &RepoFacts) -> String {
    facts.upstream_id.clone().unwrap_or_else(|| format!("name:{}", facts.name.key()))
}

/// A branch, tag or pull request, with its commits, newest first, as far back as we look.
struct Branch {
    kind: RefKind,
    name: String,
    commits: Vec<Commit>,
    title: Option<(String, Option<i64>)>,
}

async fn branches(app: &App, name: &RepoName, rev: &Rev, commit: &Commit) -> Result<Vec<Branch>, Trouble> {
    let mut refs = app.upstream.refs(name).await?;
    // The branch everybody pulls is walked whatever else there is.
    refs.sort_by_key(|one| one.name.as_str() != "main");
    let mut branches = Vec::new();
    for one in refs.into_iter().take(MOST_REFS) {
        let walk = one.kind == RefKind::Branch && branches.len() < MOST_WALKED;
        let (mut commits, mut title) = (vec![one.commit.clone()], None);
        if walk {
            let history = app.upstream.commits(name, &one.name, MOST_COMMITS).await?;
            title = history.iter().find(|c| c.commit == *commit).map(|c| (c.title.clone(), c.at.map(|at| at.0)));
            commits = history.into_iter().map(|c| c.commit).collect();
        }
        branches.push(Branch { kind: one.kind, name: one.reference.to_string(), commits, title });
    }
    // A ref that is not listed, such as a pull request, is still a pointer for whoever names it.
    let listed = |name: &String| branches.iter().any(|b| b.name == *name);
    if rev.as_str().starts_with("refs/") && !full_names(rev).iter().any(listed) {
        let branch = Branch { kind: RefKind::Pull, name: rev.to_string(), commits: vec![commit.clone()], title: None };
        branches.push(branch);
    }
    Ok(branches)
}

async fn compose(
    may: &Granted<ListRevision>,
    asked: &RepoName,
    (facts, owner): (&RepoFacts, Value),
    commit: &Commit,
    repository_id: String,
    files: Vec<TreeFile>,
    (branches, asked_at): (Vec<Branch>, Micros),
) -> Result<list_sql::Listing, Fault> {
    let at = clock::now().0;
    let revision_id = clock::new_id();
    let title = branches.iter().find_map(|b| b.title.clone());
    let (title, committed_at) = title.unwrap_or_else(|| (String::new(), facts.last_modified.map(|at| at.0)));
    let histories = branches.iter().map(|b| history::Model {
        repository_id: repository_id.clone(),
        ref_name: b.name.clone(),
        ref_kind: b.kind.word().to_owned(),
        commits: b.commits.iter().map(Commit::as_str).collect::<Vec<_>>().join(" "),
        seen_at: asked_at.0,
    });
    let histories = histories.collect();
    let mut names = vec![asked.key(), facts.name.key()];
    names.dedup();
    let what = json!({
        "private": facts.private, "gated": facts.gated, "disabled": facts.disabled, "author": facts.author,
        "created_at": facts.created_at.map(|at| at.0), "last_modified": facts.last_modified.map(|at| at.0),
        "hub": facts.facts, "owner": owner,
    });
    Ok(list_sql::Listing {
        repository: repository::Model {
            id: repository_id.clone(),
            kind: facts.name.kind().word().to_owned(),
            upstream_id: upstream_id(facts),
            name: facts.name.path().to_owned(),
            hub_name: facts.name.path().to_owned(),
            facts: what.to_string(),
            first_seen_at: at,
            seen_at: at,
        },
        names,
        files: rows_of(may, &revision_id, files).await?,
        revision: revision::Model {
            id: revision_id,
            repository_id,
            commit_id: commit.to_string(),
            title,
            committed_at,
            facts: what.to_string(),
            tree_digest: None,
            listed_at: at,
        },
        histories,
    })
}

/// The files as rows, by path, with the sha256 of those that are LFS or that we have seen under the same git id before.
async fn rows_of(
    may: &Granted<ListRevision>,
    revision_id: &str,
    files: Vec<TreeFile>,
) -> Result<Vec<file::Model>, Fault> {
    let plain: BTreeSet<String> =
        files.iter().filter(|one| one.id.lfs.is_none()).map(|one| one.id.git.to_string()).collect();
    let known = list_sql::find_digests(may.reader(), &plain.into_iter().collect::<Vec<_>>()).await?;
    let mut rows = Vec::with_capacity(files.len());
    for one in files {
        let size = i64::try_from(one.size).map_err(|e| Fault::because("reading a file's size", e))?;
        let (git_id, lfs) = (one.id.git.to_string(), one.id.lfs.map(|sha| sha.to_string()));
        let sha256 = lfs.clone().or_else(|| known.get(&(git_id.clone(), size)).cloned());
        let (revision_id, path) = (revision_id.to_owned(), one.path.to_string());
        rows.push(file::Model { revision_id, path, size, git_id, lfs, sha256 });
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(rows)
}

/// Files in one part of a listing: some tens of milliseconds of the database's time.
const PART: usize = 1000;
/// What belongs into git is small, and every byte of it is fetched for an examination.
const LARGEST_PLAIN: u64 = 2 << 30;
const MOST_REFS: usize = 500;
const MOST_WALKED: usize = 20;
const MOST_COMMITS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        digest::{FileId, GitId},
        file::FilePath,
    };

    #[test]
    fn a_large_file_outside_lfs_fails_an_examination_with_its_name() {
        let file = |size, lfs| {
            let path = FilePath::new("data/all.csv").unwrap_or_else(|| unreachable!("a good path"));
            TreeFile { path, size, id: FileId { git: GitId([7; 20]), lfs } }
        };
        assert_eq!(too_large(&[file(2 << 30, None), file(9 << 40, Some(Sha256([1; 32])))]), None);
        let why = too_large(&[file(1, None), file((2 << 30) + 1, None)]);
        assert!(why.is_some_and(|why| why.starts_with("data/all.csv has 2147483649 bytes and is not in LFS")));
    }
}
