//! What a file could try that has taken over its child: each way out is tried for real, in a process that is confined.
//!
//! This test program is started again as `attacker`, which confines itself as a child does and then tries one thing. What it
//! may still write to is its standard error.

#![allow(clippy::exit, clippy::disallowed_methods, reason = "an attacker ends as it likes")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use crate::sandbox::{
    Landlock, Limits, Strength,
    confine::confine,
    testing::{acted, arguments, part, sandbox},
};

/// What the attacker says when it was not stopped.
const THROUGH: &str = "THROUGH";
/// What it says when the kernel told it no.
const REFUSED: &str = "REFUSED";

fn attack(way: &str, word: &str) -> Output {
    Command::new(std::env::current_exe().expect("a program"))
        .args(arguments("sandbox::tests::attacks::attacker"))
        .env_clear()
        .env("ATTACK", way)
        .env("ATTACK_WORD", word)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .expect("it starts")
}

part! {
fn attacker() {
    let word = |name: &str| std::env::var(name).unwrap_or_default();
    let (way, word) = (word("ATTACK"), word("ATTACK_WORD"));
    let mut opened_before = File::open("/proc/self/status").expect("it is not confined yet");
    if way == "old kernel" {
        old_kernel();
    }
    let strength = confine(1 << 30).expect("it can be confined");
    let port: u16 = word.parse().unwrap_or_default();
    let outcome: Result<(), String> = match way.as_str() {
        "nothing" => Ok(()),
        "old kernel" => {
            let _ = writeln!(std::io::stderr(), "{}", serde_json::to_string(&strength).expect("it is JSON"));
            std::process::exit(0);
        }
        "open" => File::open("/etc/passwd").map(drop).map_err(|e| e.to_string()),
        "list" => std::fs::read_dir("/").map(drop).map_err(|e| e.to_string()),
        "write" => std::fs::write(&word, "x").map_err(|e| e.to_string()),
        "remove" => std::fs::remove_file(&word).map_err(|e| e.to_string()),
        "inherited" => opened_before.read(&mut [0; 8]).map(drop).map_err(|e| e.to_string()),
        "connect" => TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|e| e.to_string()),
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop).map_err(|e| e.to_string()),
        "datagram" => UdpSocket::bind("127.0.0.1:0").map(drop).map_err(|e| e.to_string()),
        "pair" => UnixStream::pair().map(drop).map_err(|e| e.to_string()),
        "run" => Command::new("/bin/true").spawn().map(drop).map_err(|e| e.to_string()),
        "signal" => kill_process(Pid::from_raw(word.parse().unwrap_or(1)).unwrap_or(Pid::INIT), Signal::KILL)
            .map_err(|e| e.to_string()),
        "raise" => setrlimit(Resource::As, Rlimit { current: None, maximum: None }).map_err(|e| e.to_string()),
        "allocate" => Vec::<u8>::new().try_reserve_exact(8 << 30).map_err(|e| e.to_string()),
        "thread" => {
            let thread = std::thread::Builder::new().name("reader".into()).stack_size(256 << 20);
            thread.spawn(|| vec![1_u8; 1 << 20].len()).map(|thread| drop(thread.join())).map_err(|e| e.to_string())
        }
        other => panic!("no such attack: {other}"),
    };
    let _ = match outcome {
        Ok(()) => writeln!(std::io::stderr(), "{THROUGH}"),
        Err(why) => writeln!(std::io::stderr(), "{REFUSED}: {why}"),
    };
    std::process::exit(0);
}
}

#[test]
fn every_way_out_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let file = std::env::temp_dir().join(format!("weighbridge-sandbox-{}", ulid::Ulid::generate()));
    std::fs::write(&file, "still here").expect("a file");
    let mut victim = Command::new("/bin/sleep").arg("60").spawn().expect("it starts");
    let (path, pid) = (file.to_string_lossy().into_owned(), victim.id().to_string());
    for way in ["nothing", "thread"] {
        let ran = attack(way, "");
        let wrote = String::from_utf8_lossy(&ran.stderr);
        assert!(wrote.contains(THROUGH) && ran.status.success(), "a scan needs {way}: {wrote} {:?}", ran.status);
    }
    // Some calls fail, because libraries try them and can do without; the others end the process.
    for (way, word, killed) in [
        ("open", "", false),
        ("list", "", false),
        ("write", path.as_str(), false),
        ("remove", &path, true),
        ("inherited", "", true),
        ("connect", &port, true),
        ("listen", "", true),
        ("datagram", "", true),
        ("pair", "", true),
        ("run", "", true),
        ("signal", &pid, true),
        ("raise", "", true),
        ("allocate", "", false),
    ] {
        let ran = attack(way, word);
        let wrote = String::from_utf8_lossy(&ran.stderr);
        assert!(!wrote.contains(THROUGH), "{way} was possible: {wrote}");
        assert_eq!(ran.status.signal() == Some(Signal::SYS.as_raw()), killed, "{way}: {:?} {wrote}", ran.status);
        assert!(killed || wrote.contains(REFUSED), "{way}: {:?} {wrote}", ran.status);
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "still here");
    assert!(matches!(victim.try_wait(), Ok(None)), "it is alive");
    victim.kill().and_then(|()| victim.wait()).expect("it ends");
    std::fs::remove_file(&file).expect("it is there");
}

#[tokio::test]
async fn a_child_is_born_with_nothing() {
    let ours = std::env::current_exe().expect("a program");
    let _open = File::open(&ours).expect("it can be read");
    let child = acted("showing_itself", Limits::default()).begin(None).await.expect("it begins");
    let shown = child.process.as_ref().map(|process| process.strength.why.clone()).expect("it runs");
    let [environment, folder, open] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((environment.as_str(), folder.as_str()), ("", "/"));
    // Whoever started these tests may have left something open for all: reading that is `inherited` above.
    assert!(open.contains("socket:") && !open.contains(&*ours.to_string_lossy()), "{open:?}");
    assert_eq!(open.matches("socket:").count(), 1, "{open:?}");
}

/// Before 6.12 landlock knows less, and the statement says so.
#[tokio::test]
async fn a_child_is_held_by_all_that_this_kernel_has() {
    let strength = sandbox(Limits::default()).strength().await.expect("it begins");
    assert!(strength.seccomp, "these tests need a kernel with seccomp: {strength:?}");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel says which it is");
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok()).unwrap_or_default();
    let mut parts = release.split(['.', '-']);
    if (number(parts.next()), number(parts.next())) >= (6, 12) {
        assert!(strength.is_whole(), "these tests need landlock, which is switched off: {strength:?}");
    }
    assert_eq!(strength.is_whole(), strength.statement().is_ok());
}

/// A kernel that has neither lock is played by a filter that says so.
#[test]
fn a_kernel_without_locks_is_told_and_not_passed_over() {
    let ran = attack("old kernel", "");
    let wrote = String::from_utf8_lossy(&ran.stderr);
    let strength: Strength = wrote.lines().find_map(|line| serde_json::from_str(line).ok()).expect(&wrote);
    assert_eq!((strength.landlock, strength.seccomp), (Landlock::None, false), "{strength:?}");
    assert_eq!(strength.why.len(), 2, "{strength:?}");
    assert!(strength.enough_for_strict().is_err() && strength.statement().is_err());
}

fn old_kernel() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let absent = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self, libc::SYS_seccomp];
    let rules = absent.into_iter().map(|number| (number, Vec::new())).collect();
    let here = std::env::consts::ARCH.try_into().expect("a known machine");
    let failing = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, failing, here).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("this kernel has seccomp");
}
