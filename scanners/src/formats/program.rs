//! Programs: native ones, those of virtual machines, and those that carry a model. Scripts are text and read there.
//!
//! A program is not taken apart: that it is here is what there is to say.

use crate::{
    formats::{Format, Match, Probe, sniff},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) const NATIVE: Format = Format { name: "native program", recognise: is_native, inspect: native };
pub(crate) const PORTABLE: Format = Format { name: "portable program", recognise: is_portable, inspect: portable };
pub(crate) const LLAMAFILE: Format = Format { name: "llamafile", recognise: is_llamafile, inspect: llamafile };

fn found_if(is: bool) -> Match {
    if is { Match::Content } else { Match::No }
}

fn is_native(probe: &Probe<'_>) -> Match {
    // Installers of Windows are documents of an old kind: only the name tells.
    let installer = probe.named(&[".msi"]) && probe.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    found_if(!sniff::is_llamafile(&probe.head) && (installer || sniff::native(&probe.head).is_some()))
}

fn is_portable(probe: &Probe<'_>) -> Match {
    found_if(sniff::portable(&probe.head).is_some())
}

fn is_llamafile(probe: &Probe<'_>) -> Match {
    found_if(sniff::is_llamafile(&probe.head))
}

fn native(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let head = source.read_up_to(0, crate::formats::HEAD)?;
    let kind = sniff::native(&head).unwrap_or("an installer");
    let message =
        format!("This is a native program or library ({kind}) of {} bytes. It runs where it is loaded.", source.len());
    scan.found(&rules::NATIVE_EXECUTABLE, source, 0, message);
    not_taken_apart(scan, source)
}

fn portable(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let head = source.read_up_to(0, crate::formats::HEAD)?;
    let kind = sniff::portable(&head).unwrap_or("portable");
    let message = format!("This is a compiled program of {} bytes ({kind}).", source.len());
    scan.found(&rules::PORTABLE_EXECUTABLE, source, 0, message);
    not_taken_apart(scan, source)
}

fn llamafile(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let message =
        "This is a llamafile: a program for several systems that carries its model. Whoever starts it runs it.";
    scan.found(&rules::LLAMAFILE, source, 0, message);
    not_taken_apart(scan, source)
}

#[expect(clippy::unnecessary_wraps, reason = "ends a reader, which can fail")]
fn not_taken_apart(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    scan.inspected(source, 0..crate::formats::HEAD);
    scan.left_out(source, "a program is not taken apart");
    Ok(())
}
