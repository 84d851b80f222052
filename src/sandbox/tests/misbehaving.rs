//! Children that crash, stall, eat, lie or die: each is a report with its reason, and the next file gets a new child.

use std::time::{Duration, Instant};

use weighbridge_scanners::{CoverageState, Verdict, rules};

use crate::sandbox::{
    Ended, Limits,
    testing::{acted, sandbox},
};

use super::{EVIL, scanned};

fn short() -> Limits {
    Limits { time: Duration::from_secs(2), ..Limits::default() }
}

#[tokio::test]
async fn a_child_that_misbehaves_is_a_report_with_its_reason() {
    for (part, limits, ended, reason) in [
        ("silent_for_ever", short(), Ended::TimedOut, "in the time"),
        ("asking_for_ever", Limits { requests: 20, ..Limits::default() }, Ended::TooFar, "more than 20 requests"),
        ("out_of_memory", Limits::default(), Ended::Limit, "more memory than the 2048 MiB"),
        ("panicking", Limits::default(), Ended::Crashed, "exit 101"),
        ("a_long_frame", Limits::default(), Ended::Nonsense, "none that it ever gives"),
        ("a_range_outside", Limits::default(), Ended::Nonsense, "none that it ever gives"),
        ("a_report_on_another", Limits::default(), Ended::Nonsense, "none that it ever gives"),
    ] {
        let began = Instant::now();
        let mut child = acted(part, limits).begin(None).await.expect("it begins");
        for _ in 0..2 {
            let got = scanned(&mut child, "model.pkl", EVIL, false).await;
            assert_eq!(got.ended, ended, "{part}: {:?}", got.report.coverage.reason);
            assert_eq!((got.report.verdict, got.report.path.as_str()), (Verdict::Unjudged, "model.pkl"), "{part}");
            assert_eq!(got.report.coverage.state, CoverageState::Incomplete, "{part}");
            assert_eq!(got.report.coverage.unscanned, EVIL.len() as u64, "{part}");
            let why = got.report.coverage.reason.expect("a reason");
            assert!(why.contains(reason), "{part}: {why}");
            let rule = got.report.findings.first().map(|finding| finding.rule);
            let limit = matches!(ended, Ended::Limit | Ended::TimedOut | Ended::TooFar);
            assert_eq!(rule, Some(if limit { &rules::LIMIT_REACHED } else { &rules::UNREADABLE }), "{part}");
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{part} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn processor_time_is_allowed_file_by_file() {
    let limits = Limits { time: Duration::from_secs(50), ..Limits::default() };
    let mut child = acted("telling_its_limit", limits).begin(None).await.expect("it begins");
    for expected in ["Some(52)", "Some(104)", "Some(156)"] {
        let got = scanned(&mut child, "model.pkl", EVIL, true).await;
        assert_eq!(got.report.coverage.reason.as_deref(), Some(expected));
    }
    let mut child = acted("busy_beyond_its_limit", Limits::default()).begin(None).await.expect("it begins");
    let got = scanned(&mut child, "model.pkl", EVIL, true).await;
    let why = got.report.coverage.reason.expect("a reason");
    assert!(got.ended == Ended::Limit && why.contains("processor time"), "{why}");
}

#[tokio::test]
async fn a_child_that_does_not_begin_is_a_fault_that_says_why() {
    let other = acted("of_another_version", Limits::default()).begin(None).await.expect_err("it judges otherwise");
    assert!(other.to_string().contains("version 0.0.0-other"), "{other}");
    let dead = acted("dead_at_once", Limits::default()).begin(None).await.expect_err("it is dead");
    assert!(dead.to_string().contains("exit 3") && dead.passing, "{dead}");
    let tight = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    sandbox(tight).begin(None).await.expect_err("there is no room to begin in");
    let nowhere = crate::sandbox::Sandbox::of_program("/nowhere".into(), Vec::new(), Limits::default());
    assert!(nowhere.strength().await.expect_err("there is no such program").passing);
}

#[tokio::test]
async fn a_child_that_is_killed_in_the_middle_is_told_and_replaced() {
    let mut child = acted("silent_for_ever", Limits::default()).begin(None).await.expect("it begins");
    let pid = child.process.as_ref().and_then(crate::sandbox::process::Process::pid).expect("it runs");
    let killing = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(300));
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
    });
    let got = scanned(&mut child, "model.pkl", EVIL, true).await;
    killing.await.expect("it ends").expect("it was there");
    let why = got.report.coverage.reason.expect("a reason");
    assert!(got.ended == Ended::Crashed && why.contains("killed from outside"), "{why}");

    // One that dies between two files costs neither of them anything.
    let mut child = sandbox(Limits::default()).begin(None).await.expect("it begins");
    assert_eq!(scanned(&mut child, "a.pkl", EVIL, true).await.report.verdict, Verdict::Malicious);
    let pid = child.process.as_ref().and_then(crate::sandbox::process::Process::pid).expect("it runs");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it was there");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(scanned(&mut child, "b.pkl", EVIL, true).await.ended, Ended::Judged);
}

#[tokio::test]
async fn a_dropped_scan_leaves_no_process() {
    let mut child = acted("silent_for_ever", Limits::default()).begin(None).await.expect("it begins");
    let pid = child.process.as_ref().and_then(crate::sandbox::process::Process::pid).expect("it runs");
    let there = || std::path::Path::new(&format!("/proc/{}/exe", pid.as_raw_nonzero())).read_link().is_ok();
    assert!(there());
    let waited = tokio::time::timeout(Duration::from_millis(300), scanned(&mut child, "a.pkl", EVIL, true)).await;
    assert!(waited.is_err() && child.process.is_none(), "nobody speaks to it again in the middle of a sentence");
    let gone = async {
        while there() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the process is gone");
}
