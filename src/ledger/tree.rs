//! The Merkle tree of RFC 6962: one root over every entry of a shard, kept up by at most 64 hashes.
//!
//! Pure: never reads an entry from anywhere and never signs.

use aws_lc_rs::digest::{Context, SHA256};

/// A sha256, of a leaf or of two nodes.
pub(super) type Hash = [u8; 32];

/// The hash of an entry's bytes.
pub(super) fn leaf_hash(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

/// The right edge of the tree: the roots of its full subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Reads what `to_bytes` wrote; `None` when the number of hashes does not belong to that size.
    pub(super) fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (roots, rest) = bytes.as_chunks::<32>();
        (rest.is_empty() && roots.len() == size.count_ones() as usize).then(|| Self { size, roots: roots.to_vec() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf: every full subtree that it completes is folded into one.
    pub(super) fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root of the whole tree.
    pub(super) fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return hash(&[]) };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1 as it is written there.
    fn root_by_the_book(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => hash(&[]),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&root_by_the_book(left), &root_by_the_book(right))
            }
        }
    }

    #[test]
    fn the_frontier_gives_the_root_of_the_book_at_every_size() {
        let leaves: Vec<Hash> = (0..300_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root(), root_by_the_book(&[]));
        for (n, leaf) in leaves.iter().enumerate() {
            frontier.append(*leaf);
            assert_eq!(frontier.root(), root_by_the_book(&leaves[..=n]), "size {}", n + 1);
            assert_eq!(Frontier::from_bytes(frontier.size(), &frontier.to_bytes()).as_ref(), Some(&frontier));
        }
        assert_eq!(Frontier::from_bytes(299, &frontier.to_bytes()), None);
    }

    #[test]
    fn the_empty_tree_and_one_leaf_are_those_of_the_rfc() {
        let hex = |hash: Hash| crate::domain::digest::Sha256(hash).to_string();
        assert_eq!(hex(Frontier::default().root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }
}
