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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::{Limits, Neighbours, Outcome, Report, scan};

    fn judge(name: &str, bytes: Vec<u8>) -> Report {
        let neighbours = Neighbours::from([("model.xml".to_owned(), 100), ("model.index".to_owned(), 100)]);
        match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), Some(&neighbours)) {
            Outcome::Judged(report) => *report,
            Outcome::Needs(_) => unreachable!("all of it is here"),
        }
    }

    /// The head of a program for Linux with these twelve bytes behind its mark.
    fn elf(between: [u8; 12], kind: [u8; 2]) -> Vec<u8> {
        [&b"\x7fELF"[..], &between, &kind, b"\x3e\0\x01\0\0\0", &[0; 200]].concat()
    }

    #[test]
    fn what_linux_runs_is_a_program_whatever_its_name_and_the_files_beside_it() {
        for name in ["model.bin", "model.data-00000-of-00001", "weights", "model.onnx_data", "a.png"] {
            for between in
                [[0; 12], [0xff; 12], [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
            {
                for kind in [[2, 0], [3, 0], [0, 2]] {
                    let report = judge(name, elf(between, kind));
                    assert!(
                        report.findings.iter().any(|f| f.rule.id == "WB-EXE-001"),
                        "{name} {between:?}: {report:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_empty_description_makes_no_bytes_raw_numbers() {
        let neighbours = Neighbours::from([("model.xml".to_owned(), 0)]);
        let bytes: Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(167) ^ 0x91).collect();
        let Outcome::Judged(report) =
            scan("model.bin", Arc::new(Bytes::from(bytes)), &Limits::default(), Some(&neighbours))
        else {
            unreachable!("all of it is here")
        };
        assert_ne!(report.verdict, crate::Verdict::Clean, "{report:?}");
    }

    #[test]
    fn a_script_may_have_blanks_before_its_interpreter() {
        for line in ["#!/bin/sh", "#! /bin/sh", "#!\t/bin/sh", "#!  \t /bin/sh"] {
            let report = judge("model.safetensors", format!("{line}\nexit 0\n").into_bytes());
            assert!(report.findings.iter().any(|f| f.rule.id == "WB-EXE-002"), "{line}: {report:?}");
        }
    }
}
