//! The scanning child as it ships: the built program, started by its word and spoken to by the library.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    ops::Range,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use weighbridge::sandbox::{self, Ended, Limits, Sandbox, Subject, Supply};
use weighbridge_scanners::Verdict;
use weighbridge_simulator::Content;

use crate::{
    wire,
    world::{World, WorldOptions, beside, long},
};

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

/// The scanning children of a process.
fn children_of(gateway: u32) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let of = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let stat = of("stat");
        // Behind the name, which may hold anything: the state and the parent.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        if parent == Some(gateway) && of("cmdline").contains(sandbox::COMMAND) {
            found.extend(entry.file_name().to_str().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw));
        }
    }
    found
}

/// Many first pulls while children are killed and held: not a byte of what harms, and nothing that was not judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_pulls_that_race_a_slow_or_dead_scanner_get_nothing_of_it() {
    let count = if long() { 100 } else { 30 };
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let evil: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";
    let weights = |n: u64| Content::safetensors(n, 3_000);
    for n in 0..count {
        let push = world.hub.model(&format!("acme/race{n}")).commit("Add").file("config.json", "{}");
        push.lfs("model.safetensors", weights(n)).lfs("model.pkl", evil).push();
    }
    let token = world.developer().await;
    let gateway = world.gateway.pid();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let trouble = tokio::spawn(async move {
        let (mut seen, mut killed, mut held) = (BTreeSet::new(), 0, 0);
        while !*stopped.borrow() {
            for child in children_of(gateway) {
                if !seen.insert(child.as_raw_nonzero()) {
                    continue;
                }
                match seen.len() % 3 {
                    0 => killed += usize::from(kill_process(child, Signal::KILL).is_ok()),
                    1 => {
                        held += usize::from(kill_process(child, Signal::STOP).is_ok());
                        tokio::spawn(async move {
                            tokio::time::sleep(Duration::from_millis(700)).await;
                            let _ = kill_process(child, Signal::CONT);
                        });
                    }
                    _ => {}
                }
            }
            let _ = tokio::time::timeout(Duration::from_millis(5), stopped.changed()).await;
        }
        (killed, held)
    });
    let pulls = (0..count).map(|n| {
        let file = ["model.pkl", "model.safetensors", "config.json"][usize::try_from(n % 3).unwrap()];
        let (url, token) = (format!("{}/acme/race{n}/resolve/main/{file}", world.url()), token.clone());
        async move {
            let mut last = (0, String::new());
            for _ in 0..240 {
                let reply = wire::ask("GET", &url, &token, &[]).await.unwrap();
                assert!(reply.status >= 400, "{url}: {} came", reply.status);
                last = (reply.status, reply.text());
                assert!(!last.1.contains("echo gone"), "{url}: {}", last.1);
                if !matches!(reply.status, 429 | 503) {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(last.0, 403, "{url}: {}", last.1);
            last.1
        }
    });
    let said = join_all(pulls).await;
    stop.send_replace(true);
    let (killed, held) = trouble.await.unwrap();
    assert!(killed > 0 && held > 0, "{killed} children were killed and {held} held");
    // Either it was judged after all, or nobody could.
    let judged = said.iter().filter(|said| said.contains("W-001")).count();
    for said in &said {
        assert!(said.contains("W-001") || said.contains("could not be inspected"), "{said}");
    }
    assert!(judged > 0, "{said:?}");
    let granted = world.query_text("SELECT kind FROM ledger_entry WHERE kind = 'file.granted'").await;
    assert!(granted.is_empty(), "{} files were granted", granted.len());
    let ready = wire::client().get(format!("{}/-/readyz", world.url())).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    world.ledger_is_whole().await;
}
