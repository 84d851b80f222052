//! The safetensors header as it is written: every tensor and every entry of the metadata, those that are there twice too.
//!
//! Reads event by event, so that a header of many megabytes costs what its entries cost. Judges only the form.

use std::collections::HashSet;

use crate::{
    read::json::{Event, Json},
    scan::{Scan, Scanned, Stop},
};

/// What a header says.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) metadata: Vec<Entry>,
    /// What is not as it has to be.
    pub(crate) faults: Vec<Fault>,
    /// Keys that one object has twice, with their places.
    pub(crate) twice: Vec<(u64, String)>,
    /// Bytes that belong to keys and values.
    pub(crate) used: u64,
    /// How many keys and values there are.
    pub(crate) parts: u64,
}

#[derive(Default)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether it says where its data is.
    pub(crate) placed: bool,
}

/// One entry of `__metadata__`.
pub(crate) struct Entry {
    pub(crate) at: u64,
    pub(crate) key: String,
    pub(crate) value: String,
}

pub(crate) struct Fault {
    pub(crate) at: u64,
    pub(crate) what: String,
}

/// More faults of one header than this say nothing more.
const FAULTS: usize = 50;

impl Tensor {
    /// In what way the tensor's type and shape do not fit its place.
    pub(crate) fn misfit(&self) -> Option<String> {
        let name = &self.name;
        let bits = bits(&self.dtype)?;
        let Some(all) = self.shape.iter().try_fold(bits, |all, d| all.checked_mul(*d)) else {
            return Some(format!("The dimensions of the tensor `{name}` are larger than any memory."));
        };
        let has = self.end.saturating_sub(self.start);
        (all % 8 != 0 || all / 8 != has).then(|| {
            let (dtype, shape) = (&self.dtype, &self.shape);
            format!("The tensor `{name}` has {has} bytes; a {dtype} of shape {shape:?} does not fit them.")
        })
    }
}

/// Bits of one element, of every type that version 0.8 of the format knows.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// Reads the header's text, without its length.
pub(crate) fn read(scan: &mut Scan<'_>, text: &[u8]) -> Scanned<Header> {
    let mut reader = Reader { json: Json::new(text), header: Header::default(), names: HashSet::new() };
    reader.read(scan)?;
    Ok(reader.header)
}

struct Reader<'a> {
    json: Json<'a>,
    header: Header,
    names: HashSet<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, scan: &mut Scan<'_>) -> Scanned<()> {
        let most = usize::try_from(scan.limits.tensors).unwrap_or(usize::MAX);
        self.step(scan)?;
        while let Some((at, event)) = self.step(scan)? {
            let Event::Key(name) = event else { continue };
            let name = name.into_owned();
            if !self.names.insert(name.clone()) {
                self.twice(at, &name);
            }
            if name == "__metadata__" {
                self.metadata(scan)?;
            } else if self.header.tensors.len() >= most {
                return Err(Stop::Spent(format!("more than {most} tensors")));
            } else {
                self.tensor(scan, at, name)?;
            }
        }
        Ok(())
    }

    fn metadata(&mut self, scan: &mut Scan<'_>) -> Scanned<()> {
        let mut seen = HashSet::new();
        match self.value(scan)? {
            (_, Event::BeginObject) => {}
            (at, other) => {
                self.fault(at, "The header's `__metadata__` is no object.".into());
                return self.leave(scan, &other);
            }
        }
        loop {
            match self.value(scan)? {
                (_, Event::EndObject) => return Ok(()),
                (at, Event::Key(key)) => {
                    if !seen.insert(key.clone().into_owned()) {
                        self.twice(at, &key);
                    }
                    match self.value(scan)? {
                        (at, Event::String(value)) => self.header.metadata.push(Entry {
                            at: at as u64,
                            key: key.into_owned(),
                            value: value.into_owned(),
                        }),
                        (at, other) => {
                            self.fault(at, format!("The metadata `{key}` is no text."));
                            self.leave(scan, &other)?;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn tensor(&mut self, scan: &mut Scan<'_>, place: usize, name: String) -> Scanned<()> {
        match self.value(scan)? {
            (_, Event::BeginObject) => {}
            (at, other) => {
                self.fault(at, format!("The entry `{name}` is no object."));
                return self.leave(scan, &other);
            }
        }
        let mut tensor = Tensor { name, ..Tensor::default() };
        let mut seen: HashSet<&'static str> = HashSet::new();
        loop {
            let (at, key) = match self.value(scan)? {
                (_, Event::EndObject) => break,
                (at, Event::Key(key)) => (at, key.into_owned()),
                _ => continue,
            };
            let known = ["dtype", "shape", "data_offsets"].into_iter().find(|known| **known == *key);
            let (value_at, value) = self.value(scan)?;
            match known {
                Some(known) if !seen.insert(known) => self.twice(at, &format!("{known} of {}", tensor.name)),
                None => {
                    self.fault(at, format!("The tensor `{}` has an entry `{key}` that no tensor has.", tensor.name));
                }
                _ => {}
            }
            match (known, &value) {
                (Some("dtype"), Event::String(dtype)) => {
                    tensor.dtype = dtype.clone().into_owned();
                    if bits(&tensor.dtype).is_none() {
                        let message = format!("The tensor `{}` has the unknown type `{dtype}`.", tensor.name);
                        self.fault(value_at, message);
                    }
                }
                (Some("shape"), Event::BeginArray) => tensor.shape = self.numbers(scan, &tensor.name)?,
                (Some("data_offsets"), Event::BeginArray) => match self.numbers(scan, &tensor.name)?[..] {
                    [start, end] => (tensor.start, tensor.end, tensor.placed) = (start, end, true),
                    _ => {
                        self.fault(value_at, format!("The tensor `{}` does not have two offsets.", tensor.name));
                    }
                },
                (Some(known), other) => {
                    self.fault(
                        value_at,
                        format!("The `{known}` of the tensor `{}` is of the wrong kind.", tensor.name),
                    );
                    self.leave(scan, other)?;
                }
                (None, other) => self.leave(scan, other)?,
            }
        }
        if seen.len() < 3 {
            self.fault(place, format!("The tensor `{}` lacks its type, shape or offsets.", tensor.name));
        }
        self.header.tensors.push(tensor);
        Ok(())
    }

    /// The rest of a list of plain numbers.
    fn numbers(&mut self, scan: &mut Scan<'_>, name: &str) -> Scanned<Vec<u64>> {
        let mut numbers = Vec::new();
        loop {
            match self.value(scan)? {
                (_, Event::EndArray) => return Ok(numbers),
                (at, Event::Number(written)) => {
                    if let Ok(number) = written.parse() {
                        numbers.push(number);
                    } else {
                        self.fault(at, format!("`{written}` in the tensor `{name}` is no size or offset."));
                    }
                }
                (at, other) => {
                    self.fault(at, format!("A size or offset of the tensor `{name}` is no number."));
                    self.leave(scan, &other)?;
                }
            }
        }
    }

    /// Leaves out the rest of a value of which `first` was the beginning.
    fn leave(&mut self, scan: &mut Scan<'_>, first: &Event<'_>) -> Scanned<()> {
        if !matches!(first, Event::BeginArray | Event::BeginObject) {
            return Ok(());
        }
        let outside = self.json.depth() - 1;
        while self.json.depth() > outside {
            self.value(scan)?;
        }
        Ok(())
    }

    /// The next event, which has to be there.
    fn value(&mut self, scan: &mut Scan<'_>) -> Scanned<(usize, Event<'a>)> {
        let at = self.json.position() as u64;
        self.step(scan)?.ok_or_else(|| Stop::broken(at, "the header ends too early"))
    }

    fn step(&mut self, scan: &mut Scan<'_>) -> Scanned<Option<(usize, Event<'a>)>> {
        scan.steps(1)?;
        let next = self.json.next()?;
        if let Some((at, _)) = &next {
            self.header.used += self.json.position().saturating_sub(*at) as u64;
            self.header.parts += 1;
        }
        Ok(next)
    }

    fn twice(&mut self, at: usize, name: &str) {
        if self.header.twice.len() < FAULTS {
            self.header.twice.push((at as u64, name.to_owned()));
        }
    }

    fn fault(&mut self, at: usize, what: String) {
        if self.header.faults.len() < FAULTS {
            self.header.faults.push(Fault { at: at as u64, what });
        }
    }
}
