//! Where pointers move when a commit is approved: forward along the hub's own history, never back.
//!
//! Pure: takes histories and pointers, gives moves.

use crate::store::tables::{history, pointer};

/// A pointer that an approval moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub name: String,
    pub kind: String,
    pub from: Option<String>,
    pub to: String,
}

/// The moves that approving `commit` causes, given each branch's history (newest first) and where our pointers are.
pub fn moves(commit: &str, histories: &[history::Model], pointers: &[pointer::Model]) -> Vec<Move> {
    let mut moves = Vec::new();
    for walk in histories {
        let position = |wanted: &str| walk.commits.split(' ').position(|c| c == wanted);
        let Some(new) = position(commit) else { continue };
        let now = pointers.iter().find(|p| p.name == walk.ref_name).map(|p| p.commit_id.clone());
        // A commit that the hub's history no longer has, or has further back than we look, says nothing about order:
        // then only the newest commit of all is surely ahead of it.
        let forward = match &now {
            None => true,
            Some(now) => position(now).map_or(new == 0, |old| new < old),
        };
        if forward {
            moves.push(Move {
                name: walk.ref_name.clone(),
                kind: walk.ref_kind.clone(),
                from: now,
                to: commit.to_owned(),
            });
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(name: &str, commits: &str) -> history::Model {
        history::Model {
            repository_id: "r".into(),
            ref_name: name.into(),
            ref_kind: "branch".into(),
            commits: commits.into(),
            seen_at: 0,
        }
    }

    fn at(name: &str, commit: &str) -> pointer::Model {
        pointer::Model {
            repository_id: "r".into(),
            environment: "research".into(),
            name: name.into(),
            kind: "branch".into(),
            commit_id: commit.into(),
            moved_at: 0,
        }
    }

    fn names(moves: &[Move]) -> Vec<&str> {
        moves.iter().map(|m| m.name.as_str()).collect()
    }

    #[test]
    fn pointers_move_forward_only() {
        let walks = [walk("main", "c3 c2 c1"), walk("dev", "d1 c1")];
        assert_eq!(names(&moves("c2", &walks, &[])), ["main"]);
        assert_eq!(names(&moves("c1", &walks, &[at("main", "c2")])), ["dev"]);
        assert_eq!(names(&moves("c3", &walks, &[at("main", "c2")])), ["main"]);
        assert_eq!(names(&moves("c2", &walks, &[at("main", "c2")])), Vec::<&str>::new());
        assert_eq!(names(&moves("elsewhere", &walks, &[])), Vec::<&str>::new());
    }

    #[test]
    fn a_rewritten_history_replaces_what_it_no_longer_has() {
        let walks = [walk("main", "n2 n1")];
        assert_eq!(names(&moves("n2", &walks, &[at("main", "old")])), ["main"]);
        assert_eq!(names(&moves("n1", &walks, &[at("main", "old")])), Vec::<&str>::new());
    }
}
