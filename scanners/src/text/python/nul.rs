//! Python source with bytes that no text has. Some versions of Python end a line at a zero byte and run what stands before
//! it, others refuse the file; what can be read of it is read as code.

use crate::{
    formats::{Match, Probe},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let wide = probe.starts_with(b"\xff\xfe") || probe.starts_with(b"\xfe\xff");
    // What begins as another format and is only named so is for that format's reader.
    let text = probe.head.first().is_some_and(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    let zero = memchr::memchr(0, &probe.head).is_some() || memchr::memchr(0, &probe.tail).is_some();
    if probe.named(&[".py", ".pyw", ".pyi"]) && zero && text && !wide { Match::Name } else { Match::No }
}

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let bytes = source.read_all(scan.limits.text_bytes)?;
    let at = memchr::memchr(0, &bytes).unwrap_or(0);
    let message = format!(
        "Byte {at} of this Python file is zero, which no editor writes: readers and versions of Python differ in what they make \
         of it."
    );
    scan.found(&rules::PYTHON_OBFUSCATED, source, at as u64, message);
    let text = String::from_utf8_lossy(&bytes).replace('\0', "\n");
    scan.inspected(source, 0..source.len());
    super::inspect(scan, source, 0, &text)
}
