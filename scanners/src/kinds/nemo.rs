//! NeMo's archives: a config and a checkpoint in a tar. What the members are, their own readers say.

use crate::{
    archive::Archive,
    scan::{Scan, Scanned},
};

pub(crate) fn recognise(archive: &Archive) -> bool {
    archive.members.iter().any(|member| member.name.trim_start_matches("./") == "model_config.yaml")
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    for member in &archive.members {
        archive.inspect(scan, member);
    }
    Ok(())
}
