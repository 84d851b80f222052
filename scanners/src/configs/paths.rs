//! Paths in configs: which of them leave the repository.
//!
//! Configs are full of paths of the machine that trained the model; nobody opens those, and they are not findings.

use crate::{scan::Scan, source::Source};

/// Why opening this path would leave the repository, if it would.
pub(crate) fn escape(path: &str) -> Option<&'static str> {
    const HELD: [&str; 14] = [
        "/.ssh",
        "/.aws",
        "/.kube",
        "/.docker",
        "/.netrc",
        "/id_rsa",
        "/etc/",
        "/proc/",
        "/dev/",
        "/sys/",
        "/.env",
        "/.gnupg",
        "/.config/",
        "/var/run/",
    ];
    let path = path.trim();
    let lower = path.to_ascii_lowercase().replace('\\', "/");
    if path.contains('\0') {
        return Some("it holds a NUL byte");
    }
    if lower.split('/').any(|part| part == "..") {
        return Some("it goes up out of its folder");
    }
    if lower.starts_with('~') {
        return Some("it lies in the home folder of whoever loads it");
    }
    if lower.starts_with("file:") || (path.starts_with("\\\\") || lower.starts_with("//")) {
        return Some("it is the address of a file elsewhere");
    }
    if ["http:", "https:", "ftp:", "s3:", "gs:", "smb:", "data:"].iter().any(|scheme| lower.starts_with(scheme)) {
        return Some("it is an address, where a file of the repository belongs");
    }
    if lower.starts_with('/') && HELD.iter().any(|part| lower.contains(part)) {
        return Some("it is a file of the system or of its users' credentials");
    }
    let absolute = lower.starts_with('/') || lower.get(1..3) == Some(":/");
    (absolute && !trained_there(&lower)).then_some("it is an absolute path")
}

/// Whether the path climbs into a folder of the system, or names one.
pub(crate) fn system(path: &str) -> bool {
    let lower = path.trim().to_ascii_lowercase().replace('\\', "/");
    let climbs = lower.starts_with("..") || lower.starts_with('/');
    let first = lower.split('/').find(|part| !part.is_empty() && !matches!(*part, "." | ".."));
    climbs
        && matches!(first, None | Some("etc" | "proc" | "sys" | "dev" | "boot" | "var" | "usr" | "bin" | "windows"))
        && (first.is_some() || lower.split('/').filter(|part| *part == "..").count() > 3)
}

/// Where models are trained: the paths that are left behind in configs.
fn trained_there(path: &str) -> bool {
    const PLACES: [&str; 29] = [
        "/home/",
        "/root/",
        "/users/",
        "/content/",
        "/work",
        "/data",
        "/mnt/",
        "/kaggle/",
        "/tmp/",
        "/opt/",
        "/scratch",
        "/storage",
        "/lustre",
        "/gpfs",
        "/nfs",
        "/fsx",
        "/raid",
        "/app/",
        "/model",
        "/hdd",
        "/ssd",
        "/cache",
        "/project",
        "/dbfs/",
        "/export",
        "/admin",
        "/ml",
        "/repository",
        "/notebooks",
    ];
    PLACES.iter().any(|place| path.starts_with(place)) || path.get(1..3) == Some(":/")
}

/// The path of a file of the repository, given relative to the file that names it or to the repository's root.
pub(crate) fn neighbour(scan: &Scan<'_>, source: &Source, file: &str) -> Option<String> {
    let neighbours = scan.neighbours?;
    let folder = source.name().rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    [beside, file.to_owned()].into_iter().find(|path| neighbours.contains_key(path))
}
