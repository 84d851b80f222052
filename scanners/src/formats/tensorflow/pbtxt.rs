//! TensorFlow graphs as text: `.pbtxt`. The same nodes as in the binary form, judged by the same table.
//!
//! Reads words and blocks without a schema; what it does not know it passes over.

use std::collections::HashSet;

use crate::{
    formats::tensorflow::{
        graph::{Graph, Node},
        judge,
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Whether the text is a graph, a meta graph or a saved model.
pub(crate) fn recognise(text: &str) -> bool {
    let mut words = Words::new(text);
    let first = words.next().ok().flatten();
    let second = words.next().ok().flatten();
    let opens = matches!(&second, Some((_, Word::Mark('{' | '<')))) || words.after_colon;
    let known =
        ["node", "library", "versions", "meta_graphs", "meta_info_def", "graph_def", "saved_model_schema_version"];
    opens && matches!(&first, Some((_, Word::Name(name))) if known.contains(&name.as_str()))
}

/// Judges the operations of a graph that is written as text.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let mut words = Words::new(text);
    let mut blocks: Vec<Block> = Vec::new();
    let mut building = Building { graphs: vec![Graph::default()], node: None, function: None };
    let mut pending: Option<(u64, String)> = None;
    while let Some((at, word)) = words.next()? {
        scan.steps(1)?;
        match word {
            Word::Mark('{' | '<') => {
                let (at, name) = pending.take().unwrap_or((at, String::new()));
                building.open(&name, at);
                blocks.push(Block { name, key: String::new() });
            }
            Word::Mark('}' | '>') => {
                let Some(block) = blocks.pop() else {
                    return Err(Stop::broken(at, "a block ends that did not begin"));
                };
                building.close(&block.name);
            }
            Word::Mark(_) => {}
            Word::Name(name) => match pending.take() {
                // `type: DT_FLOAT`: a name where a value is expected.
                Some((_, field)) if words.after_colon => building.value(&mut blocks, &field, &name),
                _ => pending = Some((at, name)),
            },
            Word::Text(value) => {
                if let Some((at, field)) = pending.take() {
                    building.value(&mut blocks, &field, &value);
                    // Within brackets, more values of the same field follow.
                    pending = Some((at, field)).filter(|_| words.text_follows());
                }
            }
        }
    }
    if !blocks.is_empty() {
        return Err(Stop::broken(text.len() as u64, "a block has no end"));
    }
    building.graphs.extend(building.function.take());
    judge::judge(scan, source, &building.graphs, &HashSet::new())?;
    scan.inspected(source, 0..source.len());
    Ok(())
}

struct Block {
    name: String,
    /// The `key` of a map's entry.
    key: String,
}

struct Building {
    graphs: Vec<Graph>,
    node: Option<Node>,
    function: Option<Graph>,
}

impl Building {
    fn open(&mut self, name: &str, at: u64) {
        match name {
            "node" | "node_def" => self.node = Some(Node { at, ..Node::default() }),
            "function" => self.function = Some(Graph { function: Some(String::new()), ..Graph::default() }),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "node" | "node_def" => {
                let node = self.node.take().unwrap_or_default();
                let graph = match &mut self.function {
                    Some(function) => Some(function),
                    None => self.graphs.first_mut(),
                };
                if let Some(graph) = graph {
                    graph.by_name.entry(node.name.clone()).or_insert(graph.nodes.len());
                    graph.nodes.push(node);
                }
            }
            "function" => self.graphs.extend(self.function.take()),
            _ => {}
        }
    }

    fn value(&mut self, blocks: &mut [Block], field: &str, value: &str) {
        let attribute = blocks.iter().rev().find(|block| block.name == "attr").map(|block| block.key.clone());
        let Some(block) = blocks.last_mut() else { return };
        if field == "key" {
            value.clone_into(&mut block.key);
        }
        match (&mut self.node, block.name.as_str(), field) {
            (Some(node), "node" | "node_def", "name") => value.clone_into(&mut node.name),
            (Some(node), "node" | "node_def", "op") => node.ops.push(value.to_owned()),
            (Some(node), "node" | "node_def", "input") => node.inputs.push(value.to_owned()),
            (Some(node), "func", "name") => node.calls.push(value.to_owned()),
            (Some(node), "tensor", "string_val") => node.texts.push(value.to_owned()),
            (Some(node), _, "s") => node.settings.push((attribute.unwrap_or_default(), value.to_owned())),
            (None, "signature", "name") => {
                if let Some(function) = &mut self.function {
                    function.function = Some(value.to_owned());
                }
            }
            (None, "input_arg", "name") => {
                if let Some(function) = &mut self.function {
                    function.arguments.push(value.to_owned());
                }
            }
            _ => {}
        }
    }
}

enum Word {
    Name(String),
    Text(String),
    Mark(char),
}

/// The words of protobuf's text form.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
    after_colon: bool,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, after_colon: false }
    }

    fn blank(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            if *byte == b'#' {
                let rest = self.text.get(self.at..).unwrap_or_default();
                self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            } else if byte.is_ascii_whitespace() || matches!(byte, b',' | b';') {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    fn text_follows(&mut self) -> bool {
        self.blank();
        matches!(self.text.get(self.at), Some(b'"' | b'\''))
    }

    fn quote_follows(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied().filter(|byte| matches!(byte, b'"' | b'\''))
    }

    fn next(&mut self) -> Scanned<Option<(u64, Word)>> {
        self.blank();
        self.after_colon = false;
        if self.text.get(self.at) == Some(&b':') {
            self.at += 1;
            self.after_colon = true;
            self.blank();
            if !matches!(self.text.get(self.at), Some(b'{' | b'<' | b'[')) && self.text.get(self.at).is_none() {
                return Err(Stop::broken(self.at as u64, "a value is missing"));
            }
        }
        let at = self.at as u64;
        let Some(&byte) = self.text.get(self.at) else { return Ok(None) };
        let word = match byte {
            b'"' | b'\'' => {
                // Texts that follow each other without a comma are one.
                let mut text = self.quoted(byte)?;
                while let Some(quote) = self.quote_follows() {
                    text.push_str(&self.quoted(quote)?);
                }
                Word::Text(text)
            }
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.') || byte >= 0x80 => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let letter =
                    |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'.') || **b >= 0x80;
                let length = rest.iter().take_while(letter).count();
                self.at += length;
                Word::Name(String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned())
            }
            byte => {
                self.at += 1;
                Word::Mark(char::from(byte))
            }
        };
        Ok(Some((at, word)))
    }

    fn quoted(&mut self, quote: u8) -> Scanned<String> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(Stop::broken(self.at as u64, "a text has no end"));
            };
            self.at += 1;
            match byte {
                b'\\' => self.escape(&mut out),
                byte if byte == quote => return Ok(String::from_utf8_lossy(&out).into_owned()),
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) {
        let Some(&byte) = self.text.get(self.at) else { return };
        self.at += 1;
        let (digits, base, most) = match byte {
            b'n' => return out.push(b'\n'),
            b't' => return out.push(b'\t'),
            b'r' => return out.push(b'\r'),
            b'x' | b'X' => (self.at, 16, 2),
            b'0'..=b'7' => (self.at - 1, 8, 3),
            other => return out.push(other),
        };
        let rest = self.text.get(digits..).unwrap_or_default();
        let count = rest.iter().take(most).take_while(|b| char::from(**b).is_digit(base)).count();
        let number = std::str::from_utf8(rest.get(..count).unwrap_or_default()).unwrap_or_default();
        self.at = digits + count;
        out.push(u32::from_str_radix(number, base).map_or(0, |value| value.to_le_bytes()[0]));
    }
}

/// Whether the text is the file `checkpoint`, which names the newest checkpoint of its folder.
pub(crate) fn is_state(source: &Source, text: &str) -> bool {
    source.file_name() == "checkpoint" && text.starts_with("model_checkpoint_path")
}

/// The file `checkpoint`. Trainers write paths of their own machine into it; those of the system are another matter.
pub(crate) fn state(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    const SYSTEM: &[&str] = &["/etc/", "/root/", "/proc/", "/sys/", "/dev/", "/boot/", "/usr/", "/bin/", "/var/"];
    scan.is("tensorflow checkpoint state");
    let mut words = Words::new(text);
    while let Some((at, word)) = words.next()? {
        scan.steps(1)?;
        let Word::Text(path) = word else { continue };
        let up = path.split(['/', '\\']).any(|part| part == "..");
        if up || path.contains("://") || SYSTEM.iter().any(|folder| path.starts_with(folder)) {
            let message = format!("The newest checkpoint is said to be {path:?}, which is not in this folder.");
            scan.found(&rules::CONFIG_ESCAPE, source, at, message);
        }
    }
    scan.inspected(source, 0..source.len());
    Ok(())
}
