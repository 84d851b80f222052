//! What is read from this machine besides the configuration file: its name, secrets in files, a stored sign-in.

use std::path::{Path, PathBuf};

use super::{Secret, Variables};

/// A file whose whole content, without the spaces around it, is one secret.
#[allow(clippy::disallowed_methods, reason = "secrets in files are part of the configuration")]
pub fn read_secret_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("the file {shown} cannot be read: {e}"))?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(format!("the file {shown} must hold one token and nothing else"));
    }
    Ok(Secret::new(text))
}

/// Where `hf auth login` keeps its token, if the variables are as they are.
pub fn stored_sign_in(variables: &Variables) -> Option<PathBuf> {
    let folder = |name: &str| variables.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(file) = folder("HF_TOKEN_PATH") {
        return Some(file);
    }
    let home = || folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    folder("HF_HOME").or_else(|| home().map(|cache| cache.join("huggingface"))).map(|hf| hf.join("token"))
}

#[allow(clippy::disallowed_methods, reason = "the default name of this replica")]
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "weighbridge".to_owned() } else { name.to_owned() }
}
