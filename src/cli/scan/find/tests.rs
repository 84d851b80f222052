//! Which files are read, which links are followed, and what is said of the others.

#![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use super::{Found, all};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weighbridge-find-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        path
    }

    fn link(&self, name: &str, to: impl AsRef<Path>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    }

    fn found(&self, within: &str) -> Found {
        all(&[self.0.join(within)]).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names(found: &Found) -> Vec<(&str, bool)> {
    found.files.iter().map(|file| (file.name.as_str(), file.closed.is_some())).collect()
}

#[test]
fn a_link_is_followed_only_where_it_stays() {
    let folder = Folder::new("links");
    folder.write("elsewhere/secret.txt");
    folder.write("root/model/a.txt");
    folder.link("root/inside", "model/a.txt");
    folder.link("root/again", "model");
    folder.link("root/out", "../elsewhere");
    folder.link("root/far.txt", folder.0.join("elsewhere/secret.txt"));
    folder.link("root/nowhere", "gone");
    let found = folder.found("root");
    let seen = names(&found);
    assert!(seen.contains(&("inside", false)) && seen.contains(&("nowhere", false)), "{seen:?}");
    assert!(seen.contains(&("out", true)) && seen.contains(&("far.txt", true)), "{seen:?}");
    assert!(!seen.iter().any(|(name, _)| name.contains("secret")), "{seen:?}");
    // One of the two names of the folder; not both, and not neither.
    assert_eq!(seen.iter().filter(|(name, _)| name.ends_with("/a.txt")).count(), 1, "{seen:?}");
    // The same with the folder named by a link: what was named is meant.
    folder.link("root-link", "root");
    assert_eq!(names(&folder.found("root-link")), seen);
}

#[test]
fn a_link_back_is_no_way_round() {
    let folder = Folder::new("back");
    for name in ["a/1.txt", "a/b/2.txt", "c/3.txt"] {
        folder.write(name);
    }
    folder.link("a/b/up", "..");
    folder.link("c/top", "..");
    let found = folder.found("");
    let ends = ["1.txt", "2.txt", "3.txt"].map(|end| found.files.iter().filter(|f| f.name.ends_with(end)).count());
    assert_eq!((ends, found.files.len()), ([1; 3], 3), "{:?}", names(&found));
}

#[test]
fn a_snapshot_leads_to_the_blobs_of_its_own_model_only() {
    let folder = Folder::new("blobs");
    folder.write("hub/models--a/blobs/1");
    folder.write("hub/models--b/blobs/2");
    folder.link("hub/models--a/snapshots/c/own.txt", "../../blobs/1");
    folder.link("hub/models--a/snapshots/c/other.txt", "../../../models--b/blobs/2");
    let found = folder.found("hub/models--a/snapshots/c");
    assert_eq!(names(&found), [("other.txt", true), ("own.txt", false)]);
    let whole = folder.found("hub");
    assert!(whole.files.iter().all(|file| file.closed.is_none()), "within one cache nothing leads out");
}

#[test]
fn nothing_to_read_is_said() {
    let folder = Folder::new("nothing");
    fs::create_dir_all(folder.0.join("empty/within")).unwrap();
    folder.write("repository/.git/config");
    for name in ["empty", "repository"] {
        let found = folder.found(name);
        assert!(found.nothing && found.files.is_empty() && !found.notes.is_empty(), "{name}");
    }
    folder.write("full/a.txt");
    assert!(!folder.found("full").nothing);
}

#[test]
fn names_that_are_no_text_stay_apart() {
    let folder = Folder::new("names");
    for byte in [0xfe_u8, 0xff] {
        fs::write(folder.0.join(OsStr::from_bytes(&[b'a', byte])), "x").unwrap();
    }
    assert_eq!(names(&folder.found("")), [("a\\xfe", false), ("a\\xff", false)]);
}
