//! Global heaps: collections of texts and bytes of any length, into which attributes and datasets point.
//!
//! Everything in a collection is judged, whoever points there: chunks can be packed in ways that nobody here unpacks, and
//! two objects can bear one number, of which readers take one or the other. A collection is read once for its list and
//! once to be judged, however many point into it. Never follows what an object says.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use bytes::Bytes;

use super::{
    attribute,
    file::{File, Piece},
};
use crate::{
    rules,
    scan::{Scan, Scanned, Stop},
};

/// The largest collection that is read.
const LARGEST: u64 = 64 << 20;

/// How every collection begins, with its only version.
const BEGINS: &[u8] = b"GCOL\x01";

/// Bytes that are searched for collections at a time.
const WINDOW: u64 = 1 << 20;

/// Objects whose places are remembered; when there are more, the lists are read again, which counts as work.
const REMEMBERED: usize = 1 << 20;

/// An object in a collection.
#[derive(Clone, Copy)]
struct Object {
    number: u64,
    /// Where its bytes begin in the source.
    at: u64,
    length: u64,
}

/// What is known of a file's collections so far.
#[derive(Default)]
pub(crate) struct Globals {
    /// Those that somebody points to.
    pointed: BTreeSet<u64>,
    /// The objects of those that were asked for by number.
    lists: HashMap<u64, Rc<[Object]>>,
    remembered: usize,
    /// Where the objects are that were judged under a name.
    judged: HashSet<u64>,
    /// Not every pointer was followed: the whole file has to be searched for collections.
    pub(crate) search: bool,
}

impl Globals {
    /// Somebody points into the collection at this address.
    pub(crate) fn point(&mut self, file: &File, address: u64) {
        if self.pointed.insert(address) {
            file.will_read(address);
        }
    }

    /// Every object of a number: a reader takes the first or the last of them.
    pub(crate) fn objects(
        &mut self,
        scan: &mut Scan<'_>,
        file: &File,
        address: u64,
        number: u64,
    ) -> Scanned<Vec<Piece>> {
        self.point(file, address);
        let list = if let Some(list) = self.lists.get(&address) {
            list.clone()
        } else {
            let (objects, end) = list(scan, file, address)?;
            if let (Some(stop), false) = (end, objects.iter().any(|object| object.number == number)) {
                return Err(stop);
            }
            self.remember(address, objects.into())
        };
        scan.steps(list.len() as u64 / 16)?;
        let mut found = Vec::new();
        for object in list.iter().filter(|object| object.number == number) {
            found.push(file.piece(read(file, object)?, object.at));
        }
        if found.is_empty() {
            let at = file.base.saturating_add(address);
            return Err(Stop::broken(at, format!("the heap at {address} has no object {number}")));
        }
        Ok(found)
    }

    fn remember(&mut self, address: u64, objects: Rc<[Object]>) -> Rc<[Object]> {
        if self.remembered > REMEMBERED {
            self.lists.clear();
            self.remembered = 0;
        }
        self.remembered += objects.len();
        self.lists.insert(address, objects.clone());
        objects
    }

    /// The object that begins here was judged under a name.
    pub(crate) fn judged(&mut self, at: u64) {
        self.judged.insert(at);
    }

    /// Judges what was not judged under a name. Answers what went wrong, which holds up nothing.
    pub(crate) fn judge_rest(&mut self, scan: &mut Scan<'_>, file: &File) -> Scanned<Vec<Stop>> {
        let mut stops = Vec::new();
        for address in self.pointed.clone() {
            match self.collection(scan, file, address) {
                Ok(None) => {}
                Err(stop @ Stop::Spent(_)) => return Err(stop),
                Ok(Some(stop)) | Err(stop) => stops.push(stop),
            }
        }
        if self.search {
            self.look_everywhere(scan, file)?;
        }
        Ok(stops)
    }

    /// Looks for collections in the whole file. What only looks like one is none, and is nobody's fault.
    fn look_everywhere(&mut self, scan: &mut Scan<'_>, file: &File) -> Scanned<()> {
        let (mut at, end) = (file.base, file.source.len());
        file.source.will_read(std::iter::once(at..end));
        while at < end {
            let window = file.source.read_up_to(at, WINDOW)?;
            scan.steps(window.len() as u64 / 256 + 1)?;
            for hit in memchr::memmem::find_iter(&window, BEGINS) {
                scan.steps(1)?;
                let address = (at - file.base).saturating_add(hit as u64);
                if !self.pointed.contains(&address) {
                    match self.collection(scan, file, address) {
                        Ok(_) | Err(Stop::Broken { .. }) => {}
                        Err(stop) => return Err(stop),
                    }
                }
            }
            let overlap = BEGINS.len() as u64 - 1;
            at += (window.len() as u64).saturating_sub(overlap).max(1);
        }
        Ok(())
    }

    /// Judges every object of a collection. Answers why its list ends early, if it does.
    fn collection(&mut self, scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Option<Stop>> {
        let (objects, end) = list(scan, file, address)?;
        let mut numbers = HashSet::with_capacity(objects.len());
        for object in objects {
            if !numbers.insert(object.number) {
                let message = format!(
                    "The heap at {address} has two objects of the number {}: which one is read depends on the reader.",
                    object.number
                );
                scan.found(&rules::H5_MALFORMED, &file.source, object.at, message);
            }
            if !self.judged.contains(&object.at) {
                let bytes = read(file, &object)?;
                let name = format!("heap {address}, object {}", object.number);
                attribute::value(scan, file, ("", &name), object.at, &bytes)?;
            }
        }
        Ok(end)
    }
}

fn read(file: &File, object: &Object) -> Scanned<Bytes> {
    file.source.read(object.at..object.at.saturating_add(object.length))
}

/// The objects of the collection at `address`, up to where it breaks, and why it breaks.
fn list(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<(Vec<Object>, Option<Stop>)> {
    let own = 8 + u64::from(file.lengths);
    let mut head = file.signed(scan, address, own, b"GCOL")?;
    head.skip(4)?;
    let size = head.length()?;
    if address.saturating_add(size) > file.source.len().saturating_sub(file.base) {
        return Err(Stop::broken(head.at, format!("a heap of {size} bytes at {address} goes past the end")));
    }
    if size > LARGEST {
        return Err(Stop::Spent(format!("a heap of {size} bytes")));
    }
    scan.steps(64 + size / 64)?;
    let mut rest = file.block(scan, address.saturating_add(own), size.saturating_sub(own))?;
    let mut objects = Vec::new();
    while rest.left() >= own {
        scan.steps(1)?;
        let number = rest.u16()?;
        rest.skip(6)?;
        let length = rest.length()?;
        // Free space has the number 0, and its length counts its own head. More objects may lie behind it.
        if number == 0 {
            if length <= own {
                break;
            }
            rest.skip((length - own).min(rest.left()))?;
            continue;
        }
        if length > rest.left() {
            let what = format!("the object {number} of the heap at {address} goes past the heap's end");
            return Ok((objects, Some(Stop::broken(rest.at, what))));
        }
        objects.push(Object { number, at: rest.at, length });
        rest.skip(length.next_multiple_of(8).min(rest.left()))?;
    }
    Ok((objects, None))
}
