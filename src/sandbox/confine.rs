//! What the child gives up before it reads the first byte of a file. Nothing here can be taken back.
//!
//! Called with one thread running: landlock binds the thread that asks for it and those it starts. A lock that this kernel
//! does not have is no error, it is said: `Strength`.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::strength::Strength;

/// Takes from this process all that a scan does not need.
///
/// There is no limit on processes: the kernel counts those of the user, not of this child, so that any number would be
/// wrong for somebody. Seccomp lets nothing but threads begin, and the address space has room for a few of their stacks.
pub(super) fn confine(memory_bytes: u64) -> io::Result<Strength> {
    // When memory runs out on the machine, this process is the one to lose. A container may not let it say so.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    warm_up()?;
    let mut strength = Strength::default();
    #[cfg(target_os = "linux")]
    {
        match super::locks::landlock() {
            Ok(landlock) => strength.landlock = landlock,
            Err(why) => strength.why.push(format!("landlock: {why}")),
        }
    }
    // After landlock, which opens a descriptor to hold its rules.
    limit(Resource::Nofile, 3)?;
    #[cfg(target_os = "linux")]
    {
        match super::locks::seccomp() {
            Ok(()) => strength.seccomp = true,
            Err(why) => strength.why.push(format!("seccomp: {why}")),
        }
    }
    Ok(strength)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

/// The C library looks up the number of processors when a second thread first allocates; older ones do that in files that
/// are about to be out of reach.
fn warm_up() -> io::Result<()> {
    let warm = std::thread::Builder::new().spawn(|| vec![1_u8; 4096].len())?;
    warm.join().map(|_| ()).map_err(|_| io::Error::other("a thread could not be started"))
}
