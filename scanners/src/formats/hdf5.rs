//! HDF5: groups, datasets and their attributes, read without the HDF5 library and without reading any data.
//!
//! What matters is where a file takes data from other files, and what Keras keeps in attributes. The data itself is inert,
//! but only in a file whose every object was reached and understood; otherwise what was not reached stays unscanned.

mod attribute;
mod file;
mod globals;
mod header;
mod heap;
mod tree;
mod views;

use std::collections::{HashSet, VecDeque};

use self::{
    file::{File, Piece},
    globals::Globals,
    header::Message,
    heap::Fractal,
};
use crate::{
    formats::{
        Format, Match, Probe, ends_in, gap,
        sniff::{self, Family},
    },
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "hdf5", recognise, inspect };

const NAMES: &[&str] = &[".h5", ".hdf5", ".hdf", ".he5"];

fn recognise(probe: &Probe<'_>) -> Match {
    if probe.starts_with(file::SIGNATURE) || behind(probe.source, &probe.head) {
        Match::Content
    } else if probe.named(NAMES) && !super::inert::is_pointer(&probe.head) {
        Match::Name
    } else {
        Match::No
    }
}

/// Names under which nobody looks for HDF5: only programs that read nothing else open them, and the largest files bear
/// them.
const OTHERS: &[&str] = &[".safetensors", ".gguf"];

/// Whether a superblock is looked for behind the beginning. In an archive an HDF5 file may well begin at such a place;
/// only who is told by the name looks for it there.
fn may_be_behind(source: &Source, head: &[u8]) -> bool {
    let named = |ends: &[&str]| ends_in(source.file_name(), ends);
    let archive = sniff::of(head).is_some_and(|family| matches!(family, Family::Zip | Family::Tar));
    !head.starts_with(file::SIGNATURE) && (named(NAMES) || !(archive || named(OTHERS)))
}

/// Asks for the few bytes at every place where the file may turn out to be HDF5. Whoever recognises formats does this
/// first: recognising itself has nowhere to say that bytes are not here.
pub(crate) fn ask(source: &Source, head: &[u8]) -> Scanned<()> {
    if !may_be_behind(source, head) {
        return Ok(());
    }
    source.will_read(file::places(source.len()).map(file::signature_at));
    for at in file::places(source.len()) {
        source.read(file::signature_at(at))?;
    }
    Ok(())
}

fn behind(source: &Source, head: &[u8]) -> bool {
    let is = |at: u64| source.read(file::signature_at(at)).is_ok_and(|bytes| bytes == file::SIGNATURE);
    may_be_behind(source, head) && file::places(source.len()).skip(1).any(is)
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let Some(base) = file::find(source)? else {
        scan.found(&rules::H5_MALFORMED, source, 0, "The name says HDF5, and the file has no HDF5 superblock.");
        return Ok(());
    };
    let head = match file::superblock(scan, source, base) {
        Ok(head) => head,
        Err(stop) => return malformed(scan, source, stop),
    };
    scan.is_unless_named("hdf5");
    gap::look(scan, source, 0..base, "before the HDF5 superblock")?;
    let end = head.end;
    if end > source.len() {
        let message = format!("The file says that it has {end} bytes, and it has {}.", source.len());
        scan.found(&rules::H5_MALFORMED, source, base, message);
        scan.left_out(source, "the HDF5 file is cut off");
    } else {
        gap::look(scan, source, end..source.len(), "behind the end of the HDF5 file")?;
    }
    if head.driver.is_some() {
        scan.found(&rules::H5_EXTERNAL, source, base, "The HDF5 file is spread over several files.");
        scan.left_out(source, "an HDF5 file that is spread over several files is not read");
    }
    let mut walk =
        Walk { file: head.file, globals: Globals::default(), todo: VecDeque::new(), done: HashSet::new(), whole: true };
    walk.add("/".into(), head.root);
    if let Some(extension) = head.extension {
        walk.add("the superblock's extension".into(), extension);
    }
    walk.run(scan)?;
    if walk.whole {
        scan.inert(source, base..end);
    }
    Ok(())
}

/// A fault is a finding here; everything else goes on as it is.
fn malformed(scan: &mut Scan<'_>, source: &Source, stop: Stop) -> Scanned<()> {
    match stop {
        Stop::Broken { at, what } => {
            scan.found(&rules::H5_MALFORMED, source, at, format!("The HDF5 structure is malformed: {what}."));
            scan.left_out(source, format!("the HDF5 structure is malformed: {what}"));
            Ok(())
        }
        stop => Err(stop),
    }
}

/// All objects, each once. Those whose bytes are not here yet do not hold up the others.
struct Walk {
    file: File,
    globals: Globals,
    todo: VecDeque<(String, u64)>,
    done: HashSet<u64>,
    /// Whether everything so far was reached and understood.
    whole: bool,
}

impl Walk {
    fn add(&mut self, path: String, address: u64) {
        if self.done.insert(address) {
            self.todo.push_back((path, address));
        }
    }

    fn run(&mut self, scan: &mut Scan<'_>) -> Scanned<()> {
        while let Some((path, address)) = self.todo.pop_front() {
            scan.steps(1)?;
            let done = self.object(scan, &path, address);
            self.settle(scan, done)?;
        }
        let stops = self.globals.judge_rest(scan, &self.file);
        for stop in stops.unwrap_or_else(|stop| vec![stop]) {
            self.settle(scan, Err(stop))?;
        }
        Ok(())
    }

    /// Goes on after what could not be read, except where the work is used up.
    fn settle(&mut self, scan: &mut Scan<'_>, done: Scanned<()>) -> Scanned<()> {
        let Err(stop) = done else { return Ok(()) };
        self.whole = false;
        let source = self.file.source.clone();
        match stop {
            Stop::NotHere | Stop::Unreadable(_) => scan.stopped(&source, stop),
            Stop::Spent(_) => return Err(stop),
            Stop::Broken { .. } => malformed(scan, &source, stop)?,
        }
        Ok(())
    }

    fn object(&mut self, scan: &mut Scan<'_>, path: &str, address: u64) -> Scanned<()> {
        let messages = header::messages(scan, &self.file, address)?;
        let done = attribute::dataset(scan, &self.file, &mut self.globals, path, &messages);
        self.settle(scan, done)?;
        for message in messages {
            let done = self.message(scan, path, message);
            self.settle(scan, done)?;
        }
        Ok(())
    }

    fn message(&mut self, scan: &mut Scan<'_>, path: &str, message: Message) -> Scanned<()> {
        let Message { kind, shared, body } = message;
        match kind {
            0x02 => self.dense_links(scan, path, body),
            0x06 => self.link(scan, path, body),
            0x07 => self.external_data(scan, path, body),
            0x08 => self.layout(scan, path, body),
            0x0c if shared => self.not_followed("an attribute lies in a shared heap"),
            0x0c => attribute::inspect(scan, &self.file, &mut self.globals, path, body),
            0x11 => self.old_group(scan, path, body),
            0x15 => self.dense_attributes(scan, path, body),
            // Types, spaces, fill values, filters, times, comments, counts: nothing that leads anywhere.
            0..=0x18 => Ok(()),
            other => self.not_followed(&format!("a header has a message of the unknown kind {other}")),
        }
    }

    /// Nothing is wrong, but something was not looked at.
    fn not_followed(&mut self, what: &str) -> Scanned<()> {
        self.whole = false;
        Err(Stop::Unreadable(what.to_owned()))
    }

    fn old_group(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        let (tree, heap) = (body.address()?, body.address()?);
        let names = heap::local(scan, &self.file, heap);
        for symbol in tree::symbols(scan, &self.file, tree)? {
            if symbol.soft || self.file.defined(symbol.address).is_none() {
                continue;
            }
            let name = match &names {
                Ok(names) => heap::name(names, symbol.name)?,
                Err(_) => "?".into(),
            };
            self.add(below(path, &name), symbol.address);
        }
        names.map(|_| ())
    }

    fn dense_links(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        body.skip(1)?;
        let flags = body.u8()?;
        body.skip(if flags & 1 != 0 { 8 } else { 0 })?;
        let (heap, tree) = (body.address()?, body.address()?);
        // Records by name begin with the name's hash.
        for link in self.dense(scan, heap, tree, |record| record.skip(4))? {
            let done = self.link(scan, path, link);
            self.settle(scan, done)?;
        }
        Ok(())
    }

    fn dense_attributes(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        body.skip(1)?;
        let flags = body.u8()?;
        body.skip(if flags & 1 != 0 { 2 } else { 0 })?;
        let (heap, tree) = (body.address()?, body.address()?);
        // Records by name begin with the attribute's id in the heap.
        for attribute in self.dense(scan, heap, tree, |_| Ok(()))? {
            let done = attribute::inspect(scan, &self.file, &mut self.globals, path, attribute);
            self.settle(scan, done)?;
        }
        Ok(())
    }

    /// The objects in a heap that a tree lists.
    fn dense(
        &mut self,
        scan: &mut Scan<'_>,
        heap: u64,
        tree: u64,
        to_id: fn(&mut Piece) -> Scanned<()>,
    ) -> Scanned<Vec<Piece>> {
        if self.file.defined(heap).is_none() {
            return Ok(Vec::new());
        }
        if self.file.defined(tree).is_none() {
            return Err(Stop::Unreadable("objects in a heap are not listed by name".into()));
        }
        let fractal = Fractal::read(scan, &self.file, heap)?;
        let mut objects = Vec::new();
        for mut record in tree::records(scan, &self.file, tree)? {
            to_id(&mut record)?;
            let object = fractal.object(scan, &self.file, record).map(|object| objects.push(object));
            self.settle(scan, object)?;
        }
        Ok(objects)
    }

    fn link(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        let at = body.at;
        body.skip(1)?;
        let flags = body.u8()?;
        let kind = if flags & 8 != 0 { body.u8()? } else { 0 };
        body.skip(if flags & 4 != 0 { 8 } else { 0 } + u64::from(flags & 16 != 0))?;
        let length = body.number(1 << (flags & 3))?;
        let name = String::from_utf8_lossy(&body.take(length)?).into_owned();
        let link = below(path, &name);
        match kind {
            0 => {
                let address = body.address()?;
                self.add(link, address);
            }
            1 => {}
            64 => {
                body.skip(3)?;
                let (file, object) = (body.text()?, body.text()?);
                scan.facts.references.insert(file.clone());
                let message = format!("The link `{link}` leads to `{object}` in another file, `{file}`.");
                scan.found(&rules::H5_EXTERNAL, &self.file.source, at, message);
            }
            other => {
                let message = format!("The link `{link}` is of kind {other}, which only its own program can follow.");
                scan.found(&rules::H5_MALFORMED, &self.file.source, at, message);
            }
        }
        Ok(())
    }

    fn external_data(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        let at = body.at;
        body.skip(6)?;
        let used = body.u16()?;
        let names = body.address()?;
        let names = heap::local(scan, &self.file, names)?;
        for _ in 0..used {
            let name = heap::name(&names, body.length()?)?;
            body.length()?;
            body.length()?;
            scan.facts.references.insert(name.clone());
            let message = format!("The data of `{path}` is taken from another file, `{name}`.");
            scan.found(&rules::H5_EXTERNAL, &self.file.source, at, message);
        }
        Ok(())
    }

    /// Data lies in the header, in one piece or in chunks, all of it inert; or it is put together from other datasets.
    fn layout(&mut self, scan: &mut Scan<'_>, path: &str, mut body: Piece) -> Scanned<()> {
        let at = body.at;
        let (version, class) = (body.u8()?, body.u8()?);
        if version < 4 || class != 3 {
            return Ok(());
        }
        let (heap, index) = (body.address()?, body.u32()?);
        if self.file.defined(heap).is_none() {
            return Ok(());
        }
        for list in self.globals.objects(scan, &self.file, heap, index)? {
            let files = views::files(scan, list);
            let files = match files {
                Err(Stop::Unreadable(what)) => return self.not_followed(&what),
                files => files?,
            };
            for from in files {
                scan.facts.references.insert(from.clone());
                let message = format!("The data of `{path}` is put together from another file, `{from}`.");
                scan.found(&rules::H5_EXTERNAL, &self.file.source, at, message);
            }
        }
        Ok(())
    }
}

fn below(path: &str, name: &str) -> String {
    let path: String = if path.len() > 200 { "…".into() } else { path.trim_end_matches('/').into() };
    format!("{path}/{name}")
}

#[cfg(test)]
mod tests;
