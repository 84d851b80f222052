//! Listing a revision: what the hub says it holds, written down once, with the branches it lies on.
//!
//! Never fetches a file's bytes (that is `fetch`); asks for the fetches that evidence needs.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{sql, worker::Outcome};
use crate::{
    app::App,
    clock,
    domain::{
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
    },
    gate::{act::ListRevision, grant::Granted, object::RevisionNamed, resolve::full_names, tx::Change},
    jobs::{self, Work},
    store::tables::{file, history, repository, revision},
    upstream::{RefKind, RepoFacts, TreeFile, Trouble},
};

/// Lists `name@rev` and asks for the bytes of every file whose sha256 nobody knows yet.
pub async fn examine(app: &App, name: &RepoName, rev: &Rev, by: &str) -> Result<Outcome, Fault> {
    let facts = match app.upstream.revision(name, rev).await {
        Ok(facts) => facts,
        Err(trouble) => return Ok(Outcome::of(&trouble)),
    };
    let Some(commit) = facts.commit.clone() else {
        return Ok(Outcome::Failed(format!("the hub did not say which commit {name}@{rev} is")));
    };
    let may = app.gate.admit_work::<ListRevision>(
        &format!("{by} asked about {name}@{rev}"),
        RevisionNamed { repo: facts.name.clone(), rev: Rev::from(&commit) },
    );
    let may = may.map_err(|refusal| Fault::new(refusal.line()))?;
    let repository_id = match repository_id(&may, name, &facts).await? {
        Ok(id) => id,
        Err(why) => return Ok(Outcome::Failed(why)),
    };
    let files = match app.upstream.tree(&facts.name, &commit).await {
        Ok(files) => files,
        Err(trouble) => return Ok(Outcome::of(&trouble)),
    };
    let branches = match branches(app, &facts.name, rev, &commit).await {
        Ok(branches) => branches,
        Err(trouble) => return Ok(Outcome::of(&trouble)),
    };
    let listing = compose(&may, name, &facts, &commit, repository_id, files, branches).await?;
    let missing: Vec<file::Model> = listing.files.iter().filter(|f| f.sha256.is_none()).cloned().collect();
    let (revision_id, count) = (listing.revision.id.clone(), listing.files.len());
    let size: i64 = listing.files.iter().map(|f| f.size).sum();
    let tx = may.begin().await?;
    sql::save_listing(&tx, &may, listing).await?;
    let detail = json!({"files": count, "size": size, "upstream_id": facts.upstream_id, "private": facts.private, "gated": facts.gated});
    tx.commit(may, Change::new(detail)).await?;
    ask_for_digests(app, &facts.name, &commit, &revision_id, missing).await?;
    Ok(Outcome::Done)
}

async fn ask_for_digests(
    app: &App,
    name: &RepoName,
    commit: &Commit,
    revision_id: &str,
    missing: Vec<file::Model>,
) -> Result<(), Fault> {
    let mut asked = HashSet::new();
    for row in missing {
        if asked.insert(row.git_id.clone()) {
            let size = u64::try_from(row.size).unwrap_or_default();
            let work = Work::Fetch {
                repo: name.to_string(),
                revision_id: revision_id.to_owned(),
                commit: commit.to_string(),
                path: row.path,
                size,
                git: row.git_id,
                lfs: None,
            };
            jobs::ask(app, &work).await?;
        }
    }
    Ok(())
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
            return Ok(Err(format!(
                "the name {name} now belongs to another repository at the hub than the one known here; nothing of it is taken"
            )));
        }
    }
    Ok(Ok(known.unwrap_or_else(clock::new_id)))
}

/// The hub's own id of a repository. A hub that gives none is taken at its word about names.
fn upstream_id(facts: &RepoFacts) -> String {
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
    facts: &RepoFacts,
    commit: &Commit,
    repository_id: String,
    files: Vec<TreeFile>,
    branches: Vec<Branch>,
) -> Result<sql::Listing, Fault> {
    let at = clock::now().0;
    let known = sql::find_revision(may.reader(), &repository_id, commit.as_str()).await?;
    let revision_id = known.map_or_else(clock::new_id, |row| row.id);
    let title = branches.iter().find_map(|b| b.title.clone());
    let (title, committed_at) = title.unwrap_or_else(|| (String::new(), facts.last_modified.map(|at| at.0)));
    let histories = branches.iter().map(|b| history::Model {
        repository_id: repository_id.clone(),
        ref_name: b.name.clone(),
        ref_kind: b.kind.word().to_owned(),
        commits: b.commits.iter().map(Commit::as_str).collect::<Vec<_>>().join(" "),
        seen_at: at,
    });
    let histories = histories.collect();
    let mut names = vec![asked.key(), facts.name.key()];
    names.dedup();
    let what = json!({
        "private": facts.private, "gated": facts.gated, "disabled": facts.disabled, "author": facts.author,
        "created_at": facts.created_at.map(|at| at.0), "last_modified": facts.last_modified.map(|at| at.0),
        "hub": facts.facts,
    });
    Ok(sql::Listing {
        repository: repository::Model {
            id: repository_id.clone(),
            kind: facts.name.kind().word().to_owned(),
            upstream_id: upstream_id(facts),
            name: facts.name.path().to_owned(),
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

/// The files as rows, with the sha256 of those that are LFS or that we have seen under the same git id before.
async fn rows_of(
    may: &Granted<ListRevision>,
    revision_id: &str,
    files: Vec<TreeFile>,
) -> Result<Vec<file::Model>, Fault> {
    let mut seen: HashMap<String, Option<String>> = HashMap::new();
    let mut rows = Vec::with_capacity(files.len());
    for one in files {
        let git_id = one.id.git.to_string();
        let size = i64::try_from(one.size).map_err(|e| Fault::because("reading a file's size", e))?;
        let lfs = one.id.lfs.map(|sha| sha.to_string());
        let sha256 = match (&lfs, seen.get(&git_id)) {
            (Some(sha), _) => Some(sha.clone()),
            (None, Some(known)) => known.clone(),
            (None, None) => {
                let known = sql::find_digest_of_git_id(may.reader(), &git_id, size).await?;
                seen.insert(git_id.clone(), known.clone());
                known
            }
        };
        rows.push(file::Model {
            revision_id: revision_id.to_owned(),
            path: one.path.to_string(),
            size,
            git_id,
            lfs,
            sha256,
        });
    }
    Ok(rows)
}

const MOST_REFS: usize = 500;
const MOST_WALKED: usize = 20;
const MOST_COMMITS: usize = 1000;
