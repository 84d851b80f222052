//! The two JSON parts of a signed token, read so that nobody else can read them differently: no key twice, nothing after
//! the object, base64url with no padding and no stray bits.
//!
//! Never looks at what the keys mean.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// One part of a token as the object it must be.
pub(super) fn object(encoded: &str) -> Option<Map<String, Value>> {
    let bytes = decode(encoded)?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let Once(value) = Once::deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// base64url as RFC 7515 has it.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for c in chunk {
            bits = bits << 6 | digit(*c)?;
        }
        let missing = 4 - chunk.len();
        if missing == 3 {
            return None;
        }
        bits <<= 6 * missing;
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (kept, stray) = bytes.split_at(3 - missing);
        if stray.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

fn digit(c: u8) -> Option<u32> {
    let value = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// JSON in which no object has a key twice: of two, one reader takes the first and another the last.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(value)) = from.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Once(value))) = from.next_entry::<String, Once>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encode(text: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            out.extend((0..=chunk.len()).map(|n| char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize])));
        }
        out
    }

    #[test]
    fn an_object_is_read_and_nothing_that_two_readers_read_differently() {
        let text = r#"{"a":1,"b":{"c":[true,null,-2,"x",{"d":0.5}]},"e":18446744073709551615}"#;
        assert_eq!(object(&encode(text)).map(Value::Object), serde_json::from_str(text).ok());
        let doubtful = [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
            r#"{"a":1}{"a":2}"#,
            r#"{"a":1} x"#,
            r#"["a"]"#,
            r#""a""#,
            "",
            "{",
            "\u{feff}{}",
            &format!("{}{}", "[".repeat(200), "]".repeat(200)),
        ];
        for text in doubtful {
            assert_eq!(object(&encode(text)), None, "{text}");
        }
    }

    #[test]
    fn base64url_has_one_way_to_be_written() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar", "\u{fffd}~?>"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text.as_bytes()));
        }
        for bad in ["Zg==", "Zh", "Zm9=", "Z", "Zm9vY", "Zm+v", "Zm/v", "Zm9v\n", " Zm9v", "Zm9v."] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(object(&encode(&json!({"a": "\u{e9}"}).to_string())), json!({"a": "\u{e9}"}).as_object().cloned());
    }
}
