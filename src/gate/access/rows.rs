//! Reading the rows of `access.csv`: every word known, every pattern able to match, or the whole file is refused.
//!
//! Casbin's own reader drops what it does not know and takes an unknown effect for none at all, so it never sees the
//! file. Never evaluates a row.

use std::collections::HashSet;

use crate::domain::{refusal::Fault, role::Environment};

use super::{EVERY, Subject, acts};

/// One row, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub id: String,
    pub subject: Subject,
    pub environment: String,
    pub object: String,
    pub act: &'static str,
    pub allow: bool,
}

impl Row {
    /// In the order of the model's policy definition.
    pub(super) fn fields(&self) -> Vec<String> {
        let effect = if self.allow { "allow" } else { "deny" };
        [&self.id, self.subject.word(), &self.environment, &self.object, self.act, effect].map(str::to_owned).to_vec()
    }

    /// Some object that both this row and its act know.
    pub(super) fn sample(&self) -> Option<String> {
        acts::find(self.act)?.objects.iter().find_map(|shape| meet(&self.object, shape))
    }
}

pub(super) fn read(text: &str) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    let mut ids = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| Fault::new(format!("reading the access rows: line {number}: {what}"));
        let row = read_line(line).map_err(wrong)?;
        if !ids.insert(row.id.clone()) {
            return Err(wrong(format!("the id `{}` is already taken", row.id)));
        }
        rows.push(row);
    }
    // With no rows at all Casbin compares the question with empty strings, and some questions would be allowed.
    if rows.is_empty() {
        Err(Fault::new("reading the access rows: there are none, and none would allow anything"))
    } else {
        Ok(rows)
    }
}

fn read_line(line: &str) -> Result<Row, String> {
    let fields: Vec<_> = line.split(',').map(str::trim).collect();
    let ["p", id, subject, environment, object, act, effect] = fields[..] else {
        return Err("a row is `p, id, role, environment, object, act, effect`".to_owned());
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=60).contains(&id.len()) || !id.bytes().all(plain) {
        return Err(format!("`{id}` is no id: up to 60 lower-case letters, digits and dashes"));
    }
    let words: Vec<_> = Subject::in_rows().map(Subject::word).collect();
    let subject = Subject::in_rows().find(|s| s.word() == subject).ok_or_else(|| unknown("role", subject, &words))?;
    if environment != EVERY && Environment::new(environment).is_none() {
        return Err(format!(
            "`{environment}` is no environment: a name in lower-case letters, digits and dashes, or `*`"
        ));
    }
    let words: Vec<_> = acts::ACTS.iter().map(|act| act.word).collect();
    let act = acts::find(act).ok_or_else(|| unknown("act", act, &words))?;
    let allow = match effect {
        "allow" => true,
        "deny" => false,
        _ => return Err(unknown("effect", effect, &["allow", "deny"])),
    };
    if !act.given_to.fits(subject) {
        return Err(format!("`{}` is only for {}, never for {}", act.word, act.given_to.words(), subject.word()));
    }
    check_pattern(object)?;
    let row = Row {
        id: id.to_owned(),
        subject,
        environment: environment.to_owned(),
        object: object.to_owned(),
        act: act.word,
        allow,
    };
    // A deny that can never match would be believed and do nothing.
    let able = format!("`{object}` can never match: `{}` is done to {}", act.word, act.objects.join(" or "));
    row.sample().map(|_| row).ok_or(able)
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("`{pattern}` is no object: {what}"));
    let Some(path) = pattern.strip_prefix('/') else { return wrong("it begins with /") };
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" => return wrong("a segment is empty"),
            "." | ".." => return wrong("no segment is `.` or `..`"),
            "**" if segments.peek().is_some() => return wrong("`**` comes last"),
            "*" | "**" => {}
            _ if segment.contains('*') => return wrong("`*` stands for a whole segment, never for a part of one"),
            // Elsewhere `[a-z]`, `{a}` or `:a` stand for many names. Here they would stand for none, and a deny for nothing.
            _ if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) => {
                return wrong("a segment is a name, `*` or `**`, and a name is letters, digits, `-`, `_` and `.`");
            }
            _ => {}
        }
    }
    Ok(())
}

/// An object that both patterns match, with `any` for every wildcard; none, when there is no such object.
fn meet(one: &str, other: &str) -> Option<String> {
    let (mut one, mut other) = (one.split('/').skip(1).peekable(), other.split('/').skip(1).peekable());
    let mut object = String::new();
    while one.peek().is_some() || other.peek().is_some() {
        // A `**` is never taken: it goes with every segment of the other side, and with the other side's end.
        let (left, right) = (one.next_if(|s| *s != "**"), other.next_if(|s| *s != "**"));
        let segment = match (left, right) {
            (None, None) => break,
            (Some(segment), None) if other.peek().is_some() => segment,
            (None, Some(segment)) if one.peek().is_some() => segment,
            (Some("*"), Some(segment)) | (Some(segment), Some("*")) => segment,
            (Some(left), Some(right)) if left.eq_ignore_ascii_case(right) => left,
            _ => return None,
        };
        object.push('/');
        object.push_str(if segment == "*" { "any" } else { segment });
    }
    // Only `/**` on both sides comes here without a segment.
    Some(if object.is_empty() { "/any".to_owned() } else { object })
}

pub(in crate::gate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|right| distance(word, right)).copied().unwrap_or_default();
    format!("`{word}` is no {what}; the nearest is `{nearest}`")
}

/// How many letters must be added, dropped or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (b, above) in other.iter().zip(&mut row[1..]) {
            left = (corner + usize::from(a != *b)).min(left + 1).min(*above + 1);
            corner = std::mem::replace(above, left);
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, meet};

    #[test]
    fn the_nearest_word_takes_the_fewest_changes() {
        for (one, other, far) in
            [("", "", 0), ("allow", "alow", 1), ("deny", "allow", 5), ("kitten", "sitting", 3), ("é", "e", 1)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (far, far), "{one} {other}");
        }
    }

    #[test]
    fn patterns_meet_in_an_object_or_not_at_all() {
        let cases = [
            ("/*/*/*", "/models/*/*", Some("/models/any/any")),
            ("/models/acme/**", "/models/*/*", Some("/models/acme/any")),
            ("/**", "/models/*/*", Some("/models/any/any")),
            ("/**", "/requests/**", Some("/requests")),
            ("/requests/**", "/requests/**", Some("/requests")),
            ("/requests/**", "/requests", Some("/requests")),
            ("/**", "/**", Some("/any")),
            ("/Models/*/x", "/models/*/*", Some("/Models/any/x")),
            ("/model/*/*", "/models/*/*", None),
            ("/models/*", "/models/*/*", None),
            ("/models/*/*/*", "/models/*/*", None),
            ("/catalogue/**", "/catalogue", Some("/catalogue")),
        ];
        for (one, other, object) in cases {
            assert_eq!(
                meet(one, other).as_deref().map(str::to_lowercase),
                object.map(str::to_lowercase),
                "{one} {other}"
            );
            assert_eq!(meet(other, one).is_some(), object.is_some(), "{other} {one}");
        }
    }
}
