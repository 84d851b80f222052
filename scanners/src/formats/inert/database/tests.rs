//! Pickles are found in the rows of a database, wherever the row lies; ordinary values are no pickles.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, Outcome, Report, Verdict, scan, source::Ranges};

const PAGE: usize = 512;
const PROTOCOL_0: &[u8] = b"cos\nsystem\n(S'echo gone'\ntR.";
const PROTOCOL_2: &[u8] = b"\x80\x02cos\nsystem\nX\x09\0\0\0echo gone\x85R.";
const PROTOCOL_4: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";

fn varint(value: usize) -> Vec<u8> {
    let low = u8::try_from(value & 0x7f).unwrap_or(0);
    match value {
        0..=0x7f => vec![low],
        _ => vec![u8::try_from(value >> 7 & 0x7f).unwrap_or(0) | 0x80, low],
    }
}

/// A database of one table with one row: a word and these bytes. `kind` is what the page of the row says it is.
fn database(kind: u8, value: &[u8]) -> Vec<u8> {
    let types = [varint(13 + 2 * 4), varint(12 + 2 * value.len())].concat();
    let row = [varint(types.len() + 1), types, b"word".to_vec(), value.to_vec()].concat();
    let (most, first) = match kind {
        0x0d => (PAGE - 35, 8),
        0x0a => ((PAGE - 12) * 64 / 255 - 23, 8),
        _ => ((PAGE - 12) * 64 / 255 - 23, 12),
    };
    let least = (PAGE - 12) * 32 / 255 - 23;
    let fits = least + (row.len().saturating_sub(least)) % (PAGE - 4);
    let local = if row.len() <= most {
        row.len()
    } else if fits <= most {
        fits
    } else {
        least
    };
    let mut cell = [varint(row.len()), if kind == 0x0d { vec![1] } else { vec![] }].concat();
    if kind == 0x02 {
        cell = [vec![0; 4], cell].concat();
    }
    cell.extend_from_slice(&row[..local]);
    let rest: Vec<&[u8]> = row[local..].chunks(PAGE - 4).collect();
    if !rest.is_empty() {
        cell.extend_from_slice(&[0, 0, 0, 3]);
    }
    let mut page = vec![0; PAGE];
    let place = PAGE - cell.len();
    page[0] = kind;
    page[4] = 1;
    page[first..first + 2].copy_from_slice(&u16::try_from(place).unwrap_or(0).to_be_bytes());
    page[place..].copy_from_slice(&cell);
    let mut out = b"SQLite format 3\0\x02\0\x01\x01\0\x40\x20\x20\0\0\0\x01\0\0\0\0".to_vec();
    let pages = u8::try_from(2 + rest.len()).unwrap_or(0);
    out[31] = pages;
    out.resize(PAGE, 0);
    out[100] = 0x0d;
    out.extend(page);
    for (number, piece) in rest.iter().enumerate() {
        let next = if number + 1 < rest.len() { u8::try_from(number + 4).unwrap_or(0) } else { 0 };
        out.extend([0, 0, 0, next]);
        out.extend_from_slice(piece);
        out.resize(PAGE * (3 + number), 0);
    }
    out
}

fn judge(bytes: Vec<u8>) -> Report {
    match scan("rows.sqlite", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn long(middle: &[u8]) -> Vec<u8> {
    [b"\x80\x02X\xd0\x07\0\0", &vec![b'a'; 2000][..], b"0", &middle[2..]].concat()
}

#[test]
fn a_pickle_is_found_in_any_row() {
    for kind in [0x0d, 0x0a, 0x02] {
        for value in [PROTOCOL_0.to_vec(), PROTOCOL_2.to_vec(), PROTOCOL_4.to_vec(), long(PROTOCOL_2)] {
            let report = judge(database(kind, &value));
            assert_eq!(report.verdict, Verdict::Malicious, "{kind} {value:02x?}: {report:?}");
        }
    }
}

#[test]
fn ordinary_values_are_clean() {
    let numbers: Vec<u8> = (0..400_u16).flat_map(|n| f32::from(n).mul_add(0.37, -11.0).to_le_bytes()).collect();
    for value in [&b"plain words"[..], b"\x80\x04}\x94\x8c\x01a\x94K\x01s.", b"Xylophones are no pickles", &numbers] {
        for kind in [0x0d, 0x0a] {
            let report = judge(database(kind, value));
            assert_eq!(report.verdict, Verdict::Clean, "{value:02x?}: {report:?}");
        }
    }
}

#[test]
fn a_row_whose_rest_is_missing_or_goes_round_ends() {
    let mut bytes = database(0x0d, &long(PROTOCOL_2));
    bytes[2 * PAGE + 3] = 3;
    let round = judge(bytes.clone());
    bytes[2 * PAGE + 3] = 200;
    let missing = judge(bytes);
    assert!(round.verdict < Verdict::Malicious && missing.verdict < Verdict::Malicious, "neither is a row any more");
}

#[test]
fn ranges_give_the_same_report() {
    let whole = Bytes::from(database(0x0d, &long(PROTOCOL_2)));
    let mut held = Ranges::new(whole.len() as u64);
    loop {
        match scan("rows.sqlite", Arc::new(held.clone()), &Limits::default(), None) {
            Outcome::Judged(report) => return assert_eq!(report.verdict, Verdict::Malicious),
            Outcome::Needs(ranges) => {
                for range in ranges {
                    let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
                    held.hold(range.start, &whole.slice(start.unwrap_or(0)..end.unwrap_or(0)));
                }
            }
        }
    }
}
