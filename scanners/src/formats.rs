//! Every format there is a reader for, in one list, and what is done with bytes that several or none of them know.
//!
//! A format is recognised by content. A name only adds what a loader would try: a file can be read as several formats, and
//! is judged as all of them.

mod by_name;
mod carried;
pub(crate) mod coreml;
mod engine;
mod executorch;
mod gap;
mod gguf;
mod hdf5;
mod inert;
pub(crate) mod keras;
mod msgpack;
mod names;
pub(crate) mod numpy;
mod onnx;
mod paddle;
pub(crate) mod paths;
mod pdf;
mod program;
mod r_calls;
pub(crate) mod r_script;
mod raw;
mod rdata;
pub(crate) mod safetensors;
pub(crate) mod safetensors_index;
mod sniff;
pub(crate) mod strict;
pub(crate) mod tensorflow;
mod tflite;
pub(crate) mod trees;
mod ubjson;
mod wire;
pub(crate) mod xml;
mod xml_words;

use bytes::Bytes;

use crate::{
    archive::{sevenz, single, tar, zip},
    pickle, rules,
    scan::{Scan, Scanned},
    source::Source,
    text,
};

/// Why a reader wants these bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Match {
    /// It does not.
    No,
    /// Nothing in the bytes says so, but a loader would try because of the name.
    Name,
    /// The bytes say so.
    Content,
}

/// The first and last bytes, by which a format is recognised.
pub(crate) struct Probe<'a> {
    pub(crate) source: &'a Source,
    /// Its innermost name, without folders.
    name: &'a str,
    /// Up to [`HEAD`] bytes from the start.
    pub(crate) head: Bytes,
    /// Up to [`TAIL`] bytes up to the end.
    pub(crate) tail: Bytes,
}

pub(crate) const HEAD: u64 = 4096;
pub(crate) const TAIL: u64 = 1024;

impl<'a> Probe<'a> {
    pub(crate) fn new(source: &'a Source, head: Bytes, tail: Bytes) -> Self {
        Self { source, name: source.file_name(), head, tail }
    }

    /// Whether the file's name ends in one of these, ignoring case. Each with its dot.
    pub(crate) fn named(&self, ends: &[&str]) -> bool {
        ends_in(self.name, ends)
    }

    pub(crate) fn starts_with(&self, magic: &[u8]) -> bool {
        self.head.starts_with(magic)
    }

    /// Whether `magic` stands at `at`, within the first [`HEAD`] bytes.
    pub(crate) fn has_at(&self, at: usize, magic: &[u8]) -> bool {
        self.head.get(at..).is_some_and(|rest| rest.starts_with(magic))
    }

    pub(crate) fn len(&self) -> u64 {
        self.source.len()
    }
}

/// Whether the name ends in one of these, ignoring case.
pub(crate) fn ends_in(name: &str, ends: &[&str]) -> bool {
    let name = name.as_bytes();
    let tail = |end: &str| name.len().checked_sub(end.len()).and_then(|from| name.get(from..));
    ends.iter().any(|end| tail(end).is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes())))
}

/// One format.
pub(crate) struct Format {
    /// The word in reports.
    pub(crate) name: &'static str,
    pub(crate) recognise: fn(&Probe<'_>) -> Match,
    pub(crate) inspect: fn(&mut Scan<'_>, &Source) -> Scanned<()>,
}

/// Every format. The first whose content matches gives the file its name.
const FORMATS: &[Format] = &[
    safetensors::FORMAT,
    gguf::FORMAT,
    hdf5::FORMAT,
    program::LLAMAFILE,
    program::NATIVE,
    program::PORTABLE,
    pdf::FORMAT,
    Format { name: "zip", recognise: zip::recognise, inspect: zip::inspect },
    Format { name: "tar", recognise: tar::recognise, inspect: tar::inspect },
    Format { name: "7z", recognise: sevenz::recognise, inspect: sevenz::inspect },
    Format { name: "rar", recognise: sevenz::recognise_rar, inspect: sevenz::inspect_rar },
    Format { name: "gzip", recognise: single::gzip, inspect: single::inspect_gzip },
    Format { name: "bzip2", recognise: single::bzip2, inspect: single::inspect_bzip2 },
    Format { name: "xz", recognise: single::xz, inspect: single::inspect_xz },
    Format { name: "lzma", recognise: single::lzma, inspect: single::inspect_lzma },
    Format { name: "lz4", recognise: single::lz4, inspect: single::inspect_lz4 },
    Format { name: "zstd", recognise: single::zstd, inspect: single::inspect_zstd },
    Format { name: "zlib", recognise: single::zlib, inspect: single::inspect_zlib },
    Format { name: "numpy array", recognise: numpy::recognise, inspect: numpy::inspect },
    Format { name: "executorch", recognise: executorch::recognise, inspect: executorch::inspect },
    Format { name: "joblib zfile", recognise: single::zfile, inspect: single::inspect_zfile },
    Format { name: "pickle", recognise: pickle::recognise, inspect: pickle::inspect },
    Format { name: "onnx", recognise: onnx::recognise, inspect: onnx::inspect },
    Format { name: "tensorflow saved model", recognise: tensorflow::is_saved_model, inspect: tensorflow::saved_model },
    Format { name: "tensorflow meta graph", recognise: tensorflow::is_meta_graph, inspect: tensorflow::meta_graph },
    Format { name: "tensorflow graph", recognise: tensorflow::is_graph, inspect: tensorflow::graph },
    Format { name: "tensorflow fingerprint", recognise: tensorflow::is_fingerprint, inspect: tensorflow::fingerprint },
    Format { name: "keras metadata", recognise: tensorflow::is_keras_metadata, inspect: tensorflow::keras_metadata },
    Format {
        name: "tensorflow checkpoint index",
        recognise: tensorflow::checkpoint::is_index,
        inspect: tensorflow::checkpoint::index,
    },
    Format { name: "raw numbers", recognise: raw::recognise, inspect: raw::inspect },
    Format { name: "tflite", recognise: tflite::recognise, inspect: tflite::inspect },
    Format { name: "coreml", recognise: coreml::recognise, inspect: coreml::inspect },
    Format { name: "coreml weights", recognise: coreml::is_weights, inspect: coreml::weights },
    Format { name: "paddle program", recognise: paddle::is_program, inspect: paddle::program },
    Format { name: "paddle parameters", recognise: paddle::is_parameters, inspect: paddle::parameters },
    Format { name: "tensorrt engine", recognise: engine::recognise, inspect: engine::inspect },
    Format { name: "xgboost ubjson", recognise: ubjson::recognise, inspect: ubjson::inspect },
    Format { name: "xgboost binary", recognise: trees::is_xgboost_binary, inspect: trees::xgboost_binary },
    Format { name: "catboost", recognise: trees::is_catboost, inspect: trees::catboost },
    Format { name: "r data", recognise: rdata::recognise, inspect: rdata::inspect },
    Format { name: "messagepack", recognise: msgpack::recognise, inspect: msgpack::inspect },
    inert::FORMAT,
    xml_words::FORMAT,
    Format {
        name: "python bytecode",
        recognise: text::python::bytecode::recognise,
        inspect: text::python::bytecode::inspect,
    },
    Format {
        name: "python with other bytes",
        recognise: text::python::nul::recognise,
        inspect: text::python::nul::inspect,
    },
    by_name::FORMAT,
    // The last: what another reader knows by its content is not only text.
    Format { name: TEXT, recognise: text::recognise, inspect: text::inspect },
];

/// Every format that consists of letters is text too, so that text beside another format is no polyglot.
const TEXT: &str = "text";
/// TensorFlow's own tool puts a model's labels behind it, as a zip.
const LABELS_BEHIND: (&str, &str) = ("zip", "tflite");
/// A block of bytes that nobody knows is worth telling from this size on.
const BLOB: u64 = 16 << 10;

/// The words for formats that there is a reader for, in the order in which they are asked.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|format| format.name)
}

/// Inspects the bytes as everything that they are.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    if source.len() == 0 {
        scan.is("empty");
        return Ok(());
    }
    let len = source.len();
    source.will_read([0..HEAD, len.saturating_sub(TAIL)..len]);
    let head = source.read_up_to(0, HEAD)?;
    let tail = source.read(len.saturating_sub(TAIL)..len)?;
    hdf5::ask(source, &head)?;
    let probe = Probe::new(source, head, tail);
    let matches: Vec<(&Format, Match)> =
        FORMATS.iter().map(|format| (format, (format.recognise)(&probe))).filter(|(_, m)| *m != Match::No).collect();
    let by_content: Vec<&Format> = matches.iter().filter(|(_, m)| *m == Match::Content).map(|(f, _)| *f).collect();
    if let [first, second, ..] = by_content[..]
        && second.name != TEXT
        && (first.name, second.name) != LABELS_BEHIND
    {
        let message = format!(
            "The same bytes are a {} and a {}: what they do depends on who opens them.",
            first.name, second.name
        );
        scan.found(&rules::POLYGLOT, source, 0, message);
    }
    names::check(scan, &probe, &by_content);
    for format in &by_content {
        inspect_as(scan, source, format);
    }
    if let Some(format) = by_content.first() {
        scan.is_unless_named(format.name);
    }
    for (format, _) in matches.iter().filter(|(_, m)| *m == Match::Name) {
        inspect_as(scan, source, format);
        strict::only_named(scan, &probe, format, &by_content);
    }
    match by_content.first() {
        Some(format) => scan.is_unless_named(format.name),
        // A reader that was asked because of the name may know them after all, from the files beside them.
        None if scan.is_named() => {}
        None => {
            if source.len() >= BLOB {
                let start = u64::from_be_bytes(std::array::from_fn(|at| probe.head.get(at).copied().unwrap_or(0)));
                let message =
                    format!("{} bytes, beginning with {start:016x}, are nothing that is known.", source.len());
                scan.found(&rules::BLOB_UNKNOWN, source, 0, message);
            }
            strict::behind_text(scan, source)?;
            scan.unsupported(source, "no reader knows these bytes");
        }
    }
    Ok(())
}

/// Whether any reader knows the bytes, by their content alone. Nothing is inspected.
pub(crate) fn knows(source: &Source) -> Scanned<bool> {
    let len = source.len();
    let (head, tail) = (source.read_up_to(0, HEAD)?, source.read(len.saturating_sub(TAIL)..len)?);
    hdf5::ask(source, &head)?;
    let probe = Probe::new(source, head, tail);
    Ok(FORMATS.iter().any(|format| (format.recognise)(&probe) == Match::Content))
}

/// One reader's trouble is not another's: each is run to its own end.
fn inspect_as(scan: &mut Scan<'_>, source: &Source, format: &Format) {
    if let Err(stop) = (format.inspect)(scan, source) {
        strict::told(scan, source, format, &stop);
        scan.stopped(source, stop);
    }
}

/// Reads the bytes as this format and no other, if it recognises them: a reader never sees what it did not want.
#[cfg(fuzzing)]
pub(crate) fn inspect_only(scan: &mut Scan<'_>, source: &Source, name: &str) {
    let format = FORMATS.iter().find(|format| format.name == name);
    let format = format.unwrap_or_else(|| unreachable!("no format is called {name}"));
    let len = source.len();
    let (Ok(head), Ok(tail)) = (source.read_up_to(0, HEAD), source.read(len.saturating_sub(TAIL)..len)) else { return };
    if (format.recognise)(&Probe::new(source, head, tail)) != Match::No {
        inspect_as(scan, source, format);
    }
}
