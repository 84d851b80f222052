//! TorchScript: the source text in `code/`, and the bytecode of mobile models. Which operations do they call?
//!
//! Never compiled. An operation is judged by its name alone: those of torch compute, but for a few that touch files, and
//! those of libraries that nobody vouches for could do anything.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Libraries of operations that compute.
const NAMESPACES: &[&str] = &[
    "aten",
    "prim",
    "prims",
    "quantized",
    "_quantized",
    "quantized_decomposed",
    "torchvision",
    "torchaudio",
    "torchtext",
    "sparse",
    "mkldnn",
    "mkldnn_prepacked",
    "mkl",
    "onednn",
    "fbgemm",
    "profiler",
    "inductor",
    "xnnpack",
    "vulkan_prepack",
    "metal_prepack",
    "static_runtime",
    "cuda",
    "nvprims",
    "c10d_functional",
    "_c10d_functional",
    "rnn",
    "torch_scatter",
    "torch_sparse",
    "torch_cluster",
    "torch_spline_conv",
    "pyg",
    "image",
    "video_reader",
    "preprocessing",
    "forward_backward",
    "tensorexpr",
];
/// Operations of torch that read or write files, whatever stands before them.
const FILE_OPS: &[&str] = &["save", "load", "from_file", "_load_from_file", "read_file", "write_file", "save_to_file"];
/// Operations of torch that run something elsewhere.
const REMOTE_OPS: &[&str] = &["rpc_sync", "rpc_async", "rpc_remote", "PythonOp", "python_op"];

/// Inspects the text of one module.
pub(super) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let text = source.read_all(scan.limits.text_bytes)?;
    scan.steps(text.len() as u64 / 16)?;
    let defined = defined(&text);
    let mut python = false;
    let mut words = Words { text: &text, at: 0, fresh: true };
    while let Some(word) = words.next() {
        let parts: Vec<&str> = word.path.split('.').collect();
        // Only Python's own source imports anything but other parts of the archive.
        python |= word.first && matches!(parts[..], ["import" | "from"]) && !words.rest().starts_with(b"__torch__");
        judge(scan, source, &parts, &word, &defined);
    }
    if python || std::str::from_utf8(&text).is_err() {
        scan.inner(source);
    } else {
        scan.inspected(source, 0..source.len());
    }
    Ok(())
}

/// Looks for names of operations in the bytecode of a mobile model, where they stand as texts: `aten::save`.
pub(super) fn inspect_bytecode(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let bytes: Bytes = source.read_all(scan.limits.text_bytes)?;
    for at in memchr::memmem::find_iter(&bytes, b"::") {
        let Some(text) = text_around(&bytes, at) else { continue };
        let Some((space, operation)) = text.split_once("::") else { continue };
        let operation = operation.split('.').next().unwrap_or_default();
        if !NAMESPACES.contains(&space) {
            unknown_op(scan, source, at as u64, &text);
        } else if FILE_OPS.contains(&operation) {
            file_op(scan, source, at as u64, &text);
        } else if REMOTE_OPS.contains(&operation) {
            unknown_op(scan, source, at as u64, &text);
        }
    }
    Ok(())
}

/// The text of a pickle in which `at` lies: its length stands before it. Operations have short names.
fn text_around(bytes: &[u8], at: usize) -> Option<String> {
    (at.saturating_sub(128)..=at).rev().find_map(|start| {
        let before = bytes.get(start.saturating_sub(5)..start)?;
        let length = match before {
            [b'X' | b'T', a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
            [.., 0x8c | b'U', length] => u32::from(*length),
            _ => return None,
        };
        let text = bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)?;
        (length < 256 && start + text.len() > at).then(|| String::from_utf8_lossy(text).into_owned())
    })
}

fn judge(scan: &mut Scan<'_>, source: &Source, parts: &[&str], word: &Word, defined: &BTreeSet<String>) {
    let last = parts.last().copied().unwrap_or_default();
    let known = |space: &str| NAMESPACES.contains(&space);
    match parts {
        ["ops", space, operation, ..] if known(space) => {
            if FILE_OPS.contains(operation) {
                file_op(scan, source, word.at, &word.path);
            } else if REMOTE_OPS.contains(operation) {
                unknown_op(scan, source, word.at, &word.path);
            }
        }
        ["ops", _, _, ..] => unknown_op(scan, source, word.at, &word.path),
        ["__torch__", "torch", "classes", space, ..] if !known(space) => unknown_op(scan, source, word.at, &word.path),
        ["torch" | "aten" | "prim", .., operation] if word.called && FILE_OPS.contains(operation) => {
            file_op(scan, source, word.at, &word.path);
        }
        [.., _, operation] if word.called && REMOTE_OPS.contains(operation) => {
            unknown_op(scan, source, word.at, &word.path);
        }
        // Operations of torch can be written as methods of their first argument: `x.save("file")`.
        [_, .., "save" | "from_file"] | ["", "save" | "from_file"] if word.called => {
            if defined.contains(last) {
                unknown_op(scan, source, word.at, &word.path);
            } else {
                file_op(scan, source, word.at, &word.path);
            }
        }
        _ => {}
    }
}

fn file_op(scan: &mut Scan<'_>, source: &Source, at: u64, path: &str) {
    let message = format!("The model's TorchScript calls `{path}`, which reads or writes a file when the model runs.");
    scan.found(&rules::SCRIPT_FILE_OP, source, at, message);
}

fn unknown_op(scan: &mut Scan<'_>, source: &Source, at: u64, path: &str) {
    let message = format!("The model's TorchScript calls `{path}`, an operation that nobody vouches for.");
    scan.found(&rules::SCRIPT_UNKNOWN_OP, source, at, message);
}

/// Methods that the text itself defines.
fn defined(text: &[u8]) -> BTreeSet<String> {
    let mut words = Words { text, at: 0, fresh: true };
    let (mut names, mut after_def) = (BTreeSet::new(), false);
    while let Some(word) = words.next() {
        if after_def {
            names.insert(word.path.clone());
        }
        after_def = word.path == "def";
    }
    names
}

/// A dotted name.
struct Word {
    at: u64,
    /// `ops.aten.save`; begins with a dot where it follows an expression: `f(x).save`.
    path: String,
    /// Whether a bracket follows it.
    called: bool,
    /// Whether it stands first on its line.
    first: bool,
}

/// Goes through a text name by name: comments, texts and numbers are left out, blanks within a name too.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether only blanks were read on this line.
    fresh: bool,
}

impl<'a> Words<'a> {
    fn rest(&self) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.trim_ascii_start()
    }

    fn next(&mut self) -> Option<Word> {
        loop {
            let byte = *self.text.get(self.at)?;
            match byte {
                b'\n' => {
                    self.fresh = true;
                    self.at += 1;
                }
                b'#' => self.at += memchr::memchr(b'\n', self.text.get(self.at..)?).unwrap_or(self.text.len()),
                b'"' | b'\'' => self.skip_text(byte),
                b'.' if self.text.get(self.at + 1).is_some_and(|next| is_name(*next) && !next.is_ascii_digit()) => {
                    return Some(self.word());
                }
                byte if is_name(byte) && !byte.is_ascii_digit() => return Some(self.word()),
                byte if byte.is_ascii_digit() => {
                    while self.text.get(self.at).is_some_and(|byte| is_name(*byte) || *byte == b'.') {
                        self.at += 1;
                    }
                    self.fresh = false;
                }
                byte => {
                    self.fresh &= byte.is_ascii_whitespace();
                    self.at += 1;
                }
            }
        }
    }

    fn word(&mut self) -> Word {
        let (start, first) = (self.at, std::mem::replace(&mut self.fresh, false));
        let mut path = String::new();
        loop {
            while let Some(byte) = self.text.get(self.at).filter(|byte| is_name(**byte)) {
                path.push(char::from(*byte));
                self.at += 1;
            }
            let ahead = self.after_blanks(self.at);
            if self.text.get(ahead) != Some(&b'.') {
                break;
            }
            let next = self.after_blanks(ahead + 1);
            if !self.text.get(next).is_some_and(|byte| is_name(*byte)) {
                break;
            }
            path.push('.');
            self.at = next;
        }
        let called = self.text.get(self.after_blanks(self.at)) == Some(&b'(');
        Word { at: start as u64, path, called, first }
    }

    /// Blanks, and line ends that a backslash hides.
    fn after_blanks(&self, mut at: usize) -> usize {
        loop {
            match self.text.get(at) {
                Some(b' ' | b'\t' | b'\r') => at += 1,
                Some(b'\\') if matches!(self.text.get(at + 1), Some(b'\n' | b'\r')) => at += 2,
                _ => return at,
            }
        }
    }

    fn skip_text(&mut self, quote: u8) {
        let long = [quote; 3];
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(&long) {
            let end = memchr::memmem::find(rest.get(3..).unwrap_or_default(), &long);
            self.at = end.map_or(self.text.len(), |end| self.at + end + 6);
            return;
        }
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == quote || *byte == b'\n' {
                return;
            }
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
