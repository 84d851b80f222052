//! XML of any kind, PMML and OpenVINO's model descriptions among it: entities, inclusions and stylesheets.
//! Scripts in pages are the matter of whoever reads pages.
//!
//! No entity is ever expanded and nothing is fetched; a document that declares entities is reported, not resolved.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::{
    formats::{
        paths::{beside, leaves_folder},
        xml_words,
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
    text::page,
};

/// Deeper than any model's description, and less than what parsers that recurse can take.
const DEEP: usize = 1024;
/// Document types that programs know by heart and whose address they do not open.
const KNOWN_TYPES: &[&str] =
    &["\"http://www.apple.com/DTDs/", "\"http://www.w3.org/", "\"https://www.w3.org/", "\"http://www.apple.com/"];

/// Inspects a document. A model's description that is broken is worth telling; any other document harms nobody so.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let first = inspect_as_is(scan, source, text);
    xml_words::declared(scan, source, text, |scan, source, text| {
        drawing_as_is(scan, source, text);
        inspect_as_is(scan, source, text)
    })?;
    first
}

fn inspect_as_is(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let walked = walk(scan, source, text);
    if let Err(Stop::Broken { at, what }) = &walked
        && (text.contains("<PMML") || text.contains("<net "))
    {
        let message = format!("The description of the model breaks at byte {at}: {what}. No library writes this.");
        scan.found(&rules::STRUCTURE_BROKEN, source, *at, message);
    }
    walked
}

fn walk(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    // XML has no place for these, whatever encoding it is in.
    if let Some(at) = text.bytes().position(|byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')) {
        return Err(Stop::broken(at as u64, "the XML holds control characters"));
    }
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = true;
    let mut net = Net::default();
    let mut depth = 0_usize;
    let mut root = false;
    loop {
        scan.steps(1)?;
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| Stop::broken(at, format!("the XML is invalid: {error}")))?;
        match event {
            Event::Start(tag) => {
                depth += 1;
                if depth > DEEP {
                    return Err(Stop::broken(at, format!("elements lie in one another deeper than {DEEP}")));
                }
                element(scan, source, at, &tag, &mut net)?;
                root = true;
            }
            Event::Empty(tag) => {
                element(scan, source, at, &tag, &mut net)?;
                root = true;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(doctype) => {
                let words = String::from_utf8_lossy(&doctype).into_owned();
                document_type(scan, source, at, &words);
            }
            Event::PI(instruction) => {
                let words = String::from_utf8_lossy(&instruction).into_owned();
                if words.starts_with("xml-stylesheet") || words.starts_with("php") {
                    let message = format!("The document asks whoever shows it to run `<?{}?>`.", short(&words));
                    scan.found(&rules::PAGE_ACTIVE, source, at, message);
                }
            }
            Event::GeneralRef(name) => reference(scan, source, at, &String::from_utf8_lossy(&name)),
            Event::Eof => break,
            _ => {}
        }
    }
    if depth > 0 || !root {
        return Err(Stop::broken(text.len() as u64, "the XML ends in the middle"));
    }
    net.end(scan, source);
    scan.inspected(source, 0..source.len());
    Ok(())
}

fn short(words: &str) -> String {
    words.chars().take(120).collect()
}

/// A drawing's document type. Drawing programs declare entities for the names of their own namespaces; what reads a file, or
/// grows out of entities in entities, is not for that.
pub(crate) fn drawing(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    drawing_as_is(scan, source, text);
    xml_words::declared(scan, source, text, |scan, source, text| {
        drawing_as_is(scan, source, text);
        page::html(scan, source, text)
    })
}

fn drawing_as_is(scan: &mut Scan<'_>, source: &Source, text: &str) {
    let head = text.get(..text.len().min(64 << 10)).unwrap_or(text);
    let upper = head.to_ascii_uppercase();
    let Some(at) = upper.find("<!DOCTYPE") else { return };
    let declared = upper.get(at..).unwrap_or_default();
    let end = declared.find("]>").unwrap_or(declared.len());
    for entity in declared.get(..end).unwrap_or_default().split("<!ENTITY").skip(1) {
        let before_value = entity.split(['"', '\'']).next().unwrap_or_default();
        let value = entity.split(['"', '\'']).nth(1).unwrap_or_default();
        let grows = value.contains('&') && !value.contains("&#") && !value.contains("&AMP;");
        let elsewhere = before_value.contains("SYSTEM") || before_value.contains("PUBLIC");
        if elsewhere || before_value.contains('%') || grows {
            let shown = head.get(at..).unwrap_or_default();
            let message = format!(
                "The drawing's document type declares entities that read files or grow: `{}`. No drawing needs this.",
                short(shown)
            );
            scan.found(&rules::XML_ENTITY, source, at as u64, message);
            return;
        }
    }
}

/// A document type that declares entities, or sends the reader elsewhere for them.
fn document_type(scan: &mut Scan<'_>, source: &Source, at: u64, words: &str) {
    let upper = words.to_ascii_uppercase();
    let declares = upper.contains("<!ENTITY") || words.contains('%');
    let elsewhere = upper.contains("SYSTEM") || upper.contains("PUBLIC");
    let known = KNOWN_TYPES.iter().any(|known| words.contains(known)) && !words.contains('[');
    let message = if declares {
        format!(
            "The document type declares entities: `{}`. A reader that expands them reads files or grows without end.",
            short(words)
        )
    } else if elsewhere && !known {
        format!("The document type sends its reader elsewhere: `{}`.", short(words))
    } else {
        return;
    };
    scan.found(&rules::XML_ENTITY, source, at, message);
}

fn reference(scan: &mut Scan<'_>, source: &Source, at: u64, name: &str) {
    if !name.starts_with('#') && !["lt", "gt", "amp", "quot", "apos", "nbsp", "copy"].contains(&name) {
        let message = format!("The document uses the entity `&{};`, which XML itself does not have.", short(name));
        scan.found(&rules::XML_ENTITY, source, at, message);
    }
}

fn element(scan: &mut Scan<'_>, source: &Source, at: u64, tag: &BytesStart<'_>, net: &mut Net) -> Scanned<()> {
    let name = String::from_utf8_lossy(tag.name().local_name().as_ref()).into_owned();
    if name == "include"
        && tag.attributes().flatten().any(|a| a.key.as_ref() == b"href")
        && tag.name().prefix().is_some()
    {
        let message = "The document includes another one (`xi:include`): its reader opens a file or an address.";
        scan.found(&rules::XML_ENTITY, source, at, message);
    }
    if name == "net" && net.first {
        net.is = true;
        scan.is("openvino");
    }
    if name == "PMML" && net.first {
        scan.is("pmml");
    }
    net.first = false;
    let mut seen = 0;
    for attribute in tag.attributes() {
        scan.steps(1)?;
        seen += 1;
        if seen > 10_000 {
            return Err(Stop::Spent("thousands of attributes of one element".into()));
        }
        let attribute = attribute.map_err(|error| Stop::broken(at, format!("the XML is invalid: {error}")))?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).to_ascii_lowercase();
        let value = String::from_utf8_lossy(&attribute.value);
        if net.is && net.layers.len() < 1_000_000 {
            net.attribute(at, &name, &key, &value);
        }
    }
    Ok(())
}

/// The sets of operations that the runtime brings itself.
fn is_opset(version: &str) -> bool {
    let digits = version.strip_prefix("opset").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    digits || matches!(version, "experimental" | "ie_internal_opset" | "util" | "")
}

/// What an OpenVINO description says of the weights file beside it.
struct Net {
    first: bool,
    is: bool,
    layers: Vec<Constant>,
    extensions: Vec<(u64, String)>,
}

impl Default for Net {
    fn default() -> Self {
        Self { first: true, is: false, layers: Vec::new(), extensions: Vec::new() }
    }
}

/// One constant: where it lies in the weights file.
#[derive(Default)]
struct Constant {
    at: u64,
    offset: Option<String>,
    size: Option<String>,
}

impl Net {
    fn attribute(&mut self, at: u64, element: &str, key: &str, value: &str) {
        if matches!(element, "data" | "biases" | "weights" | "custom") && matches!(key, "offset" | "size") {
            if self.layers.last().is_none_or(|last| last.at != at) {
                self.layers.push(Constant { at, ..Constant::default() });
            }
            if let Some(last) = self.layers.last_mut() {
                let place = if key == "offset" { &mut last.offset } else { &mut last.size };
                *place = Some(value.to_owned());
            }
        }
        let library = [".so", ".dll", ".dylib"].iter().any(|end| value.trim().to_ascii_lowercase().ends_with(end));
        let foreign = element == "layer" && key == "version" && !is_opset(value);
        if library || foreign || key == "extension_path" {
            self.extensions.push((at, value.to_owned()));
        }
    }

    /// The constants have to lie in the weights file that has the same name.
    fn end(self, scan: &mut Scan<'_>, source: &Source) {
        for (at, library) in &self.extensions {
            let message = if library.contains('.') {
                format!("The model names the native library {library:?}, which its runtime would load.")
            } else {
                format!("A layer belongs to the operations {library:?}, which a native library has to bring.")
            };
            scan.found(&rules::VINO_EXTENSION, source, *at, message);
        }
        let stem = source.file_name().rsplit_once('.').map_or(source.file_name(), |(stem, _)| stem);
        let weights = beside(source, &format!("{stem}.bin"));
        if leaves_folder(stem).is_some() || !self.is {
            return;
        }
        if !self.layers.is_empty() {
            scan.facts.references.extend(weights.clone());
        }
        let there = scan.neighbours.zip(weights.as_ref()).map(|(all, path)| all.get(path).copied());
        for layer in &self.layers {
            let (Some(offset), Some(size)) = (&layer.offset, &layer.size) else { continue };
            let end = offset.parse::<u64>().ok().zip(size.parse::<u64>().ok()).and_then(|(o, s)| o.checked_add(s));
            let message = match (end, there) {
                (None, _) => format!(
                    "A constant lies at offset {:?} with size {:?}, which is no place.",
                    short(offset),
                    short(size)
                ),
                (Some(end), Some(Some(there))) if end > there => {
                    format!("A constant ends at byte {end} of the weights file, which has {there} bytes.")
                }
                _ => continue,
            };
            scan.found(&rules::VINO_EXTENT, source, layer.at, message);
        }
        if there == Some(None) && !self.layers.is_empty() {
            scan.facts.references.extend(weights);
        }
    }
}
