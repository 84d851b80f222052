//! Where pointers move when a commit is approved: forward along the hub's own history, never back.
//!
//! Pure: takes histories and pointers, gives moves.

/// A branch or tag of the hub with its commits, newest first, parted by spaces.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub commits: &'a str,
}

/// Where one of our pointers is.
#[derive(Clone, Copy, Debug)]
pub struct Pointer<'a> {
    pub name: &'a str,
    pub commit: &'a str,
}

/// A pointer that an approval moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub name: String,
    pub kind: String,
    pub from: Option<String>,
    pub to: String,
}

/// The moves that approving `commit` causes, given each branch's history (newest first) and where our pointers are.
pub fn moves<'a>(commit: &str, histories: impl IntoIterator<Item = Walk<'a>>, pointers: &[Pointer<'_>]) -> Vec<Move> {
    let mut moves = Vec::new();
    for walk in histories {
        let position = |wanted: &str| walk.commits.split(' ').position(|c| c == wanted);
        let Some(new) = position(commit) else { continue };
        let now = pointers.iter().find(|p| p.name == walk.name).map(|p| p.commit.to_owned());
        // A commit that the hub's history no longer has, or has further back than we look, says nothing about order:
        // then only the newest commit of all is surely ahead of it.
        let forward = match &now {
            None => true,
            Some(now) => position(now).map_or(new == 0, |old| new < old),
        };
        if forward {
            moves.push(Move {
                name: walk.name.to_owned(),
                kind: walk.kind.to_owned(),
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

    fn walk(name: &'static str, commits: &'static str) -> Walk<'static> {
        Walk { name, kind: "branch", commits }
    }

    fn at(name: &'static str, commit: &'static str) -> Pointer<'static> {
        Pointer { name, commit }
    }

    fn names(moves: &[Move]) -> Vec<&str> {
        moves.iter().map(|m| m.name.as_str()).collect()
    }

    #[test]
    fn pointers_move_forward_only() {
        let walks = [walk("main", "c3 c2 c1"), walk("dev", "d1 c1")];
        assert_eq!(names(&moves("c2", walks, &[])), ["main"]);
        assert_eq!(names(&moves("c1", walks, &[at("main", "c2")])), ["dev"]);
        assert_eq!(names(&moves("c3", walks, &[at("main", "c2")])), ["main"]);
        assert_eq!(names(&moves("c2", walks, &[at("main", "c2")])), Vec::<&str>::new());
        assert_eq!(names(&moves("elsewhere", walks, &[])), Vec::<&str>::new());
    }

    #[test]
    fn a_rewritten_history_replaces_what_it_no_longer_has() {
        let walks = [walk("main", "n2 n1")];
        assert_eq!(names(&moves("n2", walks, &[at("main", "old")])), ["main"]);
        assert_eq!(names(&moves("n1", walks, &[at("main", "old")])), Vec::<&str>::new());
    }
}
