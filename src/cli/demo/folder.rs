//! The demo's folder: made for one run, for its owner alone, and gone with it.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::{domain::refusal::Fault, keys};

/// Removed when this is dropped, with everything that is in it by then.
pub struct Folder(PathBuf);

impl Folder {
    #[allow(clippy::disallowed_methods, reason = "the demo keeps its files here and nowhere else")]
    pub fn new() -> Result<Self, Fault> {
        let mut random = [0; 4];
        keys::fill(&mut random)?;
        let name = random.iter().fold("weighbridge-demo-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let path = std::env::temp_dir().join(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Fault::because(format!("making the folder {}", path.display()), e))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    #[allow(clippy::disallowed_methods, reason = "the demo leaves nothing behind")]
    fn drop(&mut self) {
        // Whatever is still being written in it when the demo is ended at once: a few more times, and then aloud.
        for _ in 0..10 {
            match fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => return,
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        super::out::tell(format!("{} could not be removed whole: delete it.", self.0.display()));
    }
}
