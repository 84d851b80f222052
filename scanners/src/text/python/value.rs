//! What the walk knows of a value: a constant, a dotted name, a function of the file, or nothing. Never runs anything.

use std::rc::Rc;

/// Stands in a string for a part that is not known.
pub(super) const HOLE: char = '\u{fffc}';
/// Longer constants than this are not made.
pub(super) const LONGEST: usize = 1 << 20;
/// More items than this are not kept.
pub(super) const MOST_ITEMS: usize = 1 << 16;
/// A name that can be more things than this is one of the first ones.
const MOST_CHOICES: usize = 8;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taint(u32);

impl Taint {
    /// The whole environment.
    pub(super) const ENVIRONMENT: Self = Self(1);
    /// A credential: the content of a file that holds one, or a variable that does.
    pub(super) const SECRET: Self = Self(2);
    /// Something about the machine or its user.
    pub(super) const MACHINE: Self = Self(4);
    /// Something from the network.
    pub(super) const NETWORK: Self = Self(8);
    /// Decoded or decompressed.
    pub(super) const DECODED: Self = Self(16);
    /// Read from a file.
    pub(super) const FILE: Self = Self(32);
    /// What a code object was unmarshalled from.
    pub(super) const CODE: Self = Self(64);
    /// Found by a detour: through a namespace, a frame or a name that is made, not by its own name.
    pub(super) const REACHED: Self = Self(128);
    /// The content of a Python file of the same repository, which is looked at itself.
    pub(super) const SOURCE: Self = Self(256);
    /// The first of the bits that say whose a credential is.
    const OWNERS: u32 = 10;

    /// A credential of the owner with this number.
    pub(super) fn secret_of(owner: usize) -> Self {
        let bit = u32::try_from(owner).ok().and_then(|owner| 1_u32.checked_shl(Self::OWNERS + owner));
        Self(Self::SECRET.0 | bit.unwrap_or(1 << 31))
    }

    /// Whose credentials it is made of: owners by their numbers.
    pub(super) fn owners(self) -> impl Iterator<Item = usize> {
        (Self::OWNERS..32)
            .filter(move |bit| self.0 >> bit & 1 != 0)
            .filter_map(|bit| usize::try_from(bit - Self::OWNERS).ok())
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Value {
    pub(super) what: What,
    pub(super) taint: Taint,
}

/// What a value is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum What {
    #[default]
    Unknown,
    /// With [`HOLE`] for parts that are not known.
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Number(i64),
    /// Lists, tuples and sets.
    List(Rc<Vec<Value>>),
    Dict(Rc<Vec<(Value, Value)>>),
    /// Something outside the file: `os.system`, `socket.socket()`.
    Path(Rc<str>),
    /// A function of the file, by its number; the class whose object it is called on, if any.
    Function(usize, Option<usize>),
    /// A lambda of the file, by its number.
    Lambda(usize),
    Class(usize),
    Object(usize),
    /// A callable with its first arguments.
    Partial(Rc<(Value, Args)>),
    /// `operator.attrgetter` and its kind: a name to take from the argument, and what to call it with.
    Getter(Rc<str>, Option<Rc<Args>>),
    /// One of these.
    Either(Rc<Vec<Value>>),
}

/// The arguments of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Args {
    pub(super) given: Vec<Value>,
    pub(super) named: Vec<(Rc<str>, Value)>,
}

impl Args {
    pub(super) fn at(&self, place: usize) -> Value {
        self.given.get(place).cloned().unwrap_or_default()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(n, _)| &**n == name).map(|(_, value)| value)
    }

    /// The argument at `place`, or the one of that name.
    pub(super) fn get(&self, place: usize, name: &str) -> Value {
        self.given.get(place).or_else(|| self.named(name)).cloned().unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.given.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    pub(super) fn taint(&self) -> Taint {
        self.all().fold(Taint::default(), |taint, value| taint.with(value.deep_taint()))
    }

    pub(super) fn len(&self) -> usize {
        self.given.len() + self.named.len()
    }
}

impl Value {
    pub(super) fn new(what: What) -> Self {
        Self { what, taint: Taint::default() }
    }

    pub(super) fn unknown(taint: Taint) -> Self {
        Self { what: What::Unknown, taint }
    }

    /// A string; one that is too long is only known to be a string.
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        if text.len() > LONGEST { Self::default() } else { Self::new(What::Text(text.into())) }
    }

    pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        if bytes.len() > LONGEST { Self::default() } else { Self::new(What::Bytes(bytes.into())) }
    }

    pub(super) fn path(path: impl AsRef<str>) -> Self {
        let path = path.as_ref();
        // A chain that long names nothing; its end may still matter.
        if path.len() > 400 { Self::default() } else { Self::new(What::Path(path.into())) }
    }

    pub(super) fn list(mut items: Vec<Value>) -> Self {
        items.truncate(MOST_ITEMS);
        Self::new(What::List(Rc::new(items)))
    }

    pub(super) fn tainted(mut self, taint: Taint) -> Self {
        self.taint = self.taint.with(taint);
        self
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.what == What::Unknown
    }

    /// Something whose use by another function would matter.
    pub(super) fn is_telling(&self) -> bool {
        !self.taint.is_none()
            || matches!(
                self.what,
                What::Path(_)
                    | What::Function(..)
                    | What::Lambda(_)
                    | What::Partial(_)
                    | What::Getter(..)
                    | What::Either(_)
            )
    }

    /// The taint of the value and of what it holds, one level down.
    pub(super) fn deep_taint(&self) -> Taint {
        let mut taint = self.taint;
        match &self.what {
            What::List(items) => {
                for item in items.iter().take(64) {
                    taint = taint.with(item.taint);
                }
            }
            What::Dict(items) => {
                for (key, item) in items.iter().take(64) {
                    taint = taint.with(key.taint).with(item.taint);
                    if let What::Dict(inner) = &item.what {
                        taint = inner.iter().take(64).fold(taint, |taint, (_, value)| taint.with(value.taint));
                    }
                }
            }
            What::Either(choices) => {
                // What is either is not itself one of several.
                for choice in choices.iter() {
                    taint = taint.with(choice.taint);
                    if !matches!(choice.what, What::Either(_)) {
                        taint = taint.with(choice.deep_taint());
                    }
                }
            }
            _ => {}
        }
        taint
    }

    /// Each thing that the value can be.
    pub(super) fn choices(&self) -> Vec<Value> {
        match &self.what {
            What::Either(choices) => choices.iter().cloned().map(|choice| choice.tainted(self.taint)).collect(),
            _ => vec![self.clone()],
        }
    }

    /// Either this or the other.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other || other.is_unknown() && other.taint.is_none() {
            return self;
        }
        if self.is_unknown() && self.taint.is_none() {
            return other;
        }
        let mut choices = self.choices();
        for choice in other.choices() {
            if choices.contains(&choice) {
                continue;
            }
            if choices.len() < MOST_CHOICES {
                choices.push(choice);
            } else if choice.is_telling()
                && let Some(place) = choices.iter().position(|kept| !kept.is_telling())
                && let Some(kept) = choices.get_mut(place)
            {
                *kept = choice;
            }
        }
        Self::new(What::Either(Rc::new(choices)))
    }

    /// The string, if the whole of it is known.
    pub(super) fn as_text(&self) -> Option<&str> {
        self.as_pattern().filter(|text| !text.contains(HOLE))
    }

    /// The string, with holes.
    pub(super) fn as_pattern(&self) -> Option<&str> {
        match &self.what {
            What::Text(text) => Some(text),
            What::Either(choices) => choices.iter().find_map(|choice| match &choice.what {
                What::Text(text) => Some(&**text),
                _ => None,
            }),
            _ => None,
        }
    }

    pub(super) fn as_bytes(&self) -> Option<&[u8]> {
        match &self.what {
            What::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<i64> {
        match &self.what {
            What::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_path(&self) -> Option<&str> {
        match &self.what {
            What::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The items of a list, or the characters of a constant, as far as they are known.
    pub(super) fn items(&self) -> Option<Vec<Value>> {
        match &self.what {
            What::List(items) => Some(items.to_vec()),
            What::Bytes(bytes) => Some(bytes.iter().map(|b| Value::new(What::Number((*b).into()))).collect()),
            What::Text(text) if !text.contains(HOLE) && text.len() <= MOST_ITEMS => {
                Some(text.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]))).collect())
            }
            What::Dict(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
            _ => None,
        }
    }

    /// As part of a string: a hole where it is not known.
    pub(super) fn shown(&self) -> String {
        match &self.what {
            What::Text(text) => text.to_string(),
            What::Number(number) => number.to_string(),
            What::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            What::Either(_) => self.as_pattern().map_or_else(|| HOLE.to_string(), str::to_owned),
            _ => HOLE.to_string(),
        }
    }
}
