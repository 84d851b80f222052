//! The seal of a stored blob: its size, and the marks by which a later change shows without reading it.
//!
//! On a disk that is inode, change time and modification time; in a bucket the ETag and the version. A seal proves
//! nothing about the bytes by itself: whoever records one has hashed them. Never names a device: its number may differ
//! after a restart.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    size: u64,
    pub(super) mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Times are (seconds, nanoseconds).
    Disk {
        inode: u64,
        changed: (i64, i64),
        modified: (i64, i64),
    },
    Bucket {
        etag: String,
        version: Option<String>,
    },
}

impl Seal {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn of_file(meta: &Metadata) -> Self {
        let mark = Mark::Disk {
            inode: meta.ino(),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: (meta.mtime(), meta.mtime_nsec()),
        };
        Self { size: meta.size(), mark }
    }

    pub(super) fn of_object(size: u64, etag: String, version: Option<String>) -> Self {
        Self { size, mark: Mark::Bucket { etag, version } }
    }

    /// Whether the file still holds what it held, for a stream under way. The change time is left out: removing the
    /// name of a blob moves it, and streams that have begun may end.
    pub(super) fn holds_bytes_of(&self, meta: &Metadata) -> bool {
        let now = Self::of_file(meta);
        match (&self.mark, now.mark) {
            (Mark::Disk { inode, modified, .. }, Mark::Disk { inode: inode_now, modified: modified_now, .. }) => {
                self.size == now.size && *inode == inode_now && *modified == modified_now
            }
            _ => false,
        }
    }

    /// As the database keeps it.
    pub fn to_text(&self) -> String {
        let size = self.size;
        match &self.mark {
            Mark::Disk { inode, changed: (cs, cn), modified: (ms, mn) } => {
                format!("disk {size} {inode} {cs}.{cn:09} {ms}.{mn:09}")
            }
            // The ETag comes last, since nobody promises what is in it.
            Mark::Bucket { etag, version } => format!("s3 {size} {} {etag}", version.as_deref().unwrap_or("-")),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ')?;
        let (size, rest) = rest.split_once(' ')?;
        let size = size.parse().ok()?;
        let mark = match kind {
            "disk" => {
                let mut words = rest.split(' ');
                let inode = words.next()?.parse().ok()?;
                let (changed, modified) = (time(words.next()?)?, time(words.next()?)?);
                if words.next().is_some() {
                    return None;
                }
                Mark::Disk { inode, changed, modified }
            }
            "s3" => {
                let (version, etag) = rest.split_once(' ')?;
                let version = (version != "-").then(|| version.to_owned());
                Mark::Bucket { etag: (!etag.is_empty()).then(|| etag.to_owned())?, version }
            }
            _ => return None,
        };
        Some(Self { size, mark })
    }
}

fn time(text: &str) -> Option<(i64, i64)> {
    let (seconds, nanos) = text.split_once('.')?;
    Some((seconds.parse().ok()?, nanos.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_from_the_database_as_it_went() {
        let times = Mark::Disk { inode: 7, changed: (1_763_000_000, 5), modified: (-1, 999_999_999) };
        let object = |version: Option<&str>| Mark::Bucket {
            etag: "\"9b2c f-12\"".to_owned(),
            version: version.map(str::to_owned),
        };
        for mark in [times, object(None), object(Some("3/L4kqtJlcpXro"))] {
            let seal = Seal { size: 12, mark };
            assert_eq!(Seal::parse(&seal.to_text()).as_ref(), Some(&seal), "{}", seal.to_text());
        }
        for wrong in ["", "disk", "disk 1 2 3.4", "disk 1 2 3.4 5.6 7", "s3 1 - ", "s3 x - \"a\"", "tape 1 2 3"] {
            assert_eq!(Seal::parse(wrong), None, "{wrong}");
        }
    }
}
