//! NeMo's archives: a config and a checkpoint in a tar. What the members are, their own readers say.

use crate::{
    archive::Archive,
    configs,
    scan::{Scan, Scanned},
};

const CONFIG: &str = "model_config.yaml";

pub(crate) fn recognise(archive: &Archive) -> bool {
    archive
        .members
        .iter()
        .any(|member| member.file_name() == CONFIG && !member.name.trim_start_matches("./").contains('/'))
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    for member in &archive.members {
        archive.inspect(scan, member);
        // Whichever comes last is the one that stays when the archive is unpacked: all are looked at.
        if member.file_name() == CONFIG {
            archive.inspect_as(scan, member, |scan, source| {
                let bytes = source.read_all(scan.limits.text_bytes)?;
                configs::nemo_targets(scan, source, &String::from_utf8_lossy(&bytes))
            });
        }
    }
    Ok(())
}
