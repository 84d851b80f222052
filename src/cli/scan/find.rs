//! Which files `scan` reads: those named, and everything in the folders named.
//!
//! Follows links that stay within the folder, each folder once, and those of the hub's cache to its own blobs. A link that
//! leads elsewhere is said and not followed: what lies there was not named by whoever asked. A blob is read under the name
//! that a snapshot gives it, and by itself only where no snapshot names it.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use weighbridge_scanners::Neighbours;

/// One file to read.
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    /// As it is shown: the path as it was given.
    pub(super) shown: String,
    /// Its name within the folder that was given.
    pub(super) name: String,
    /// Why it is not opened, where it is not.
    pub(super) closed: Option<String>,
    pub(super) neighbours: Option<Arc<Neighbours>>,
}

/// What there is to read, and what somebody should know about it.
pub(super) struct Found {
    pub(super) files: Vec<Wanted>,
    pub(super) notes: Vec<String>,
    /// Whether a folder was given that has nothing to read.
    pub(super) nothing: bool,
}

/// A pipe would be waited for, and a device read for ever.
const NO_FILE: &str = "it is a device, a pipe or a socket";

/// Everything under `paths`, in the order of the paths and then of the names.
pub(super) fn all(paths: &[PathBuf]) -> Result<Found, String> {
    let mut found = Found { files: Vec::new(), notes: Vec::new(), nothing: false };
    for path in paths {
        let about = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if about.is_dir() { folder(path, &mut found) } else { found.files.push(single(path, about.is_file())) }
    }
    Ok(found)
}

fn single(path: &Path, plain: bool) -> Wanted {
    let name = shown(Path::new(path.file_name().unwrap_or(path.as_os_str())));
    let beside = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let neighbours = beside.map(|folder| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().take(NEIGHBOURS);
        let sized = files.filter_map(|entry| Some((entry.file_name(), fs::metadata(entry.path()).ok()?)));
        let plain = sized.filter(|(_, about)| about.is_file());
        Arc::new(plain.map(|(name, about)| (shown(Path::new(&name)), about.len())).collect())
    });
    let closed = (!plain).then(|| NO_FILE.to_owned());
    Wanted { path: path.to_owned(), shown: shown(path), name, closed, neighbours }
}

/// The path as text. Bytes that are no text are written as `\xff`, so that two names never look the same.
fn shown(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn folder(root: &Path, found: &mut Found) {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut walk = Walk { root, real, files: Vec::new(), entered: Entered::default(), notes: &mut found.notes };
    walk.run();
    let mut files = walk.files;
    if files.is_empty() {
        found.nothing = true;
        found.notes.push(format!("There is nothing to read in {}, so that nothing is known of it.", root.display()));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let named: BTreeSet<PathBuf> = files
        .iter()
        .filter(|file| file.link && file.closed.is_none())
        .filter_map(|file| file.path.canonicalize().ok())
        .collect();
    let is_named_blob = |file: &Met| {
        let in_blobs = file.path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "blobs");
        in_blobs && !file.link && file.path.canonicalize().is_ok_and(|real| named.contains(&real))
    };
    if !named.is_empty() {
        files.retain(|file| !is_named_blob(file));
    }
    let neighbours: Arc<Neighbours> = Arc::new(files.iter().map(|file| (file.name.clone(), file.size)).collect());
    found.files.extend(files.into_iter().map(|file| Wanted {
        shown: shown(&file.path),
        path: file.path,
        name: file.name,
        closed: file.closed,
        neighbours: Some(neighbours.clone()),
    }));
}

/// What a walk came by.
struct Met {
    /// Its name within the root.
    name: String,
    path: PathBuf,
    size: u64,
    link: bool,
    /// Why it is not opened.
    closed: Option<String>,
}

/// What is known of an entry of a folder without asking for more than its folder said.
struct Entry {
    path: PathBuf,
    link: bool,
}

struct Walk<'a> {
    root: &'a Path,
    /// The root without links.
    real: PathBuf,
    files: Vec<Met>,
    entered: Entered,
    notes: &'a mut Vec<String>,
}

/// The folders that were entered: a link back to one of them is not a way round for ever. Where there are no links, nobody
/// has to ask the system which folder is which, and for thousands of small folders the asking is what takes the time.
#[derive(Default)]
struct Entered {
    /// By device and number.
    known: HashSet<(u64, u64)>,
    /// Those not asked about so far.
    unasked: Vec<PathBuf>,
    /// Whether a link to a folder was met.
    linked: bool,
}

impl Entered {
    /// Whether this folder was not entered before. What cannot be asked about cannot be listed either.
    fn is_new(&mut self, folder: &Path) -> bool {
        if !self.linked {
            self.unasked.push(folder.to_owned());
            return true;
        }
        for earlier in self.unasked.drain(..) {
            self.known.extend(fs::metadata(earlier).map(|about| (about.dev(), about.ino())));
        }
        fs::metadata(folder).map_or(true, |about| self.known.insert((about.dev(), about.ino())))
    }
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut folders = vec![self.root.to_owned()];
        while let Some(folder) = folders.pop() {
            if !self.entered.is_new(&folder) {
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.unreadable(&folder, &error);
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) => self.entry(&entry, &mut folders),
                    Err(error) => self.unreadable(&folder, &error),
                }
            }
        }
    }

    fn entry(&mut self, listed: &fs::DirEntry, folders: &mut Vec<PathBuf>) {
        let kind = listed.file_type();
        let entry = Entry { path: listed.path(), link: kind.as_ref().is_ok_and(fs::FileType::is_symlink) };
        if kind.is_ok_and(|kind| kind.is_dir()) {
            return self.folder(entry, folders);
        }
        if let Some(elsewhere) = self.elsewhere(&entry) {
            let why =
                format!("it is a link that leads out of the folder, to {}, and is not followed", shown(&elsewhere));
            return self.add(entry, 0, Some(why));
        }
        // Of what is no link the folder itself is asked, which is quicker than a path from the root.
        let about = if entry.link { fs::metadata(&entry.path) } else { listed.metadata() };
        match about {
            Ok(about) if about.is_dir() => self.folder(entry, folders),
            Ok(about) if about.is_file() => self.add(entry, about.len(), None),
            Ok(_) => self.add(entry, 0, Some(NO_FILE.to_owned())),
            // It cannot be opened either, and the report says why.
            Err(_) => self.add(entry, 0, None),
        }
    }

    fn folder(&mut self, entry: Entry, folders: &mut Vec<PathBuf>) {
        if entry.path.file_name().is_some_and(|name| name == ".git") {
            self.notes.push(format!("{} is git's own and is not read.", entry.path.display()));
            return;
        }
        self.entered.linked |= entry.link;
        folders.push(entry.path);
    }

    /// Where a link leads that must not be followed.
    fn elsewhere(&self, entry: &Entry) -> Option<PathBuf> {
        if !entry.link {
            return None;
        }
        // What leads nowhere cannot be opened, and the report says so.
        let target = entry.path.canonicalize().ok()?;
        let stays = target.starts_with(&self.real) || is_own_blob(&entry.path, &target);
        (!stays).then_some(target)
    }

    /// A folder that cannot be listed is reported like a file that cannot be opened.
    fn unreadable(&mut self, folder: &Path, error: &std::io::Error) {
        self.notes.push(format!("{}: {error}", folder.display()));
        self.add(Entry { path: folder.to_owned(), link: false }, 0, None);
    }

    fn add(&mut self, Entry { path, link }: Entry, size: u64, closed: Option<String>) {
        let name = shown(path.strip_prefix(self.root).unwrap_or(&path));
        self.files.push(Met { name, path, size, link, closed });
    }
}

/// Whether a file of a snapshot leads to a blob of the same model in the hub's cache: `snapshots/<commit>/<file>` and
/// `blobs/<digest>` lie in one folder.
fn is_own_blob(link: &Path, target: &Path) -> bool {
    let Some(blobs) = target.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "blobs")) else {
        return false;
    };
    let model = blobs.parent().unwrap_or(blobs);
    let beside = link.parent().and_then(|folder| folder.canonicalize().ok());
    target.is_file() && beside.is_some_and(|folder| folder.starts_with(model.join("snapshots")))
}

/// Of a single file's folder no more than this is looked at.
const NEIGHBOURS: usize = 20_000;

#[cfg(test)]
mod tests;
