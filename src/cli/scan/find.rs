//! Which files `scan` reads: those named, and everything in the folders named.
//!
//! Follows links to files, as the hub's cache is made of them, and to folders, each folder once. A blob of that cache is
//! read under the name that a snapshot gives it, and by itself only where no snapshot names it.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    os::unix::fs::MetadataExt as _,
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
    /// Whether it is a file: a pipe would be waited for, and a device read for ever.
    pub(super) plain: bool,
    pub(super) neighbours: Option<Arc<Neighbours>>,
}

/// What there is to read, and what somebody should know about it.
pub(super) struct Found {
    pub(super) files: Vec<Wanted>,
    pub(super) notes: Vec<String>,
}

/// Everything under `paths`, in the order of the paths and then of the names.
pub(super) fn all(paths: &[PathBuf]) -> Result<Found, String> {
    let mut found = Found { files: Vec::new(), notes: Vec::new() };
    for path in paths {
        let about = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if about.is_dir() { folder(path, &mut found) } else { found.files.push(single(path, about.is_file())) }
    }
    Ok(found)
}

fn single(path: &Path, plain: bool) -> Wanted {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let beside = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let neighbours = beside.map(|folder| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().take(NEIGHBOURS);
        let sized = files.filter_map(|entry| Some((entry.file_name(), fs::metadata(entry.path()).ok()?)));
        let plain = sized.filter(|(_, about)| about.is_file());
        Arc::new(plain.map(|(name, about)| (name.to_string_lossy().into_owned(), about.len())).collect())
    });
    Wanted { path: path.to_owned(), shown: path.to_string_lossy().into_owned(), name, plain, neighbours }
}

fn folder(root: &Path, found: &mut Found) {
    let mut walk = Walk { root, files: Vec::new(), entered: HashSet::new(), notes: &mut found.notes };
    walk.run();
    let mut files = walk.files;
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let named: BTreeSet<PathBuf> = files
        .iter()
        .filter(|(_, path, _)| path.is_symlink())
        .filter_map(|(_, path, _)| path.canonicalize().ok())
        .collect();
    let is_named_blob = |path: &Path| {
        let in_blobs = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "blobs");
        in_blobs && !path.is_symlink() && path.canonicalize().is_ok_and(|real| named.contains(&real))
    };
    files.retain(|(_, path, _)| !is_named_blob(path));
    let neighbours: Arc<Neighbours> = Arc::new(files.iter().map(|(name, _, size)| (name.clone(), *size)).collect());
    found.files.extend(files.into_iter().map(|(name, path, _)| Wanted {
        plain: fs::metadata(&path).is_ok_and(|about| about.is_file() || about.is_dir()),
        shown: path.to_string_lossy().into_owned(),
        path,
        name,
        neighbours: Some(neighbours.clone()),
    }));
}

struct Walk<'a> {
    root: &'a Path,
    /// Name within the root, path, size.
    files: Vec<(String, PathBuf, u64)>,
    /// Folders by device and number: a link back to one of them is not a way round for ever.
    entered: HashSet<(u64, u64)>,
    notes: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut folders = vec![self.root.to_owned()];
        while let Some(folder) = folders.pop() {
            match fs::metadata(&folder) {
                Ok(about) if !self.entered.insert((about.dev(), about.ino())) => continue,
                _ => {}
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
                    Ok(entry) => self.entry(entry.path(), &mut folders),
                    Err(error) => self.unreadable(&folder, &error),
                }
            }
        }
    }

    fn entry(&mut self, path: PathBuf, folders: &mut Vec<PathBuf>) {
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() && path.file_name().is_some_and(|name| name == ".git") => {
                self.notes.push(format!("{} is git's own and is not read.", path.display()));
            }
            Ok(about) if about.is_dir() => folders.push(path),
            Ok(about) if about.is_file() => self.add(path, about.len()),
            // Neither can be read, and the report says so.
            Ok(_) | Err(_) => self.add(path, 0),
        }
    }

    /// A folder that cannot be listed is reported like a file that cannot be opened.
    fn unreadable(&mut self, folder: &Path, error: &std::io::Error) {
        self.notes.push(format!("{}: {error}", folder.display()));
        self.add(folder.to_owned(), 0);
    }

    fn add(&mut self, path: PathBuf, size: u64) {
        let name = path.strip_prefix(self.root).unwrap_or(&path).to_string_lossy().into_owned();
        self.files.push((name, path, size));
    }
}

/// Of a single file's folder no more than this is looked at.
const NEIGHBOURS: usize = 20_000;
