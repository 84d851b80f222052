//! Where settings come from: the file, and the variables laid over it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::keys::{KEYS, Kind, is_section, kind, nearest};

/// The environment variables of this process, by name.
pub type Variables = BTreeMap<String, String>;

/// Reads them. What is not UTF-8 cannot be one of ours.
#[allow(clippy::disallowed_methods, reason = "the one place that reads them")]
pub fn variables() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What `WEIGHBRIDGE_LOG` says: needed before anything can be complained about.
pub fn log_filter() -> Option<String> {
    variables().remove("WEIGHBRIDGE_LOG")
}

/// Who set a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// What was set, before it is checked.
pub(super) struct Given {
    pub table: Table,
    pub origins: BTreeMap<String, Origin>,
    pub warnings: Vec<String>,
    pub named_file: Option<PathBuf>,
}

pub(super) fn gather(path: Option<PathBuf>, variables: &Variables) -> Result<Given, String> {
    let mut given = Given { table: Table::new(), origins: BTreeMap::new(), warnings: Vec::new(), named_file: None };
    let named = path.or_else(|| variables.get("WEIGHBRIDGE_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from));
    given.named_file.clone_from(&named);
    if let Some(path) = named.or_else(|| Some(PathBuf::from(USUAL)).filter(|path| path.is_file())) {
        given.table = read(&path)?;
        let mut keys = Vec::new();
        walk(&given.table, "", "", &mut keys).map_err(|why| format!("The file {}: {why}", path.display()))?;
        given.origins.extend(keys.into_iter().map(|key| (key, Origin::File(path.clone()))));
        for (text, file) in TWINS {
            if let (Some(_), Some(_)) = (look(&given.table, text), look(&given.table, file)) {
                return Err(format!("The file sets both `upstream.{text}` and `upstream.{file}`: keep one."));
            }
        }
    }
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !is_someone_elses(rest)) else { continue };
        match key_of(rest) {
            // An empty variable is how orchestrators say that there is none.
            Some((path, kind)) if !text.is_empty() => {
                settings.push((place_in_list(&path), path, name, parse(name, kind, text)?));
            }
            Some(_) => {}
            None => given.warnings.push(unknown_variable(name, rest)),
        }
    }
    settings.sort_by_key(|(index, ..)| *index);
    for (_, path, name, value) in settings {
        given.lay(name, &path, value)?;
    }
    Ok(given)
}

impl Given {
    fn lay(&mut self, name: &str, path: &str, value: Value) -> Result<(), String> {
        let table = &mut self.table;
        let steps: Vec<&str> = path.split('.').collect();
        let wrong = || format!("The variable {name} does not fit what the file says there.");
        match steps[..] {
            [key] => {
                table.insert(key.to_owned(), value);
            }
            [section, key] => {
                let section =
                    table.entry(section).or_insert_with(|| Table::new().into()).as_table_mut().ok_or_else(wrong)?;
                // A variable outranks the file, also where the two name the secret differently.
                let twin = TWINS.iter().find_map(|(text, file)| match key {
                    _ if key == *text => Some(file),
                    _ if key == *file => Some(text),
                    _ => None,
                });
                if let Some(twin) = twin {
                    if matches!(self.origins.get(&format!("upstream.{twin}")), Some(Origin::Variable(_))) {
                        return Err(format!("{name} and the variable for {twin} are both set: keep one."));
                    }
                    section.remove(*twin);
                    self.origins.remove(&format!("upstream.{twin}"));
                }
                section.insert(key.to_owned(), value);
            }
            [.., key] => {
                let mut at = Step::Table(table);
                for (n, step) in steps.iter().take(steps.len() - 1).enumerate() {
                    let is_list = steps.get(n + 1).is_some_and(|next| next.bytes().all(|b| b.is_ascii_digit()));
                    at = at.down(step, is_list).map_err(|gap| {
                        gap.map_or_else(wrong, |there| {
                            format!("The variable {name} leaves a gap: there are only {there} before it.")
                        })
                    })?;
                }
                let Step::Table(table) = at else { return Err(wrong()) };
                table.insert(key.to_owned(), value);
            }
            _ => return Err(wrong()),
        }
        self.origins.insert(path.to_owned(), Origin::Variable(name.to_owned()));
        Ok(())
    }
}

/// Somewhere on the way to a key.
enum Step<'t> {
    Table(&'t mut Table),
    List(&'t mut Vec<Value>),
}

impl Step<'_> {
    /// One step on; what is not there yet is made. In a list only the next place can be: `Some` says how many there are.
    fn down(self, step: &str, is_list: bool) -> Result<Self, Option<usize>> {
        let fresh = || if is_list { Value::Array(Vec::new()) } else { Table::new().into() };
        let next = match self {
            Self::Table(table) => table.entry(step).or_insert_with(fresh),
            Self::List(list) => {
                let index: usize = step.parse().map_err(|_| None)?;
                if index > list.len() {
                    return Err(Some(list.len()));
                }
                if index == list.len() {
                    list.push(fresh());
                }
                list.get_mut(index).ok_or(None)?
            }
        };
        match next {
            Value::Table(table) if !is_list => Ok(Self::Table(table)),
            Value::Array(list) if is_list => Ok(Self::List(list)),
            _ => Err(None),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the configuration file")]
fn read(path: &Path) -> Result<Table, String> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("The configuration file {shown} cannot be read: {e}"))?;
    text.parse::<Table>().map_err(|e| {
        let line = e.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        format!("The configuration file {shown}, line {line}: {}", e.message())
    })
}

/// Every key that a table sets, or a sentence about the first that nobody knows.
fn walk(table: &Table, shape: &str, path: &str, keys: &mut Vec<String>) -> Result<(), String> {
    let join = |a: &str, b: &str| if a.is_empty() { b.to_owned() } else { format!("{a}.{b}") };
    for (name, value) in table {
        let (shape, path) = (join(shape, name), join(path, name));
        match value {
            _ if kind(&shape).is_some() => keys.push(path),
            Value::Table(inner) if is_section(&shape) && !is_section(&format!("{shape}.#")) => {
                walk(inner, &shape, &path, keys)?;
            }
            Value::Array(list) if is_section(&format!("{shape}.#")) => {
                for (index, entry) in list.iter().enumerate() {
                    let entry = entry.as_table().ok_or_else(|| format!("`{path}` is a list of tables: [[{path}]]"))?;
                    walk(entry, &format!("{shape}.#"), &format!("{path}.{index}"), keys)?;
                }
            }
            _ if is_section(&format!("{shape}.#")) => return Err(format!("`{path}` is a list of tables: [[{path}]]")),
            _ if is_section(&shape) => return Err(format!("`{path}` is a table: [{path}]")),
            _ => return Err(unknown(&shape)),
        }
    }
    Ok(())
}

fn unknown(shape: &str) -> String {
    let written = shape.replace(".#", "");
    let sections = ["upstream", "environments", "identity", "tls"];
    let name = |key: &&str| key.replace(".#", "");
    let all: Vec<String> = KEYS.iter().map(|(key, _)| name(key)).chain(sections.map(str::to_owned)).collect();
    // Somebody who put a key in the wrong table meant its last word.
    let last = written.rsplit('.').next().unwrap_or(&written);
    let moved = all.iter().find(|key| key.rsplit('.').next() == Some(last)).map(String::as_str);
    match moved.or_else(|| nearest(&written, all.iter().map(String::as_str))) {
        Some(near) => format!("there is no key `{written}`; did you mean `{near}`?"),
        None => format!("there is no key `{written}`; there are: {}", all.join(", ")),
    }
}

/// `UPSTREAM__ALLOW_HOSTS` is `upstream.allow_hosts`, `ENVIRONMENTS__0__NAME` is `environments.0.name`.
fn key_of(rest: &str) -> Option<(String, Kind)> {
    let steps: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    let is_index = |s: &String| !s.is_empty() && s.len() < 4 && s.bytes().all(|b| b.is_ascii_digit());
    let shape: Vec<&str> = steps.iter().map(|s| if is_index(s) { "#" } else { s.as_str() }).collect();
    Some((steps.join("."), kind(&shape.join("."))?))
}

/// Lists are filled from their first entry on.
fn place_in_list(path: &str) -> usize {
    path.split('.').find_map(|step| step.parse().ok()).unwrap_or_default()
}

fn parse(name: &str, kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::List => {
            let words = text.split(',').map(str::trim).filter(|t| !t.is_empty());
            Ok(Value::Array(words.map(|t| Value::String(t.to_owned())).collect()))
        }
        Kind::Table => {
            let mut table = Table::new();
            for pair in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
                let (key, value) = pair.split_once('=').ok_or_else(|| format!("{name} is written name=text, …"))?;
                table.insert(key.trim().to_owned(), Value::String(value.trim().to_owned()));
            }
            Ok(Value::Table(table))
        }
        Kind::Number => {
            text.trim().parse::<i64>().map(Value::Integer).map_err(|_| format!("{name} must be a whole number"))
        }
        Kind::Switch => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
            _ => Err(format!("{name} must be true or false")),
        },
    }
}

fn unknown_variable(name: &str, rest: &str) -> String {
    let all: Vec<String> =
        KEYS.iter().map(|(key, _)| key.replace(".#.", ".0.").replace('.', "__").to_ascii_uppercase()).collect();
    match nearest(rest, all.iter().map(String::as_str)) {
        Some(near) => format!("the variable {name} is unknown and ignored; did you mean {PREFIX}{near}?"),
        None => format!("the variable {name} is unknown and ignored"),
    }
}

/// Variables of ours that are no settings of the gateway.
fn is_someone_elses(rest: &str) -> bool {
    matches!(rest, "URL" | "TOKEN" | "CONFIG" | "LOG") || rest.starts_with("TEST_")
}

fn look<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    table.get("upstream").and_then(Value::as_table).and_then(|t| t.get(key))
}

/// A secret as text, or in a file.
const TWINS: [(&str, &str); 2] = [("token", "token_file"), ("webhook_secret", "webhook_secret_file")];
const PREFIX: &str = "WEIGHBRIDGE_";
const USUAL: &str = "weighbridge.toml";
