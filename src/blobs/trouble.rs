//! What can go wrong in the blob store, and whether trying again can help.
//!
//! Never logs and never retries: the caller knows what it was for.

use std::io;

use crate::domain::refusal::Fault;

/// Why a blob cannot be read.
#[derive(Debug)]
pub enum ReadTrouble {
    Absent,
    /// Something else is stored than what was sealed: it may be served only after `Blobs::rehash`.
    Changed,
    Fault(Fault),
}

/// Why fetched bytes got no name.
#[derive(Debug)]
pub enum SpoolTrouble {
    /// The source sent other bytes than it promised. The spool is gone.
    Mismatch { what: String },
    /// We failed. The spool stays where it can be resumed.
    Fault(Fault),
}

impl From<Fault> for ReadTrouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Fault> for SpoolTrouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A full, failing or overloaded disk may recover by itself; a missing right or a truncated file does not.
pub(super) fn io_fault(doing: impl Into<String>, error: io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let lasting = matches!(
        error.kind(),
        Kind::PermissionDenied
            | Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::InvalidInput
            | Kind::InvalidFilename
            | Kind::UnexpectedEof
            | Kind::FileTooLarge
            | Kind::Unsupported
    );
    let fault = Fault::because(doing, error);
    if lasting { fault } else { fault.passing() }
}

pub(super) fn bucket_fault(doing: impl Into<String>, error: object_store::Error) -> Fault {
    use object_store::Error as E;
    let passing = matches!(error, E::Generic { .. } | E::JoinError { .. } | E::AlreadyExists { .. });
    let fault = Fault::because(doing, error);
    if passing { fault.passing() } else { fault }
}

/// Starts work that touches the disk or hashes, away from the threads that serve. It starts at once and goes on when
/// nobody waits for it any more.
pub(super) fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> impl Future<Output = Result<T, Fault>> + Send {
    let job = tokio::task::spawn_blocking(work);
    async move {
        match job.await {
            Ok(done) => done,
            Err(error) => Err(Fault::because(doing, error).passing()),
        }
    }
}
