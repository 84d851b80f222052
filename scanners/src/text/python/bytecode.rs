//! Python bytecode (`.pyc`): that it is there is what matters, since nobody can read it. Commands among its constants are
//! looked for; it is not decompiled and never unmarshalled.

use crate::{
    formats::{Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::shell::{self, Command, shortened},
};

/// Names whose mention a reviewer would want to know of.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "subprocess", "os.system", "Popen", "check_output", "socket", "marshal", "b64decode", "__import__", "urlopen", "urlretrieve", "ctypes",
    "pickle", "exec", "eval", "requests", "system", "popen",
];

/// The marshalled code object that follows the header: its first byte, with and without the flag of a reference.
fn is_code(byte: Option<&u8>) -> bool {
    matches!(byte, Some(0x63 | 0xe3))
}

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let [low, high, b'\r', b'\n', ..] = probe.head[..] else {
        return if probe.named(&[".pyc", ".pyo"]) { Match::Name } else { Match::No };
    };
    let magic = u16::from_le_bytes([low, high]);
    // Python 3 counts from 3000; 1.5 to 2.7 from 20121 to 62211; PyPy a little beyond its Python.
    let known = (3000..4000).contains(&magic) || (20121..=62230).contains(&magic) || magic < 1000;
    let code = [8, 12, 16].iter().any(|at| is_code(probe.head.get(*at)));
    if known && code {
        Match::Content
    } else if probe.named(&[".pyc", ".pyo"]) {
        Match::Name
    } else {
        Match::No
    }
}

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let bytes = source.read_all(scan.limits.text_bytes)?;
    scan.steps(bytes.len() as u64 / 4)?;
    let mut named: Vec<&str> = Vec::new();
    for run in bytes.split(|byte| !(byte.is_ascii_graphic() || *byte == b' ')).filter(|run| run.len() >= 4) {
        let text = std::str::from_utf8(run).unwrap_or_default();
        if let Command::Harmful(how) = shell::judge(text) {
            let message = format!("The bytecode holds a command that {how}: `{}`.", shortened(text));
            scan.found(&rules::PYTHON_ATTACK, source, 0, message);
        }
        // Names have a length before them that can look like a letter.
        let telling =
            TELLING.iter().find(|name| text == **name || text.len() <= name.len() + 2 && text.contains(*name));
        if let Some(name) = telling.filter(|name| !named.contains(name)) {
            named.push(name);
        }
    }
    let told = if named.is_empty() { String::new() } else { format!(" It names `{}`.", named.join("`, `")) };
    let message = format!("This is compiled Python, which runs when it is imported and which nobody can read.{told}");
    scan.found(&rules::PYTHON_BYTECODE, source, 0, message);
    scan.inspected(source, 0..source.len());
    Ok(())
}
