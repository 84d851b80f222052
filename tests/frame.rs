//! What must not compile, does not: every case in `tests/frame/` fails for its own reason, and its twin compiles.
//!
//! The cases are compiled inside the crate, because from outside nobody can tell a field that only the gate sees from
//! one that every feature sees. Each file says in its first line which error the compiler must give.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles the library with these cases in it; gives the compiler's errors, or nothing.
fn check(cases: &[PathBuf], side: &str) -> Result<(), String> {
    let mut all = String::new();
    for case in cases {
        let name = case.file_stem().unwrap().to_string_lossy();
        let _ = writeln!(all, "#[path = \"{}\"] mod {name};", case.display());
    }
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cases-{side}.rs"));
    fs::write(&list, all).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--package", "weighbridge", "--lib", "--profile", "check"])
        .args(["--", "--cfg", &format!("weighbridge_case=\"{side}\""), "--cap-lints", "allow"])
        .env("WEIGHBRIDGE_CASE", &list)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Whether these are errors of this one kind: a case must not fail for a reason of its own making.
fn only(errors: &str, code: &str) -> bool {
    let mut codes = errors.split("error[").skip(1).filter_map(|rest| rest.split(']').next()).peekable();
    codes.peek().is_some() && codes.all(|found| found == code)
}

#[test]
fn forgetting_the_gate_does_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frame");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 20, "cases are missing: {}", cases.len());
    if let Err(errors) = check(&cases, "right") {
        panic!("the twins must compile:\n{errors}");
    }
    let mut wrong = Vec::new();
    for case in &cases {
        let text = fs::read_to_string(case).unwrap();
        let code = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! expects: "))
            .expect("a first line that says the error");
        match check(std::slice::from_ref(case), "wrong") {
            Ok(()) => wrong.push(format!("{}: compiles, and must not", case.display())),
            Err(errors) if only(&errors, code) => {}
            Err(errors) => wrong.push(format!("{}: expected only {code}, got:\n{errors}", case.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
