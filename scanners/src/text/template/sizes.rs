//! How large values are, and what operators, filters and methods make of that. An estimate from above where it can be one; what
//! the conversation brings is taken to be small.

use super::{tree::Op, values::Value};

/// What is known of the size of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Characters, those of its items included.
    pub(super) letters: f64,
    /// The largest number that it can be.
    pub(super) number: f64,
    /// How often a loop over it runs; nothing where the conversation says.
    pub(super) items: Option<f64>,
    pub(super) numeric: bool,
}

/// What a value of the conversation is taken for.
const UNKNOWN: f64 = 256.0;
const UNKNOWN_NUMBER: f64 = 16.0;
const LARGEST: f64 = 1e30;

impl Default for Size {
    fn default() -> Self {
        Self::unknown()
    }
}

impl Size {
    pub(super) fn unknown() -> Self {
        Self { letters: UNKNOWN, number: UNKNOWN_NUMBER, items: None, numeric: false }
    }

    pub(super) fn text(size: f64) -> Self {
        Self { letters: capped(size), number: UNKNOWN_NUMBER, items: Some(capped(size)), numeric: false }
    }

    pub(super) fn number(number: f64) -> Self {
        Self { letters: 8.0, number: capped(number), items: Some(0.0), numeric: true }
    }

    pub(super) fn range(length: f64) -> Self {
        Self { letters: capped(length * 8.0), number: length, items: Some(length), numeric: false }
    }

    pub(super) fn list(items: impl Iterator<Item = Self>) -> Self {
        let (mut size, mut count) = (0.0, 0.0);
        for item in items {
            size += item.letters;
            count += 1.0;
        }
        Self { letters: capped(size), number: UNKNOWN_NUMBER, items: Some(count), numeric: false }
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Int(number) => Self::number(rounded(*number)),
            Value::Text(text) => Self::text(length(text)),
            Value::List(items) => Self::list(items.iter().map(Self::of)),
            Value::Dict(entries) => Self::list(entries.iter().map(|(key, value)| Self::of(key).and(Self::of(value)))),
            Value::None | Value::Bool(_) | Value::Other => Self::number(1.0),
        }
    }

    /// One of its items, or of its fields.
    pub(super) fn part(self) -> Self {
        Self { items: None, numeric: false, ..self }
    }

    /// What a loop over it gives.
    pub(super) fn each(self) -> Self {
        match self.items {
            Some(items) if items > 0.0 => Self { letters: self.letters / items, items: None, ..self },
            _ => Self::unknown(),
        }
    }

    /// Both, one behind the other.
    pub(super) fn and(self, other: Self) -> Self {
        let items = self.items.zip(other.items).map(|(a, b)| capped(a + b));
        Self {
            letters: capped(self.letters + other.letters),
            number: capped(self.number + other.number),
            items,
            ..self
        }
    }

    /// One of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            letters: self.letters.max(other.letters),
            number: self.number.max(other.number),
            items: self.items.zip(other.items).map(|(a, b)| a.max(b)),
            numeric: self.numeric && other.numeric,
        }
    }
}

pub(super) fn capped(size: f64) -> f64 {
    if size.is_nan() { LARGEST } else { size.min(LARGEST) }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs no last digits")]
fn rounded(number: i64) -> f64 {
    number as f64
}

pub(super) fn length(text: &str) -> f64 {
    f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX))
}

/// A number of rounds, as far as they can be counted.
pub(super) fn whole(times: f64) -> u32 {
    (0..64).take_while(|n| f64::from(*n) < times).last().map_or(0, |last| last + 1)
}

pub(super) fn binary(op: Op, a: Size, b: Size) -> Size {
    match op {
        Op::Add if a.numeric && b.numeric => Size::number(a.number + b.number),
        Op::Concat | Op::Add => Size { numeric: false, ..a.and(b) },
        Op::Multiply if a.numeric && b.numeric => Size::number(a.number * b.number),
        Op::Multiply if a.numeric => repeated(b, a.number),
        Op::Multiply => repeated(a, b.number),
        Op::Power => Size::number(a.number.max(1.0).powf(b.number.clamp(0.0, 1000.0))),
        Op::Divide => Size::number(a.number),
        // What is taken away can be negative.
        Op::Subtract => Size::number(if b.numeric && b.number > 0.0 { a.number } else { a.number + b.number.abs() }),
        Op::Modulo => Size::number(b.number),
        _ => a.or(b),
    }
}

fn repeated(of: Size, times: f64) -> Size {
    let times = times.max(0.0);
    Size { letters: capped(of.letters * times), items: of.items.map(|items| capped(items * times)), ..of }
}

/// A format with so many places, filled with what it is given.
pub(super) fn formatted(places: f64, format: Size, given: Size) -> Size {
    Size::text(format.letters + places * given.letters)
}

/// What a filter or a method makes of a value. `places`: of a format; `from`: how long the text is that `replace` looks for.
pub(super) fn made(name: &str, of: Size, given: &[Size], places: f64, from: Option<f64>) -> Size {
    let first = given.first().copied().unwrap_or(Size::text(0.0));
    let most = given.iter().copied().reduce(Size::or).unwrap_or(Size::text(0.0));
    let number = if first.numeric { first.number } else { 0.0 };
    match name {
        "length" | "count" | "wordcount" | "index" | "find" => Size::number(match of.items {
            Some(items) => items,
            None => UNKNOWN_NUMBER,
        }),
        "int" | "float" | "abs" | "round" => Size::number(if of.numeric { of.number } else { UNKNOWN_NUMBER }),
        "join" => Size::text(of.letters + first.letters * of.items.unwrap_or(UNKNOWN_NUMBER)),
        // A method's subject stands between the items of its argument.
        "joined by" => Size::text(first.letters + of.letters * first.items.unwrap_or(UNKNOWN_NUMBER)),
        "replace" => {
            let (by, from) = (given.get(1).copied().unwrap_or(Size::text(0.0)), from.unwrap_or(1.0));
            let often = if from < 1.0 { of.letters + 1.0 } else { of.letters / from };
            Size::text(of.letters.max(often * by.letters + if from < 1.0 { of.letters } else { 0.0 }))
        }
        "format" | "format_map" => formatted(places, of, most),
        "center" | "ljust" | "rjust" | "zfill" => Size::text(of.letters.max(number)),
        "batch" => Size { letters: capped(of.letters + number), items: None, ..of },
        "slice" => Size { letters: capped(of.letters + number), items: Some(number), ..of },
        "indent" | "expandtabs" | "wordwrap" => Size::text(of.letters + number * (of.letters / 40.0).max(1.0)),
        // Each round of escapes can double a text of backslashes.
        "tojson" | "to_json" | "dumps" | "e" | "escape" | "forceescape" | "urlencode" | "xmlattr" | "urlize" => {
            Size { letters: capped(of.letters * 2.0), items: None, numeric: false, ..of }
        }
        "default" | "d" | "get" => Size { items: of.items.or(first.items), ..of.or(first) },
        "sum" => of.and(most),
        "map" | "select" | "reject" | "selectattr" | "rejectattr" | "list" | "sort" | "unique" | "reverse"
        | "items" | "dictsort" | "groupby" | "values" | "keys" | "split" | "upper" | "lower" | "title" | "trim"
        | "strip" | "string" | "capitalize" | "safe" => Size { numeric: false, ..of },
        _ => Size { numeric: false, items: None, ..of },
    }
}
