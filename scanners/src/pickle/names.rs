//! The globals that a pickle names: which readings a name has, what is known of each, and where a dotted name leads.
//!
//! Never imports anything, and never decides by a part of a name that something is harmless.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::{
    arena::{Id, NONE},
    tables::{self, Entry, Tier},
};

/// One global, named at least once.
pub(crate) struct Global {
    pub(crate) module: String,
    pub(crate) name: String,
    /// What is known of it; of several readings the worst.
    pub(crate) entry: Option<&'static Entry>,
    pub(crate) tier: Tier,
    /// Why the dotted name leads somewhere else.
    pub(crate) hop: Option<String>,
    /// It is only the attribute of a vouched class that a vouched `getattr` reads.
    pub(crate) attribute: bool,
    /// Where it was first named.
    pub(crate) at: u64,
    pub(crate) called: bool,
    /// Something was already said of it, called or kept.
    pub(crate) told: bool,
    pub(crate) node: Id,
}

#[derive(Default)]
pub(crate) struct Globals {
    all: Vec<Global>,
    numbers: HashMap<(String, String), u32>,
}

impl Globals {
    pub(crate) fn find(&self, module: &str, name: &str) -> Option<&Global> {
        // The key has to be owned; names are short and seldom new.
        self.numbers.get(&(module.to_owned(), name.to_owned())).and_then(|number| self.get(*number))
    }

    pub(crate) fn add(&mut self, module: &str, name: &str, at: u64) -> u32 {
        let number = u32::try_from(self.all.len()).unwrap_or(NONE);
        let (tier, entry, hop) = assess(module, name);
        self.all.push(Global {
            module: module.to_owned(),
            name: name.to_owned(),
            entry,
            tier,
            hop,
            attribute: false,
            at,
            called: false,
            told: false,
            node: Id(NONE),
        });
        self.numbers.insert((module.to_owned(), name.to_owned()), number);
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Global> {
        self.all.get(number as usize)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Global> {
        self.all.get_mut(number as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Global> {
        self.all.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Global {
    /// `os.system`
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }

    pub(crate) fn is(&self, module: &str, name: &str) -> bool {
        self.module == module && self.name == name
    }

    pub(crate) fn is_vouched(&self) -> bool {
        self.tier <= Tier::Framework
    }
}

/// What is known of a name, in the worst of its readings: as written, and without the carriage return that some programs
/// leave at the end of a line.
fn assess(module: &str, name: &str) -> (Tier, Option<&'static Entry>, Option<String>) {
    let mut worst = reading(module, name);
    if module.ends_with('\r') || name.ends_with('\r') {
        let stripped = reading(module.trim_end_matches('\r'), name.trim_end_matches('\r'));
        if stripped.0 > worst.0 || stripped.2.is_some() {
            worst = stripped;
        }
    }
    worst
}

fn reading(module: &str, name: &str) -> (Tier, Option<&'static Entry>, Option<String>) {
    let entry = tables::look_up(module, name);
    match entry {
        Some(entry) if entry.tier <= Tier::Framework => (entry.tier, Some(entry), None),
        _ => (entry.map_or(Tier::Unknown, |entry| entry.tier), entry, hop(name)),
    }
}

/// Modules that a name may end in only to get at them.
const REACHED: &[&str] = &[
    "os",
    "sys",
    "posix",
    "nt",
    "subprocess",
    "builtins",
    "__builtins__",
    "importlib",
    "ctypes",
    "socket",
    "shutil",
    "runpy",
    "pty",
    "marshal",
    "pickle",
];

/// Where a name leads on its way, if that is another module or the inside of an object.
fn hop(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let last = parts.len() - 1;
    parts.iter().enumerate().find_map(|(at, part)| {
        let dunder = last > 0 && part.len() > 4 && part.starts_with("__") && part.ends_with("__");
        let module = at < last && tables::look_up(part, "*").is_some_and(|entry| entry.tier >= Tier::Gadget);
        (dunder || module || REACHED.contains(part)).then(|| (*part).to_owned())
    })
}

/// The name without what only makes it look different: full-width letters, invisible characters, blanks.
pub(crate) fn normal(name: &str) -> String {
    name.nfkc()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_name_that_passes_a_module_or_a_dunder_is_a_hop() {
        assert_eq!(hop("serialization.os.system").as_deref(), Some("os"));
        assert_eq!(hop("abc.sys.modules.get").as_deref(), Some("sys"));
        assert_eq!(hop("object.__subclasses__").as_deref(), Some("__subclasses__"));
        assert_eq!(hop("os").as_deref(), Some("os"));
        assert_eq!(hop("Outer.Inner"), None);
        assert_eq!(hop("__main__"), None);
    }

    #[test]
    fn letters_that_look_alike_have_one_normal_form() {
        assert_eq!(normal("ｓｙｓｔｅｍ"), "system");
        assert_eq!(normal("o\u{200b}s "), "os");
    }
}
