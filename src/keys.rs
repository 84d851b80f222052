//! The gateway's own keys, each 32 bytes in a file that only its owner can read, made once: what signs the ledger, and
//! what seals other people's secrets.
//!
//! Never shows a key, never replaces it, and never uses one that others can read.

mod seal;

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair as _},
};

pub use self::seal::SealKey;
use crate::domain::refusal::Fault;

/// The key that signs checkpoints.
pub struct LedgerKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl LedgerKey {
    /// Reads the key; `None` when there is no such file.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, Fault> {
        let path = path(data_dir);
        let Some(seed) = read(&path)? else { return Ok(None) };
        Self::from_seed(&seed)
            .map(Some)
            .ok_or_else(|| Fault::new(format!("the key file {} is {} bytes, not 32", path.display(), seed.len())))
    }

    /// Makes the key file unless there is one, and reads it.
    pub fn load_or_make(data_dir: &Path) -> Result<Self, Fault> {
        if let Some(key) = Self::load(data_dir)? {
            return Ok(key);
        }
        let path = path(data_dir);
        make(&path)?;
        Self::load(data_dir)?.ok_or_else(|| Fault::new(format!("the key file {} is gone again", path.display())))
    }

    /// The key of a seed; `None` unless it is 32 bytes.
    pub(crate) fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }

    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey(..)")
    }
}

/// Where the key is, for sentences that say which file to copy.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("keys").join("ledger.key")
}

/// What a key file holds; `None` when there is none.
#[allow(clippy::disallowed_methods, reason = "keys are files")]
fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::because(format!("reading the key file {}", path.display()), error)),
    };
    if meta.mode() & 0o077 != 0 {
        return Err(Fault::new(format!(
            "the key file {} can be read by others: give it to its owner alone (chmod 600), and if others have \
             logged in to this machine, ask who",
            path.display()
        )));
    }
    fs::read(path).map(Some).map_err(|e| Fault::because(format!("reading the key file {}", path.display()), e))
}

fn make(path: &Path) -> Result<(), Fault> {
    let mut seed = [0; 32];
    fill(&mut seed)?;
    make_file(path, &seed).map_err(|e| Fault::because(format!("making the key file {}", path.display()), e))
}

/// Fills with random bytes of the operating system.
pub fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    SystemRandom::new().fill(bytes).map_err(|_| Fault::new("asking the operating system for random bytes"))
}

/// Written whole under a name of its own and then linked to the real one: whoever looks sees all of the key or nothing,
/// and of two that make it at once one wins. The link fails where the file already exists, which is as good.
#[allow(clippy::disallowed_methods, reason = "keys are files")]
fn make_file(path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut unique = [0; 8];
    fill(&mut unique).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!("{name}.{:016x}", u64::from_be_bytes(unique)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let linked = file.write_all(seed).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&fresh, path));
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("weighbridge-keys-{}", ulid::Ulid::generate())))
        }

        fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_key_is_made_once_and_only_for_its_owner() {
        let dir = Folder::new();
        assert!(LedgerKey::load(dir.path()).unwrap().is_none());
        let keys: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> =
                (0..8).map(|_| s.spawn(|| *LedgerKey::load_or_make(dir.path()).unwrap().public())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|k| k == &keys[0]));
        assert_eq!(fs::metadata(path(dir.path())).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path().join("keys")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1, "nothing is left beside it");
        let key = LedgerKey::load_or_make(dir.path()).unwrap();
        assert_eq!(key.public(), &keys[0]);
        assert_eq!(format!("{key:?}"), "LedgerKey(..)");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_short_is_refused() {
        let dir = Folder::new();
        LedgerKey::load_or_make(dir.path()).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(path(dir.path()), fs::Permissions::from_mode(mode)).unwrap();
            assert!(LedgerKey::load(dir.path()).unwrap_err().to_string().contains("chmod 600"), "{mode:o}");
        }
        fs::set_permissions(path(dir.path()), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path(dir.path()), [1; 31]).unwrap();
        assert!(LedgerKey::load_or_make(dir.path()).unwrap_err().to_string().contains("31 bytes"));
    }
}
