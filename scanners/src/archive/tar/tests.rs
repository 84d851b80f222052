//! Tests of tars: both checksums, long names, sizes in binary, links, and damage at every byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::sync::Arc;

use bytes::Bytes;

use crate::{limits::Limits, report::Report, report::Verdict, scan::Outcome, scan::scan};

/// An archive without members: the smallest file that is known to the last byte.
const HARMLESS: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn judge(bytes: &[u8]) -> Report {
    match scan("data.tar", Arc::new(Bytes::copy_from_slice(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => panic!("all is here"),
    }
}

fn member(name: &str, kind: u8, link: &str, data: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    sign(&mut block);
    block.extend(data);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

fn sign(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

fn rules_of(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn ordinary_tars_are_clean_to_the_last_byte() {
    let long = "long/".repeat(40) + "name";
    let pax = format!("{} path={long}\n", long.len() + 10);
    let mut binary = member("a", b'0', "", HARMLESS);
    binary[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x16");
    sign(&mut binary);
    let mut old = member("a", 0, "", HARMLESS);
    old[257..265].fill(0);
    sign(&mut old);
    for members in [
        vec![member("a", b'0', "", HARMLESS), member("b/", b'5', "", b""), member("b/c", b'2', "../a", b"")],
        vec![member("././@LongLink", b'L', "", long.as_bytes()), member("short", b'0', "", HARMLESS)],
        vec![member("pax", b'x', "", pax.as_bytes()), member("short", b'0', "", HARMLESS)],
        vec![binary],
        vec![old],
    ] {
        let report = judge(&tar(&members));
        assert_eq!((report.verdict, rules_of(&report)), (Verdict::Clean, vec![]), "{:?}", report.coverage.reason);
    }
}

#[test]
fn what_leaves_the_folder_is_found_however_it_is_named() {
    let long = "../".repeat(40) + "name";
    let pax = format!("{} linkpath=/etc/passwd\n", "linkpath=/etc/passwd".len() + 4);
    for members in [
        vec![member("../a", b'0', "", HARMLESS)],
        vec![member("././@LongLink", b'L', "", long.as_bytes()), member("short", b'0', "", HARMLESS)],
        vec![member("pax", b'x', "", pax.as_bytes()), member("short", b'2', "a", b"")],
        vec![member("global", b'g', "", pax.as_bytes()), member("short", b'2', "a", b"")],
        vec![member("a", b'2', "../../b", b"")],
        vec![member("a", b'1', "../b", b"")],
        vec![member("a", b'3', "", b"")],
    ] {
        assert!(rules_of(&judge(&tar(&members))).contains(&"WB-ARC-001"), "{:?}", judge(&tar(&members)).findings);
    }
}

#[test]
fn what_no_member_holds_is_found() {
    let payload = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
    let good = tar(&[member("a", b'0', "", HARMLESS)]);
    let mut padded = good.clone();
    padded[600..600 + payload.len()].copy_from_slice(payload);
    let behind = [&good[..], payload].concat();
    let second = [&good[..], &tar(&[member("b", b'0', "", payload)])].concat();
    for bytes in [padded, behind, second] {
        assert!(rules_of(&judge(&bytes)).contains(&"WB-ZIP-010"));
    }
}

#[test]
fn a_tar_that_was_cut_is_never_clean() {
    let whole = tar(&[member("a", b'0', "", HARMLESS), member("b", b'0', "", HARMLESS)]);
    for cut in 4..whole.len() {
        let report = judge(&whole[..cut]);
        let coverage = &report.coverage;
        assert_eq!(coverage.inspected + coverage.inert + coverage.unscanned, cut as u64);
        assert!(report.verdict != Verdict::Clean || cut >= 2560, "cut at {cut}");
    }
}
