//! What R's functions reach, by their names: one table for scripts and for code that lies in data.
//!
//! Says nothing of where they are used; whoever reads a script or data does.

/// How far a function reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Runs programs, native libraries or code from elsewhere, or connects.
    Leaves,
    /// Changes files, settings, or what other code relies on. Scripts do so for ordinary reasons; data does not.
    Changes,
    /// Finds or makes other code. Every larger program does.
    Finds,
}

/// A function that is named here is it wherever it stands in code; the names in `WORDS` are also those of ordinary variables.
#[rustfmt::skip]
const LEAVES: &[&str] = &[
    "system", "system2", "shell", "shell.exec", "pipe", "fifo", "dyn.load", "library.dynam", "download.file", "curl_download", "curl_fetch_memory",
    "source", "sys.source", "source_url", "source_gist", "source_python", "py_run_string", "py_run_file", "socketConnection", "socketConnect", "serverSocket", "make.socket",
    "install.packages", "install_github", "install_url", "install_git", "cppFunction", "sourceCpp", "evalCpp", "cfunction",
];
#[rustfmt::skip]
const CHANGES: &[&str] = &[
    "unlink", "file.remove", "file.copy", "file.rename", "file.append", "file.create", "file.symlink", "file.link", "writeLines", "writeBin",
    "writeChar", "write", "cat", "sink", "dump", "save", "saveRDS", "Sys.setenv", "Sys.chmod", "Sys.umask", "setHook", "addTaskCallback", "assignInNamespace",
    "assignInMyNamespace", "unlockBinding", "registerS3method", "trace", "reg.finalizer", "makeActiveBinding", "delayedAssign", "dir.create",
];
#[rustfmt::skip]
const FINDS: &[&str] = &[
    "eval", "evalq", "parse", "str2lang", "str2expression", "do.call", "get", "get0", "mget", "match.fun", "getFunction", "getExportedValue", "getFromNamespace",
    "sys.function", ".Call", ".External", ".External2", ".External.graphics", ".Call.graphics", ".C", ".Fortran", ".Internal", ".Primitive", "loadNamespace",
    "requireNamespace", "attachNamespace", "library", "require", "readRDS", "load", "attach", "file", "gzfile", "gzcon", "readLines", "url",
    "unserialize",
];
/// Words that are also the names of columns and variables: they mean a function only where something is called by them.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "source", "shell", "pipe", "url", "file", "load", "get", "parse", "write", "cat", "save", "dump", "sink", "trace", "library", "require", "attach", "system",
];

/// How far the function of this name reaches; nothing where it is not known to reach anywhere.
pub(super) fn reach(name: &str) -> Option<Reach> {
    [(LEAVES, Reach::Leaves), (CHANGES, Reach::Changes), (FINDS, Reach::Finds)]
        .into_iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, reach)| reach)
}

/// Whether the name is that of ordinary variables as well.
pub(super) fn is_word(name: &str) -> bool {
    WORDS.contains(&name)
}

/// Calls by which other functions are called whose name or value they are given.
#[rustfmt::skip]
const GIVEN: &[&str] = &[
    "do.call", "match.fun", "get", "get0", "mget", "getFunction", "getExportedValue", "getFromNamespace", "lapply", "sapply", "vapply", "mapply", "Map",
    "Reduce", "Filter", "apply", "tapply", "outer", "map", "walk", "invoke", "exec", "call", "as.name", "as.symbol", "as.call", "Recall",
];

/// Whether this calls what it is given.
pub(super) fn calls_what_it_is_given(name: &str) -> bool {
    GIVEN.contains(&name)
}

/// Places from which programs start by themselves, or take whom they trust.
#[rustfmt::skip]
const START: &[&str] = &[
    ".Rprofile", "Rprofile.site", ".Renviron", "Renviron.site", ".bashrc", ".bash_profile", ".bash_login", ".zshrc", ".zshenv", ".profile", "/etc/profile", "authorized_keys",
    ".ssh/", "/etc/cron", "crontab", "/autostart/", "systemd/user", "/etc/systemd", "LaunchAgents", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT", "\\Startup\\",
    "sitecustomize", "/etc/passwd", "/etc/shadow", "/etc/ld.so",
];

/// The place in this text from which programs start by themselves, if it names one.
pub(super) fn start_place(text: &str) -> Option<&'static str> {
    START.iter().find(|place| text.contains(*place)).copied()
}
