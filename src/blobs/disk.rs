//! Blobs on a local disk: `<root>/ab/cd/<sha256>`, folders 0700, files 0400.
//!
//! Files are used directly, not through object_store: that has no read at an offset into a buffer of ours, gives no
//! inode or change time, and holds the descriptor for nobody. Everything here blocks, so callers are on blocking
//! threads. Never shows a half-written blob: a name appears by rename, after the bytes are on the disk.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    hash::{BuildHasher, Hasher as _, RandomState},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::domain::{digest::Sha256, refusal::Fault};

use super::{
    hash::Hasher,
    pool::LARGEST,
    seal::Seal,
    trouble::{ReadTrouble, io_fault},
};

#[derive(Clone)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Proves that blobs can be made: writes a file into the spool folder and renames it into the root. Where the two
    /// are on different disks a rename is no rename, and the spools move in with the blobs.
    pub(super) fn open(root: PathBuf, spools: PathBuf) -> Result<(Self, PathBuf), Fault> {
        make_private(&root)?;
        let crossing = probe(&spools, &root);
        let spools = if crossing.as_ref().is_err_and(|error| error.kind() == ErrorKind::CrossesDevices) {
            let near = root.join("spool");
            make_private(&near)?;
            probe(&near, &root).map(|()| near)
        } else {
            crossing.map(|()| spools)
        };
        let spools = spools.map_err(|e| io_fault(format!("writing a probe into {}", root.display()), e))?;
        Ok((Self { root }, spools))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn seal(&self, sha: Sha256) -> Result<Option<Seal>, Fault> {
        match fs::symlink_metadata(self.path(sha)) {
            Ok(meta) if meta.is_file() => Ok(Some(Seal::of_file(&meta))),
            Ok(_) => Err(Fault::new(format!("looking at blob {sha}: it is not a plain file"))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_fault(format!("looking at blob {sha}"), error)),
        }
    }

    /// Opens the blob, and only the one that was sealed: what is compared is the descriptor that will be read.
    pub(super) fn open_sealed(&self, sha: Sha256, seal: &Seal) -> Result<File, ReadTrouble> {
        let file = match File::open(self.path(sha)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(ReadTrouble::Absent),
            Err(error) => return Err(io_fault(format!("opening blob {sha}"), error).into()),
        };
        let meta = stat(&file, sha)?;
        if Seal::of_file(&meta) == *seal { Ok(file) } else { Err(ReadTrouble::Changed) }
    }

    /// Gives verified bytes their name. A blob that is there already stays when its bytes are right, so that its seal
    /// does not move under the streams that use it; when they are not, the verified ones take its place.
    pub(super) fn place(&self, file: &File, spool: &Path, sha: Sha256) -> Result<Seal, Fault> {
        if let Some(seal) = self.intact(sha)? {
            remove_if_there(spool).map_err(|e| io_fault("removing a spool that is not needed", e))?;
            return Ok(seal);
        }
        if let Err(error) = harden(file) {
            // After a failed fsync the kernel forgets what it could not write, and a second fsync may say yes to
            // bytes that are gone. Only fetching again helps.
            remove_if_there(spool).map_err(|e| io_fault("removing a spool that could not be written", e))?;
            return Err(io_fault(format!("writing blob {sha} to the disk"), error).passing());
        }
        let path = self.path(sha);
        let renamed = self.folders(sha).and_then(|()| fs::rename(spool, &path));
        if let Err(error) = renamed {
            // The spool is whole and may be tried again, so it must be writable again.
            let again = file.set_permissions(Permissions::from_mode(0o600));
            let fault = io_fault(format!("naming blob {sha}"), error);
            return again.map_err(|e| io_fault("giving a spool its rights back", e)).and(Err(fault));
        }
        if let Err(error) = self.sync_folders(sha) {
            remove_if_there(&path).map_err(|e| io_fault(format!("taking back the name of blob {sha}"), e))?;
            return Err(io_fault(format!("keeping the name of blob {sha}"), error).passing());
        }
        Ok(Seal::of_file(&stat(file, sha)?))
    }

    pub(super) fn remove(&self, sha: Sha256) -> Result<(), Fault> {
        remove_if_there(&self.path(sha)).map_err(|e| io_fault(format!("removing blob {sha}"), e))
    }

    /// The seal of the blob of this name, when its bytes are right.
    fn intact(&self, sha: Sha256) -> Result<Option<Seal>, Fault> {
        let Some(seal) = self.seal(sha)? else { return Ok(None) };
        let Ok(file) = self.open_sealed(sha, &seal) else { return Ok(None) };
        let mut hasher = Hasher::new(None);
        // Bytes that cannot be read are not right: the verified ones replace them.
        if hash_file(&file, &mut hasher).is_err() || hasher.finish().sha256 != sha {
            return Ok(None);
        }
        // Whoever named it may have died before its folders were on the disk.
        self.sync_folders(sha).map_err(|e| io_fault(format!("keeping the name of blob {sha}"), e))?;
        Ok(self.seal(sha)?.filter(|now| *now == seal))
    }

    fn folders(&self, sha: Sha256) -> io::Result<()> {
        let [_, outer, inner] = self.chain(sha);
        DirBuilder::new().mode(0o700).recursive(true).create(&outer)?;
        DirBuilder::new().mode(0o700).recursive(true).create(inner)
    }

    /// All three, always: another process may have made a folder and not yet synced the one above it. On folders that
    /// did not change this costs microseconds.
    fn sync_folders(&self, sha: Sha256) -> io::Result<()> {
        self.chain(sha).iter().rev().try_for_each(|folder| File::open(folder)?.sync_all())
    }

    fn chain(&self, sha: Sha256) -> [PathBuf; 3] {
        let name = sha.to_string();
        let outer = self.root.join(&name[..2]);
        let inner = outer.join(&name[2..4]);
        [self.root.clone(), outer, inner]
    }

    pub(super) fn path(&self, sha: Sha256) -> PathBuf {
        let [_, _, inner] = self.chain(sha);
        inner.join(sha.to_string())
    }
}

/// Makes a folder and those above it, for us alone. A folder that exists keeps its rights: a mounted volume may not
/// let us change them.
pub(super) fn make_private(folder: &Path) -> Result<(), Fault> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(folder)
        .map_err(|e| io_fault(format!("making the folder {}", folder.display()), e))
}

pub(super) fn stat(file: &File, sha: Sha256) -> Result<Metadata, Fault> {
    file.metadata().map_err(|e| io_fault(format!("looking at open blob {sha}"), e))
}

/// Hashes a file from its start, and says how long it is.
pub(super) fn hash_file(file: &File, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; LARGEST];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(at),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                at += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn harden(file: &File) -> io::Result<()> {
    // Rights first, so that the fsync covers them too.
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()
}

fn probe(from: &Path, to: &Path) -> io::Result<()> {
    // Replicas in containers share process ids, so the name is random. Nothing secret hangs on it.
    let name = format!("probe-{:016x}", RandomState::new().build_hasher().finish());
    let (here, there) = (from.join(&name), to.join(&name));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&here)
        .and_then(|file| file.write_all_at(b"probe", 0).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&here, &there));
    remove_if_there(&here)?;
    remove_if_there(&there)?;
    written
}
