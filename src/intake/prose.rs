//! Whether a revision differs from what is served here in prose only: the words of a card, below its head.
//!
//! Compares files by their bytes' names, and reads a card only when that is all that is left to look at. What cannot be
//! read is not known, and helps nothing. Never decides.

use std::collections::BTreeMap;

use super::{bytes::read_stored, judge::Matter, sql};
use crate::{
    app::App,
    blobs::Seal,
    domain::{refusal::Fault, role::Environment},
    gate::{act::DecideRevision, grant::Granted},
    store::tables::file,
};

/// `None`: nobody knows.
pub(super) async fn only_prose(
    app: &App,
    may: &Granted<DecideRevision>,
    matter: &Matter,
    environment: &Environment,
) -> Result<Option<bool>, Fault> {
    let db = may.reader();
    let pointers = sql::list_pointers(db, &matter.repository.id, environment).await?;
    let Some(served) = pointers.iter().find(|pointer| pointer.name == MAIN) else { return Ok(Some(false)) };
    if served.commit_id == matter.revision.commit_id {
        return Ok(Some(false));
    }
    let Some(before) = sql::find_revision(db, &matter.repository.id, &served.commit_id).await? else {
        return Ok(None);
    };
    let before = sql::list_all_files(db, &before.id).await?;
    let (before, now) = (by_path(&before), by_path(&matter.files));
    let mut cards = Vec::new();
    for path in before.keys().chain(now.keys()) {
        let (was, is) = (before.get(path), now.get(path));
        let same = was.zip(is).is_some_and(|(was, is)| was.git_id == is.git_id && was.size == is.size);
        if same {
            continue;
        }
        if !is_prose(path) {
            return Ok(Some(false));
        }
        if is_card(path) {
            cards.push((was, is));
        }
    }
    for (was, is) in cards {
        // A card that came or went took its head along.
        let (Some(was), Some(is)) = (was, is) else { return Ok(Some(false)) };
        let (Some(was), Some(is)) = (text(app, may, was).await?, text(app, may, is).await?) else { return Ok(None) };
        if head(&was) != head(&is) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

fn by_path(files: &[file::Model]) -> BTreeMap<&str, &file::Model> {
    files.iter().map(|row| (row.path.as_str(), row)).collect()
}

/// Words for people, and nothing that a loader or an assistant takes for more than that.
fn is_prose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    name.rsplit_once('.').is_some_and(|(_, end)| end == "md") && PROSE.iter().any(|stem| name.starts_with(stem))
}

fn is_card(path: &str) -> bool {
    path.eq_ignore_ascii_case("readme.md")
}

async fn text(app: &App, may: &Granted<DecideRevision>, row: &file::Model) -> Result<Option<String>, Fault> {
    if row.size > LARGEST {
        return Ok(None);
    }
    let Some(sha256) = row.sha256.as_deref().and_then(|sha| sha.parse().ok()) else { return Ok(None) };
    let seal = sql::find_seal(may.reader(), &sha256).await?.and_then(|seal| Seal::parse(&seal));
    let Some(seal) = seal else { return Ok(None) };
    let bytes = read_stored(app, sha256, &seal, &(0..seal.size())).await;
    Ok(bytes.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
}

/// What stands above the words of a card, which the hub and loaders read. A card that begins otherwise has none.
fn head(card: &str) -> Option<&str> {
    let rest = card.trim_start_matches('\u{feff}').strip_prefix("---")?;
    Some(rest.split_once("\n---").map_or(rest, |(head, _)| head))
}

/// The branch that everybody pulls.
const MAIN: &str = "refs/heads/main";
/// Not every Markdown file is prose: some are orders to assistants.
const PROSE: [&str; 8] =
    ["readme", "changelog", "changes", "contributing", "authors", "citation", "acknowledg", "model_card"];
const LARGEST: i64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_card_is_told_from_its_words() {
        assert_eq!(head("---\nlicense: mit\n---\n# Tiny\n"), Some("\nlicense: mit"));
        assert_eq!(head("# Tiny\n---\nlicense: mit\n---\n"), None);
        assert_eq!(head("---\nlicense: mit\n"), Some("\nlicense: mit\n"), "a head without an end is all there is");
        assert_ne!(head("---\na: 1\n---\nx"), head("---\na: 2\n---\nx"));
    }

    #[test]
    fn what_is_no_prose_by_its_name_is_none() {
        for prose in ["README.md", "docs/CHANGELOG.md", "AUTHORS.md"] {
            assert!(is_prose(prose), "{prose}");
        }
        for other in ["AGENTS.md", "CLAUDE.md", "LICENSE", "license.md", "config.json", ".gitattributes", "README.py"] {
            assert!(!is_prose(other), "{other}");
        }
    }
}
