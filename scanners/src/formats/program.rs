//! Programs: native ones, those of virtual machines, and shell scripts.
//!
//! A program is not taken apart: that it is here is what there is to say. A script is read for what no installer of a model
//! has to do.

use crate::{
    formats::{Format, Match, Probe, sniff},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) const NATIVE: Format = Format { name: "native program", recognise: is_native, inspect: native };
pub(crate) const PORTABLE: Format = Format { name: "portable program", recognise: is_portable, inspect: portable };
pub(crate) const LLAMAFILE: Format = Format { name: "llamafile", recognise: is_llamafile, inspect: llamafile };
pub(crate) const SHELL: Format = Format { name: "shell script", recognise: is_shell, inspect: shell };

/// Names under which shell scripts are ordinary.
const SHELL_NAMES: &[&str] = &[".sh", ".bash", ".zsh", ".ksh", ".bat", ".cmd", ".ps1", ".command"];

fn found_if(is: bool) -> Match {
    if is { Match::Content } else { Match::No }
}

fn is_native(probe: &Probe<'_>) -> Match {
    found_if(!sniff::is_llamafile(&probe.head) && sniff::native(&probe.head).is_some())
}

fn is_portable(probe: &Probe<'_>) -> Match {
    found_if(sniff::portable(&probe.head).is_some())
}

fn is_llamafile(probe: &Probe<'_>) -> Match {
    found_if(sniff::is_llamafile(&probe.head))
}

/// A script is text, which has its own reader; this one only adds what shells do.
fn is_shell(probe: &Probe<'_>) -> Match {
    let first = probe.head.split(|b| *b == b'\n').next().unwrap_or_default();
    let shells: [&[u8]; 4] = [b"sh", b"bash", b"zsh", b"pwsh"];
    let by_interpreter = first
        .strip_prefix(b"#!")
        .is_some_and(|line| line.split(|b| matches!(b, b' ' | b'/' | b'\r')).any(|word| shells.contains(&word)));
    if by_interpreter || probe.named(SHELL_NAMES) { Match::Name } else { Match::No }
}

fn native(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let head = source.read_up_to(0, crate::formats::HEAD)?;
    let kind = sniff::native(&head).unwrap_or("native");
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

fn shell(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(scan.limits.text_bytes)?;
    if text.contains(&0) {
        return Ok(());
    }
    scan.steps(text.len() as u64 / 16)?;
    // A command may go on over several lines.
    let text = String::from_utf8_lossy(&text).replace("\\\r\n", "   ").replace("\\\n", "  ").replace("`\n", "  ");
    let mut at = 0_u64;
    for line in text.split('\n') {
        if let Some(what) = harm(line.trim().to_ascii_lowercase().as_str()) {
            let shown: String = line.trim().chars().take(160).collect();
            scan.found(&rules::SCRIPT_FILE, source, at, format!("This script {what}: `{shown}`."));
        }
        at += line.len() as u64 + 1;
    }
    Ok(())
}

/// What a line of a script does that no tool around a model has to do.
fn harm(line: &str) -> Option<&'static str> {
    if line.starts_with('#') || line.starts_with("rem ") || line.starts_with("::") {
        return None;
    }
    let fetched = ["curl ", "wget ", "fetch "].iter().any(|tool| line.contains(tool));
    let to_shell = ["| sh", "|sh", "| bash", "|bash", "| sudo", "| python", "|python", "| zsh", "| perl"];
    let piped = to_shell.iter().any(|shell| line.contains(shell));
    let substituted = ["$(curl", "$(wget", "`curl", "`wget", "<(curl", "<(wget"].iter().any(|s| line.contains(s));
    let evaluated = line.contains("eval") || line.contains("bash -c") || line.contains("sh -c") || line.contains("<(");
    if (fetched && piped) || (substituted && evaluated) {
        return Some("runs what it downloads");
    }
    if line.contains("base64") && (line.contains("-d") || line.contains("--decode")) && piped {
        return Some("decodes text and runs it");
    }
    if ["/dev/tcp/", "nc -e", "ncat -e", "nc -c ", "-i >& /dev"].iter().any(|s| line.contains(s)) {
        return Some("opens a shell to another machine");
    }
    let powershell =
        line.contains("powershell") || line.contains("pwsh") || line.contains("iex") || line.contains("invoke-");
    let hidden =
        [" -enc ", " -encodedcommand", "downloadstring", "downloadfile", "frombase64string", "invoke-expression"];
    if powershell && hidden.iter().any(|s| line.contains(s)) {
        return Some("runs what it downloads or decodes");
    }
    let written = line.contains('>') || line.contains("tee ") || line.contains("cp ") || line.contains("mv ");
    let starts_from = ["authorized_keys", "/etc/cron", "/etc/ld.so", "/etc/rc.local", "/etc/passwd"];
    if written && starts_from.iter().any(|s| line.contains(s)) {
        return Some("writes where programs start from");
    }
    let secrets = [".ssh/id_", ".aws/credentials", ".netrc", "/etc/shadow", "huggingface/token"];
    if secrets.iter().any(|s| line.contains(s)) && (fetched || line.contains("cat ") || line.contains("scp ")) {
        return Some("reads credentials");
    }
    if line.contains("crontab -") && (piped || line.contains('|')) && !line.contains("crontab -l") {
        return Some("changes what the system starts");
    }
    let root =
        |tool: &str| line.ends_with(tool) || line.contains(&format!("{tool} ")) || line.contains(&format!("{tool}* "));
    (root("rm -rf /") || root("rm -fr /") || line.ends_with("rm -rf /*") || line.contains("mkfs."))
        .then_some("wipes a disk")
}
