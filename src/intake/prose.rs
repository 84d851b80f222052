//! Whether a revision differs from what is served here in prose only: the words of a card, below its head.
//!
//! Compares files by their bytes' names, and reads a card only when that is all that is left to look at. What cannot be
//! read is not known, and helps nothing. Never decides.

use std::collections::BTreeMap;

use super::{bytes::read_stored, decide_sql, judge::Matter, sql};
use crate::{
    app::App,
    blobs::Seal,
    domain::{refusal::Fault, role::Environment, standing::Now},
    gate::{act::DecideRevision, grant::Granted, resolve::now_of},
    store::tables::{file, standing},
};

/// The approved revision that this one differs from in prose only, if there is one that stands by itself: one that rests on
/// another such revision, or of which files were revoked, carries nobody.
pub(super) async fn base_of(
    app: &App,
    may: &Granted<DecideRevision>,
    matter: &Matter,
    environment: &Environment,
) -> Result<Option<standing::Model>, Fault> {
    let db = may.reader();
    let approved = decide_sql::list_standings(db, &matter.repository.id, environment, "approved").await?;
    let others = approved.into_iter().filter(|row| {
        row.revision_id != matter.revision.id
            && now_of(Some(row), matter.at) == Now::Approved
            && row.rules != PROSE_RULE
    });
    for row in others.take(MOST_BASES) {
        if decide_sql::has_revoked_files(db, &row.revision_id, environment).await? {
            continue;
        }
        if differs_in_prose(app, may, matter, &row.revision_id).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

async fn differs_in_prose(
    app: &App,
    may: &Granted<DecideRevision>,
    matter: &Matter,
    base: &str,
) -> Result<bool, Fault> {
    let before = sql::list_all_files(may.reader(), base).await?;
    let (before, now) = (by_path(&before), by_path(&matter.files));
    let mut cards = Vec::new();
    for path in before.keys().chain(now.keys()) {
        let (was, is) = (before.get(path), now.get(path));
        // By the sha256 alone: a git id of a large file is its pointer's, and only what the hub says.
        let same = was.zip(is).is_some_and(|(was, is)| was.sha256.is_some() && was.sha256 == is.sha256);
        if same {
            continue;
        }
        if !is_prose(path) {
            return Ok(false);
        }
        if is_card(path) {
            cards.push((was, is));
        }
    }
    for (was, is) in cards {
        // A card that came or went took its head along.
        let (Some(was), Some(is)) = (was, is) else { return Ok(false) };
        let (Some(was), Some(is)) = (text(app, may, was).await?, text(app, may, is).await?) else { return Ok(false) };
        if head(&was).is_none() || head(&was) != head(&is) {
            return Ok(false);
        }
    }
    Ok(true)
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

/// What stands above the words of a card, which the hub and loaders read: from a first line of three dashes to the next
/// such line, the lines as they are. `None` where others may see another end of it, or a head where we see none.
fn head(card: &str) -> Option<Vec<&str>> {
    let mut lines = card.lines();
    if lines.next()? != "---" {
        // Words from the first line on are no head for anybody; anything else may be one for somebody.
        let words = !card.starts_with(|c: char| c.is_whitespace() || c == '-' || c == '\u{feff}');
        return words.then(Vec::new);
    }
    let mut head = Vec::new();
    for line in lines {
        if line == "---" {
            return Some(head);
        }
        if line.starts_with("---") || line.starts_with("...") {
            return None;
        }
        head.push(line);
    }
    None
}

/// The rule that lets such a revision through.
pub(super) const PROSE_RULE: &str = "W-021";
const MOST_BASES: usize = 5;
/// Not every Markdown file is prose: some are orders to assistants.
const PROSE: [&str; 8] =
    ["readme", "changelog", "changes", "contributing", "authors", "citation", "acknowledg", "model_card"];
const LARGEST: i64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_card_is_told_from_its_words() {
        assert_eq!(head("---\nlicense: mit\n---\n# Tiny\n"), Some(vec!["license: mit"]));
        assert_eq!(head("# Tiny\n---\nlicense: mit\n---\n"), Some(Vec::new()));
        assert_ne!(head("---\na: 1\n---\nx"), head("---\na: 2\n---\nx"));
        // A head without an end, one that others end elsewhere, and one that only others see.
        for odd in [
            "---\nlicense: mit\n",
            "---\na: 1\n---b: 2\n---\n",
            "\n---\na: 1\n---\n",
            "\u{feff}---\na: 1\n---\n",
            " ---\n",
        ] {
            assert_eq!(head(odd), None, "{odd:?}");
        }
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
