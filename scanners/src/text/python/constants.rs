//! What pure functions and methods make of constants: joining, decoding, replacing. Nothing of the file runs; each form is
//! known here by name.

use super::{
    decode,
    value::{Args, HOLE, LONGEST, Taint, Value, What},
};

/// What `receiver.method(arguments)` makes; nothing where it is not known.
pub(super) fn method(receiver: &Value, name: &str, args: &Args) -> Option<Value> {
    let made = match &receiver.what {
        What::Text(text) => text_method(text, name, args),
        What::Bytes(bytes) => bytes_method(bytes, name, args),
        What::List(items) => match name {
            "copy" | "__iter__" => Some(receiver.clone()),
            "pop" if args.len() == 0 => items.last().cloned(),
            "pop" | "__getitem__" => index(receiver, &args.at(0)),
            _ => None,
        },
        What::Dict(items) => match name {
            "get" | "__getitem__" | "pop" | "setdefault" => Some(match index(receiver, &args.at(0)) {
                Some(value) => value,
                None => args.at(1),
            }),
            "values" => Some(Value::list(items.iter().map(|(_, value)| value.clone()).collect())),
            "keys" => Some(Value::list(items.iter().map(|(key, _)| key.clone()).collect())),
            "items" => Some(Value::list(
                items.iter().map(|(key, value)| Value::list(vec![key.clone(), value.clone()])).collect(),
            )),
            "copy" => Some(receiver.clone()),
            _ => None,
        },
        _ => None,
    };
    made.map(|value| value.tainted(receiver.taint))
}

fn text_method(text: &str, name: &str, args: &Args) -> Option<Value> {
    let first = args.at(0);
    let plain = first.as_text();
    Some(match name {
        "join" => {
            let parts: Vec<String> = args.at(0).items()?.iter().map(Value::shown).collect();
            if parts.iter().map(String::len).sum::<usize>() > LONGEST {
                return None;
            }
            Value::text(parts.join(text))
        }
        "encode" if !text.contains(HOLE) => {
            let codec = plain.unwrap_or("utf-8").to_ascii_lowercase();
            match decode::by_codec(text.as_bytes(), &codec) {
                Some(bytes) => Value::bytes(bytes).tainted(Taint::DECODED),
                None if codec.contains("16") || codec.contains("32") => return None,
                None if codec.contains("latin") || codec.contains("8859") => {
                    Value::bytes(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect::<Vec<u8>>())
                }
                None => Value::bytes(text.as_bytes()),
            }
        }
        "replace" => {
            let (from, to) = (plain?, args.at(1));
            let to = to.as_text()?;
            if from.is_empty() || text.len().saturating_mul(to.len().max(1)) > LONGEST * 8 {
                return None;
            }
            Value::text(text.replace(from, to))
        }
        "format" => Value::text(format(text, args)),
        "format_map" => Value::text(format(text, &Args::default())),
        "strip" | "lstrip" | "rstrip" => {
            let set: Vec<char> = plain.map_or_else(|| " \t\r\n".chars().collect(), |set| set.chars().collect());
            Value::text(match name {
                "strip" => text.trim_matches(&*set),
                "lstrip" => text.trim_start_matches(&*set),
                _ => text.trim_end_matches(&*set),
            })
        }
        "lower" | "casefold" => Value::text(text.to_lowercase()),
        "upper" => Value::text(text.to_uppercase()),
        "swapcase" => Value::text(swapped(text)),
        "removeprefix" => Value::text(text.strip_prefix(plain?).unwrap_or(text)),
        "removesuffix" => Value::text(text.strip_suffix(plain?).unwrap_or(text)),
        "split" | "rsplit" => match plain {
            Some("") => return None,
            Some(by) => Value::list(text.split(by).take(4096).map(Value::text).collect()),
            None => Value::list(text.split_whitespace().take(4096).map(Value::text).collect()),
        },
        "splitlines" => Value::list(text.lines().take(4096).map(Value::text).collect()),
        "partition" | "rpartition" => {
            let by = plain?;
            let halves = if name == "partition" { text.split_once(by) } else { text.rsplit_once(by) };
            let (a, b) = halves?;
            Value::list(vec![Value::text(a), Value::text(by), Value::text(b)])
        }
        "__add__" => Value::text(format!("{text}{}", first.shown())),
        "__getitem__" => index(&Value::text(text), &first)?,
        // What `pathlib` adds to a path.
        "joinpath" | "__truediv__" => joined(&Value::text(text), &args.given),
        "expanduser" | "resolve" | "absolute" | "as_posix" | "expandvars" | "__str__" | "title" | "capitalize"
        | "expandtabs" => Value::text(text),
        "with_suffix" | "with_name" => Value::text(format!("{text}/{}", first.shown())),
        _ => return None,
    })
}

fn bytes_method(bytes: &[u8], name: &str, args: &Args) -> Option<Value> {
    Some(match name {
        "decode" => {
            let first = args.get(0, "encoding");
            let codec = first.as_text().unwrap_or("utf-8").to_ascii_lowercase();
            match decode::by_codec(bytes, &codec) {
                Some(bytes) => Value::text(String::from_utf8_lossy(&bytes)).tainted(Taint::DECODED),
                None if codec.contains("latin") || codec.contains("8859") => {
                    Value::text(bytes.iter().map(|b| char::from(*b)).collect::<String>())
                }
                None => Value::text(String::from_utf8_lossy(bytes)),
            }
        }
        "hex" => {
            let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
            Value::text(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect::<String>())
        }
        "join" => {
            let mut out = Vec::new();
            for (place, item) in args.at(0).items()?.iter().enumerate() {
                if place > 0 {
                    out.extend_from_slice(bytes);
                }
                out.extend_from_slice(item.as_bytes()?);
                if out.len() > LONGEST {
                    return None;
                }
            }
            Value::bytes(out)
        }
        "replace" | "strip" | "split" | "lower" | "upper" => {
            let text: String = bytes.iter().map(|b| char::from(*b)).collect();
            let args = Args { given: args.given.iter().map(latin_text).collect(), named: Vec::new() };
            return text_method(&text, name, &args).map(|made| latin_bytes(&made));
        }
        "__getitem__" => index(&Value::bytes(bytes), &args.at(0))?,
        _ => return None,
    })
}

fn latin_text(value: &Value) -> Value {
    value
        .as_bytes()
        .map_or_else(|| value.clone(), |b| Value::text(b.iter().map(|b| char::from(*b)).collect::<String>()))
}

fn latin_bytes(value: &Value) -> Value {
    match &value.what {
        What::Text(text) => {
            Value::bytes(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect::<Vec<u8>>())
        }
        What::List(items) => Value::list(items.iter().map(latin_bytes).collect()),
        _ => value.clone(),
    }
}

fn swapped(text: &str) -> String {
    text.chars()
        .flat_map(|c| -> Vec<char> {
            if c.is_lowercase() { c.to_uppercase().collect() } else { c.to_lowercase().collect() }
        })
        .collect()
}

/// `"{} {name}".format(…)`, with holes for what is not known.
fn format(text: &str, args: &Args) -> String {
    let (mut out, mut rest, mut next) = (String::new(), text, 0_usize);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        if let Some(doubled) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
            out.push_str(after.get(..1).unwrap_or_default());
            rest = doubled;
            continue;
        }
        let Some(end) = after.find('}') else { break };
        let field = after.get(1..end).unwrap_or_default();
        let name = field.split([':', '!']).next().unwrap_or_default();
        let value = if name.is_empty() {
            next += 1;
            args.at(next - 1)
        } else if let Ok(place) = name.parse::<usize>() {
            args.at(place)
        } else {
            args.named(name).cloned().unwrap_or_default()
        };
        out.push_str(&value.shown());
        if out.len() > LONGEST {
            return HOLE.to_string();
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// `"%s %s" % (…)`.
pub(super) fn percent(text: &str, with: &Value) -> Value {
    let given = match &with.what {
        What::List(items) => items.to_vec(),
        _ => vec![with.clone()],
    };
    let (mut out, mut chars, mut next) = (String::new(), text.chars().peekable(), given.iter());
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut named = None;
        if chars.next_if_eq(&'(').is_some() {
            named = Some(chars.by_ref().take_while(|c| *c != ')').collect::<String>());
        }
        while chars.next_if(|c| "0123456789.+- #*".contains(*c)).is_some() {}
        let kind = chars.next();
        let value = match named {
            Some(name) => index(with, &Value::text(name)).unwrap_or_default(),
            None => next.next().cloned().unwrap_or_default(),
        };
        match (kind, value.as_number()) {
            (Some('c'), Some(number)) => {
                out.extend(u32::try_from(number).ok().and_then(char::from_u32));
            }
            _ => out.push_str(&value.shown()),
        }
        if out.len() > LONGEST {
            return Value::default();
        }
    }
    Value::text(out)
}

/// `os.path.join` and the `/` of `pathlib`.
pub(super) fn joined(first: &Value, more: &[Value]) -> Value {
    let mut out = first.shown();
    for part in more {
        let part = part.shown();
        if part.starts_with('/') || part.starts_with('~') {
            out = part;
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out.push_str(&part);
        }
    }
    Value::text(out)
}

/// `value[place]` of a constant.
pub(super) fn index(value: &Value, place: &Value) -> Option<Value> {
    match &value.what {
        What::Dict(items) => items.iter().rev().find(|(key, _)| key.what == place.what).map(|(_, value)| value.clone()),
        What::Either(choices) => choices.iter().find_map(|choice| index(choice, place)),
        What::Text(text) if text.contains(HOLE) => None,
        _ => {
            let number = place.as_number()?;
            let items = value.items()?;
            let length = i64::try_from(items.len()).ok()?;
            let place = if number < 0 { number + length } else { number };
            items.get(usize::try_from(place).ok()?).cloned()
        }
    }
}

/// `value[lower:upper:step]` of a constant.
pub(super) fn slice(value: &Value, bounds: [Option<i64>; 3]) -> Option<Value> {
    if matches!(&value.what, What::Dict(_)) {
        return None;
    }
    let mut items = match &value.what {
        // Turned round, holes and all.
        What::Text(text) => text.chars().map(|c| Value::text(c.encode_utf8(&mut [0; 4]))).collect(),
        _ => value.items()?,
    };
    let [lower, upper, step] = bounds;
    let step = step.unwrap_or(1);
    let length = i64::try_from(items.len()).ok()?;
    let clamp = |at: i64| usize::try_from((if at < 0 { at + length } else { at }).clamp(0, length)).unwrap_or(0);
    if step < 0 {
        let above = upper.map_or(0, |upper| clamp(upper) + 1);
        let below = lower.map_or(items.len(), |lower| clamp(lower) + 1).min(items.len());
        items = items.get(above.min(below)..below)?.to_vec();
        items.reverse();
    } else {
        let (from, to) = (clamp(lower.unwrap_or(0)), clamp(upper.unwrap_or(length)));
        items = items.get(from..to.max(from))?.to_vec();
    }
    let every = usize::try_from(step.unsigned_abs()).ok()?.max(1);
    let items: Vec<Value> = items.into_iter().step_by(every).collect();
    Some(match &value.what {
        What::Text(_) => Value::text(items.iter().map(Value::shown).collect::<String>()),
        What::Bytes(_) => Value::bytes(octets(&items)?),
        _ => Value::list(items),
    })
}

/// Small numbers as bytes.
fn octets(items: &[Value]) -> Option<Vec<u8>> {
    items.iter().map(|item| item.as_number().and_then(|number| u8::try_from(number).ok())).collect()
}

/// What a pure function of the standard library makes of constants.
#[expect(clippy::too_many_lines, reason = "a table of functions")]
pub(super) fn function(path: &str, args: &Args) -> Option<Value> {
    let first = args.at(0);
    let taint = first.deep_taint();
    let name = path.strip_prefix("builtins.").unwrap_or(path);
    let made = match name {
        "chr" => {
            let c = char::from_u32(u32::try_from(first.as_number()?).ok()?)?;
            Value::text(c.encode_utf8(&mut [0; 4]))
        }
        "ord" => {
            let text = first.as_text()?;
            let mut chars = text.chars();
            let c = chars.next()?;
            Value::new(What::Number(i64::from(u32::from(c))))
        }
        "str"
        | "builtins.str.__new__"
        | "os.fspath"
        | "os.fsdecode"
        | "os.path.expanduser"
        | "os.path.expandvars"
        | "os.path.abspath"
        | "os.path.realpath"
        | "os.path.normpath"
        | "ast.literal_eval"
        | "textwrap.dedent"
        | "repr"
        | "shlex.quote" => match &first.what {
            What::Text(_) => first.clone(),
            What::Number(number) => Value::text(number.to_string()),
            What::Bytes(bytes) => Value::text(String::from_utf8_lossy(bytes)),
            _ => return None,
        },
        "bytes" | "bytearray" | "memoryview" => match &first.what {
            What::Bytes(_) => first.clone(),
            What::List(items) => Value::bytes(octets(items)?),
            What::Text(text) => Value::bytes(text.as_bytes()),
            _ => return None,
        },
        "bytes.fromhex" | "bytearray.fromhex" => Value::bytes(decode::hex(first.as_text()?)?).tainted(Taint::DECODED),
        "int" => integer(&first, &args.get(1, "base"))?,
        "len" => Value::new(What::Number(i64::try_from(first.items()?.len()).ok()?)),
        "list" | "tuple" | "iter" | "set" | "frozenset" | "copy.copy" | "copy.deepcopy" => match &first.what {
            What::Dict(_) if name.starts_with("copy") => first.clone(),
            _ => Value::list(first.items()?),
        },
        "reversed" => {
            let mut items = first.items()?;
            items.reverse();
            Value::list(items)
        }
        "range" => range(args)?,
        "inspect.getmembers" => Value::path(format!("{}.__dict__", first.as_path()?)),
        "dict" => match &first.what {
            What::Dict(_) => first.clone(),
            What::Path(path) if path.ends_with(".__dict__") => first.clone(),
            What::Unknown if args.given.is_empty() => Value::new(What::Dict(std::rc::Rc::new(
                args.named.iter().map(|(name, value)| (Value::text(name), value.clone())).collect(),
            ))),
            _ => return None,
        },
        "os.path.join" | "posixpath.join" | "ntpath.join" | "pathlib.Path" | "pathlib.PurePath"
        | "pathlib.PosixPath" => {
            if args.given.is_empty() {
                return None;
            }
            joined(&first, args.given.get(1..).unwrap_or_default())
        }
        "pathlib.Path.home" | "os.path.expanduser()" => Value::text("~"),
        "shlex.split" => Value::list(first.as_pattern()?.split_whitespace().take(4096).map(Value::text).collect()),
        "shlex.join" => Value::text(first.items()?.iter().map(Value::shown).collect::<Vec<_>>().join(" ")),
        "urllib.request.Request" => args.get(0, "url").tainted(args.taint()),
        "site.getsitepackages" => Value::list(vec![Value::text("/lib/site-packages/")]),
        "site.getusersitepackages" | "sysconfig.get_path" | "distutils.sysconfig.get_python_lib" => {
            Value::text("/lib/site-packages/")
        }
        "zip" => {
            let (a, b) = (first.items()?, args.at(1).items()?);
            Value::list(a.into_iter().zip(b).map(|(a, b)| Value::list(vec![a, b])).collect())
        }
        "enumerate" => {
            let numbered = first.items()?.into_iter().zip(0_i64..);
            Value::list(numbered.map(|(item, n)| Value::list(vec![Value::new(What::Number(n)), item])).collect())
        }
        "codecs.decode" | "codecs.encode" => {
            let codec = args.get(1, "encoding");
            let codec = codec.as_text().unwrap_or("utf-8").to_ascii_lowercase();
            return method(
                &first,
                if name.ends_with("decode") { "decode" } else { "encode" },
                &one(Value::text(&codec)),
            )
            .or_else(|| Some(Value::bytes(decode::by_codec(first.as_text()?.as_bytes(), &codec)?)))
            .map(|made| if codec.contains("rot") { as_text(&made) } else { made });
        }
        _ => return decode::library(name, &first),
    };
    Some(made.tainted(taint))
}

fn one(value: Value) -> Args {
    Args { given: vec![value], named: Vec::new() }
}

fn as_text(value: &Value) -> Value {
    match value.as_bytes() {
        Some(bytes) => Value::text(String::from_utf8_lossy(bytes)).tainted(value.taint),
        None => value.clone(),
    }
}

fn integer(value: &Value, base: &Value) -> Option<Value> {
    let number = match &value.what {
        What::Number(number) => *number,
        What::Text(text) => {
            let base = base.as_number().and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
            let plain = text.trim().trim_start_matches("0x").trim_start_matches("0b").replace('_', "");
            let base = if base == 0 { 16 } else { base };
            if !(2..=36).contains(&base) {
                return None;
            }
            i64::from_str_radix(&plain, base).ok()?
        }
        _ => return None,
    };
    Some(Value::new(What::Number(number)))
}

fn range(args: &Args) -> Option<Value> {
    let numbers: Vec<i64> = args.given.iter().map(Value::as_number).collect::<Option<_>>()?;
    let (from, to, step) = match numbers[..] {
        [to] => (0, to, 1),
        [from, to] => (from, to, 1),
        [from, to, step] if step != 0 => (from, to, step),
        _ => return None,
    };
    let mut out = Vec::new();
    let mut at = from;
    while (step > 0 && at < to || step < 0 && at > to) && out.len() <= 4096 {
        out.push(Value::new(What::Number(at)));
        at = at.checked_add(step)?;
    }
    if out.len() > 4096 { None } else { Some(Value::list(out)) }
}
