//! Pulls with the stock hf-hub crate, as TEI, TGI and candle do: `weighbridge-hf-hub-client tokio|sync KIND ID REV FILE…`.
//!
//! KIND is `model`, `dataset` or `space`. Without a FILE it asks for the repository's info. Prints one line of JSON: the
//! files' paths in the cache, or the info. A failure is printed as a program that uses the crate prints it. Address,
//! cache and token come from where the crate itself looks for them: `HF_ENDPOINT`, `HF_HOME`, the token file in there.
//! Never touches a request: what goes over the wire is the crate's own.

use std::{
    error::Error,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use hf_hub::{Repo, RepoType, api};
use serde_json::{Map, Value, json};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match pull(words).await {
        Ok(told) => say(&mut io::stdout(), &format!("{told}\n"), ExitCode::SUCCESS),
        Err(failure) => say(&mut io::stderr(), &both(failure.as_ref()), ExitCode::FAILURE),
    }
}

async fn pull(words: Vec<String>) -> Result<Value, Failure> {
    let mut words = words.into_iter();
    let mut next = || words.next().ok_or("usage: weighbridge-hf-hub-client tokio|sync KIND ID REV FILE…");
    let (way, kind, id, rev) = (next()?, next()?, next()?, next()?);
    let files: Vec<String> = words.collect();
    let kind = match kind.as_str() {
        "dataset" => RepoType::Dataset,
        "space" => RepoType::Space,
        _ => RepoType::Model,
    };
    let repo = Repo::with_revision(id, kind, rev);
    if way == "tokio" {
        with_tokio(repo, files).await
    } else {
        tokio::task::spawn_blocking(|| plainly(repo, files)).await?
    }
}

async fn with_tokio(repo: Repo, files: Vec<String>) -> Result<Value, Failure> {
    let repo = api::tokio::ApiBuilder::from_env().with_progress(false).build()?.repo(repo);
    if files.is_empty() {
        return Ok(told(&repo.info().await?));
    }
    let mut paths = Map::new();
    for file in files {
        let path = repo.get(&file).await?;
        paths.insert(file, shown(&path));
    }
    Ok(paths.into())
}

fn plainly(repo: Repo, files: Vec<String>) -> Result<Value, Failure> {
    let repo = api::sync::ApiBuilder::from_env().with_progress(false).build()?.repo(repo);
    if files.is_empty() {
        return Ok(told(&repo.info()?));
    }
    let mut paths = Map::new();
    for file in files {
        let path = repo.get(&file)?;
        paths.insert(file, shown(&path));
    }
    Ok(paths.into())
}

fn told(info: &api::RepoInfo) -> Value {
    let files: Vec<&str> = info.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect();
    json!({ "sha": info.sha, "files": files })
}

fn shown(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// The error as programs end with it: first as anyhow prints it, then as a plain `main` does.
fn both(error: &dyn Error) -> String {
    format!("Error: {error}\nError: {error:?}\n")
}

fn say(to: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    if to.write_all(text.as_bytes()).is_ok() { code } else { ExitCode::FAILURE }
}
