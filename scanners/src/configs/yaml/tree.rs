//! Tokens of YAML into a tree and a list of tags. Merge keys are put in place; other aliases of collections are counted.

use std::collections::HashMap;

use super::{
    Document, Tag,
    lex::{Lexer, Rules, TokenKind},
};
use crate::{
    read::json::{Kind, Tree, Value},
    scan::{Scanned, Stop},
};

/// One open collection.
struct Open {
    id: usize,
    form: Form,
    state: State,
    key: Option<String>,
    /// It stands under `<<`: what it holds belongs to this mapping.
    into: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Mapping,
    Sequence,
    /// A sequence in a mapping, at its key's column.
    Indentless,
    FlowMapping,
    FlowSequence,
    /// `[a: b]`: a mapping of one key in a sequence.
    Pair,
}

/// What the next node of a mapping is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Key,
    Value,
}

/// What an anchor stands for.
type Anchors = HashMap<String, usize>;

/// Bytes of keys and texts that merge keys and aliases may copy.
const MOST_COPIED: usize = 64 << 20;

struct Builder {
    values: Vec<Value>,
    /// For each value, how many values it comes to.
    weights: Vec<u64>,
    open: Vec<Open>,
    tags: Vec<Tag>,
    /// The handles of this document, those before the next one, and all that there ever were.
    handles: HashMap<String, String>,
    coming: HashMap<String, String>,
    carried: HashMap<String, String>,
    anchors: Anchors,
    anchor: Option<String>,
    /// How many of the last tags belong to the next node.
    tagged: usize,
    most: usize,
    copied: usize,
    steps: usize,
    at: usize,
}

/// Reads a stream of documents by the rules of one reader.
pub(super) fn read(text: &str, rules: Rules, most: usize) -> Scanned<Document> {
    let mut builder = Builder {
        values: vec![Value { at: 0, kind: Kind::Array(Vec::new()) }],
        weights: vec![1],
        open: Vec::new(),
        tags: Vec::new(),
        handles: HashMap::new(),
        coming: HashMap::new(),
        carried: HashMap::new(),
        anchors: HashMap::new(),
        anchor: None,
        tagged: 0,
        most,
        copied: 0,
        steps: 0,
        at: 0,
    };
    let mut lexer = Lexer::new(text, rules);
    while let Some(token) = lexer.next() {
        builder.at = token.at;
        builder.token(token.kind)?;
    }
    while !builder.open.is_empty() {
        builder.close()?;
    }
    Ok(builder.finish())
}

impl Builder {
    fn finish(self) -> Document {
        let expanded = self.weights.iter().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        let mut values = self.values;
        // A stream of one document is that document.
        let only = match values.first().map(|value| &value.kind) {
            Some(Kind::Array(items)) if items.len() == 1 => items.first().copied(),
            _ => None,
        };
        if let Some(value) = only.and_then(|only| values.get_mut(only)) {
            let whole = Value { at: value.at, kind: std::mem::replace(&mut value.kind, Kind::Null) };
            if let Some(first) = values.first_mut() {
                *first = whole;
            }
        }
        Document { tree: Tree::of(values), tags: self.tags, expanded }
    }

    fn token(&mut self, kind: TokenKind) -> Scanned<()> {
        match kind {
            TokenKind::Handle(handle, prefix) => {
                self.end_document()?;
                self.carried.insert(handle.clone(), prefix.clone());
                self.coming.insert(handle, prefix);
            }
            TokenKind::DocumentStart => {
                self.end_document()?;
                self.handles = std::mem::take(&mut self.coming);
            }
            TokenKind::DocumentEnd => {
                self.end_document()?;
                self.handles.clear();
            }
            TokenKind::Sequence => self.enter(Form::Sequence)?,
            TokenKind::Mapping => self.enter(Form::Mapping)?,
            TokenKind::FlowSequence => self.enter(Form::FlowSequence)?,
            TokenKind::FlowMapping => self.enter(Form::FlowMapping)?,
            TokenKind::BlockEnd => {
                self.leave(Form::Indentless)?;
                self.close()?;
            }
            TokenKind::FlowEnd => {
                self.leave(Form::Pair)?;
                self.close()?;
            }
            TokenKind::FlowEntry => {
                self.leave(Form::Pair)?;
                self.settle()?;
            }
            TokenKind::BlockEntry => {
                self.no_node();
                let in_mapping = self.open.last().is_some_and(|open| open.form == Form::Mapping);
                if in_mapping {
                    self.enter(Form::Indentless)?;
                }
            }
            TokenKind::Key => {
                self.leave(Form::Indentless)?;
                self.pair()?;
                self.settle()?;
                self.state(State::Key);
            }
            TokenKind::Value => {
                self.no_node();
                self.leave(Form::Indentless)?;
                self.pair()?;
                self.state(State::Value);
            }
            TokenKind::Anchor(name) => self.anchor = Some(name),
            TokenKind::Tag(spellings) => self.tag(&spellings),
            TokenKind::Alias(name) => self.alias(&name)?,
            TokenKind::Scalar(text) => self.scalar(text)?,
        }
        Ok(())
    }

    fn end_document(&mut self) -> Scanned<()> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.anchors.clear();
        self.no_node();
        Ok(())
    }

    /// A node that is only an anchor or a tag ends here.
    fn no_node(&mut self) {
        self.anchor = None;
        self.tagged = 0;
    }

    /// What stood as a key without a value has none.
    fn settle(&mut self) -> Scanned<()> {
        self.no_node();
        if self.open.last().is_some_and(|open| open.key.is_some()) {
            self.add(Kind::Null)?;
        }
        if let Some(open) = self.open.last_mut() {
            open.state = State::Idle;
        }
        Ok(())
    }

    fn state(&mut self, state: State) {
        if let Some(open) = self.open.last_mut()
            && matches!(open.form, Form::Mapping | Form::FlowMapping | Form::Pair)
        {
            open.state = state;
        }
    }

    fn pair(&mut self) -> Scanned<()> {
        if self.open.last().is_some_and(|open| open.form == Form::FlowSequence) {
            self.enter(Form::Pair)?;
        }
        Ok(())
    }

    fn enter(&mut self, form: Form) -> Scanned<()> {
        let mapping = matches!(form, Form::Mapping | Form::FlowMapping | Form::Pair);
        let under = self.open.last().filter(|open| open.state == State::Value && open.key.as_deref() == Some("<<"));
        let into = under.map(|open| open.id).or_else(|| self.open.last().and_then(|open| open.into));
        let into = into.filter(|_| under.is_some() || mapping);
        let id = self.add(if mapping { Kind::Object(Vec::new()) } else { Kind::Array(Vec::new()) })?;
        self.open.push(Open { id, form, state: State::Idle, key: None, into });
        Ok(())
    }

    /// Closes the innermost collection if it is of this form.
    fn leave(&mut self, form: Form) -> Scanned<()> {
        if self.open.last().is_some_and(|open| open.form == form) {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Scanned<()> {
        self.settle()?;
        match self.open.pop() {
            Some(Open { id, into: Some(into), .. }) => self.merge(id, into),
            _ => Ok(()),
        }
    }

    /// `<<: *base`: the mapping has what the other one has, where it has nothing of its own. Of a collection only that it is
    /// there: what it holds is judged where it stands, and nothing must come to lie in itself.
    fn merge(&mut self, from: usize, into: usize) -> Scanned<()> {
        let Some(Kind::Object(entries)) = self.values.get(from).map(|value| &value.kind) else { return Ok(()) };
        self.copied += entries.iter().fold(0_usize, |sum, (key, _)| sum + key.len() + 32);
        self.bounded()?;
        let entries = entries.clone();
        let mut merged = Vec::new();
        for (key, id) in entries {
            let held = matches!(self.values.get(id).map(|v| &v.kind), Some(Kind::Object(_) | Kind::Array(_)));
            merged.push((key, if held { self.value(Kind::Null)? } else { id }));
        }
        if let Some(Kind::Object(own)) = self.values.get_mut(into).map(|value| &mut value.kind) {
            self.copied += own.len();
            own.splice(0..0, merged);
        }
        Ok(())
    }

    fn bounded(&self) -> Scanned<()> {
        if self.copied > MOST_COPIED {
            return Err(Stop::Spent(format!("aliases copy more than {MOST_COPIED} bytes")));
        }
        Ok(())
    }

    fn scalar(&mut self, text: String) -> Scanned<()> {
        let tagged = std::mem::take(&mut self.tagged);
        for tag in self.tags.iter_mut().rev().take(tagged) {
            tag.text = Some(text.chars().take(1024).collect());
        }
        let key = match self.open.last_mut() {
            Some(open) if open.state == State::Key => {
                open.key = Some(text.clone());
                open.state = State::Idle;
                true
            }
            // `{a, b: c}`: a key that has no value.
            Some(open) if open.state == State::Idle && open.form == Form::FlowMapping => {
                open.key = Some(text);
                return self.add(Kind::Null).map(|_| ());
            }
            _ => false,
        };
        if !key {
            self.add(Kind::String(text))?;
        } else if let Some(anchor) = self.anchor.take() {
            let id = self.value(Kind::String(text))?;
            self.anchors.insert(anchor, id);
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind) -> Scanned<usize> {
        let id = self.values.len();
        if id >= self.most {
            return Err(Stop::Spent(format!("more than {} YAML values", self.most)));
        }
        self.values.push(Value { at: self.at as u64, kind });
        self.weights.push(1);
        Ok(id)
    }

    /// Puts a node where the next one belongs.
    fn add(&mut self, kind: Kind) -> Scanned<usize> {
        let id = self.value(kind)?;
        self.tagged = 0;
        if let Some(anchor) = self.anchor.take() {
            self.anchors.insert(anchor, id);
        }
        let (parent, mut key) = match self.open.last_mut() {
            Some(open) => {
                open.state = State::Idle;
                (open.id, open.key.take())
            }
            None => (0, None),
        };
        if let Some(parent) = self.values.get_mut(parent) {
            parent.hold(&mut key, id);
        }
        Ok(id)
    }

    /// An alias stands for all that its anchor comes to, counted as far as it is read.
    fn alias(&mut self, name: &str) -> Scanned<()> {
        let target = self.anchors.get(name).copied();
        if let Some(Kind::String(text)) = target.and_then(|target| self.values.get(target)).map(|value| &value.kind) {
            self.copied += text.len();
            self.bounded()?;
            let text = text.clone();
            return self.scalar(text);
        }
        let top = self.open.last();
        let merged = top.filter(|open| open.state == State::Value && open.key.as_deref() == Some("<<"));
        let listed = top.filter(|open| matches!(open.form, Form::Sequence | Form::FlowSequence | Form::Indentless));
        let into = merged.map(|open| open.id).or_else(|| listed.and_then(|open| open.into));
        let id = self.add(Kind::Null)?;
        let Some(target) = target else { return Ok(()) };
        let weight = self.weight(target, id);
        if let Some(own) = self.weights.get_mut(id) {
            *own = weight;
        }
        into.map_or(Ok(()), |into| self.merge(target, into))
    }

    /// What `id` and all that lies under it comes to. Values stand in the order in which they are read, so that what lies
    /// under one value stands behind it, up to the next value beside it.
    fn weight(&mut self, id: usize, before: usize) -> u64 {
        let (mut sum, mut todo, mut looked) = (0_u64, vec![id], 0_usize);
        while let Some(id) = todo.pop() {
            looked += 1;
            self.steps += 1;
            sum = sum.saturating_add(self.weights.get(id).copied().unwrap_or(1));
            if looked > 10_000 || self.steps > 20_000_000 || id >= before {
                continue;
            }
            match self.values.get(id).map(|value| &value.kind) {
                Some(Kind::Object(entries)) => todo.extend(entries.iter().map(|(_, id)| *id)),
                Some(Kind::Array(items)) => todo.extend(items),
                _ => {}
            }
        }
        sum
    }

    /// Notes a tag under every name that a reader may give it: handles end with their document, but not for all.
    fn tag(&mut self, spellings: &[(Option<String>, String)]) {
        let mut names: Vec<String> = Vec::new();
        for (handle, rest) in spellings {
            let default = match handle.as_deref() {
                None => String::new(),
                Some("!!") => "tag:yaml.org,2002:".to_owned(),
                Some(handle) => handle.to_owned(),
            };
            let known = |handles: &HashMap<String, String>| handle.as_ref().and_then(|h| handles.get(h)).cloned();
            for prefix in [known(&self.handles).unwrap_or(default.clone()), known(&self.carried).unwrap_or(default)] {
                let name = format!("{prefix}{rest}");
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        self.tagged += names.len();
        self.tags.extend(names.into_iter().map(|name| Tag { at: self.at as u64, name, text: None }));
    }
}
