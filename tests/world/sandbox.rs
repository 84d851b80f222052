//! The scanning child as it ships: the built program, started by its word and spoken to by the library.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Range,
    process::{Command, Stdio},
};

use bytes::Bytes;
use weighbridge::sandbox::{self, Ended, Limits, Sandbox, Subject, Supply};
use weighbridge_scanners::Verdict;

use crate::world::beside;

struct Given(Bytes);

impl Supply for Given {
    type Trouble = Infallible;

    async fn ranges(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Infallible> {
        let at = |place: u64| usize::try_from(place).unwrap();
        Ok(ranges.iter().map(|range| self.0.slice(at(range.start)..at(range.end))).collect())
    }
}

#[tokio::test]
async fn the_built_program_scans_in_a_confined_child() {
    let sandbox = Sandbox::of_program(beside("weighbridge"), vec![sandbox::COMMAND.into()], Limits::default());
    let strength = sandbox.strength().await.unwrap();
    // What exactly it says hangs on this kernel; the library's own tests look at that.
    let said = strength.statement().unwrap_or_else(|lacking| lacking);
    assert!(said.starts_with("Scans run in a child"), "{said}");
    let neighbours = BTreeMap::from([("model.pkl".to_owned(), 4), ("evil.py".to_owned(), 20)]);
    let mut child = sandbox.begin(Some(neighbours)).await.unwrap();
    let evil: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";
    // The reader of Python starts a thread, which a confined process may; the zip reader inflates.
    for (name, bytes, verdict) in [
        ("model.pkl", evil, Verdict::Malicious),
        ("evil.py", b"import os\nos.system('echo gone')\n", Verdict::Suspicious),
        ("config.json", b"{}\n", Verdict::Clean),
    ] {
        for here in [true, false] {
            let subject = Subject { name, size: bytes.len() as u64, here };
            let got = child.scan(subject, &mut Given(Bytes::from_static(bytes))).await.unwrap();
            assert_eq!(got.ended, Ended::Judged, "{name}: {:?}", got.report.coverage.reason);
            assert!(
                got.report.verdict >= verdict && (verdict != Verdict::Clean || got.report.verdict == verdict),
                "{name}"
            );
        }
    }
}

/// Whoever tries the hidden word by hand gets an end, not a process that waits or answers.
#[test]
fn nobody_else_gets_anything_from_the_child() {
    for input in [Stdio::null(), Stdio::from(std::fs::File::open("/bin/sh").unwrap())] {
        let mut command = Command::new(beside("weighbridge"));
        let ran = command.arg(sandbox::COMMAND).stdin(input).output().unwrap();
        assert!(!ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("this is no gateway"), "{ran:?}");
    }
    let help = Command::new(beside("weighbridge")).arg("--help").output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains(sandbox::COMMAND), "it is not offered");
}
