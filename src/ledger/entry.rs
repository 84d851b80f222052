//! The bytes of an entry: an event with its place in the log, in the one spelling of RFC 8785.
//!
//! Whatever could make an event unfit for the log is found here, when it is handed in: the sequencer never meets an
//! event that it cannot write. Never hands out a place.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::tree::Hash;
use crate::domain::{
    digest::Sha256,
    event::{Event, Kind},
    refusal::Fault,
    time::Micros,
};

/// An entry is never larger: what is larger keeps the hash of its detail instead of the detail.
pub(super) const MOST: usize = 16 * 1024;
/// What the place may add to an event: four keys, an origin, a hash, a time and a number.
const PLACE: usize = 512;

/// An event that is fit to be written, without its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Every key with its value's bytes, sorted by key: made by whoever hands the event in, so that the sequencer, of
    /// which there is one, only has to put the place between them.
    fields: Vec<(String, Vec<u8>)>,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) origin: &'a str,
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) time: Micros,
}

impl Body {
    pub(super) fn new(event: &Event, replica: &str) -> Result<Self, Fault> {
        let unfit = |why: &str| Fault::new(format!("writing the event {}: {why}", event.kind.word()));
        let id_is_plain = event.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if event.id.is_empty() || event.id.len() > 64 || !id_is_plain {
            return Err(unfit("its id is not a plain word"));
        }
        let value = serde_json::to_value(event).map_err(|e| Fault::because("writing an event as JSON", e))?;
        if !all_numbers_are_exact(&value) {
            return Err(unfit("a number in it is no whole number below 2^53, and only those are the same everywhere"));
        }
        let Value::Object(mut fields) = value else { return Err(unfit("it is no object")) };
        fields.insert("replica".into(), replica.into());
        let mut body = Self::of(event.id.clone(), event.kind, &fields)?;
        if body.to_bytes().len() > MOST - PLACE
            && let Some(detail) = fields.get_mut("detail")
        {
            *detail = hash_of(detail)?;
            body = Self::of(event.id.clone(), event.kind, &fields)?;
        }
        match body.to_bytes().len() {
            size if size > MOST - PLACE => Err(unfit(&format!("{size} bytes are too many"))),
            _ => Ok(body),
        }
    }

    /// Reads a pending row.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let id = fields.get("id")?.as_str()?.to_owned();
        let kind = Kind::from_word(fields.get("type")?.as_str()?)?;
        Self::of(id, kind, &fields).ok()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.with(&[])
    }

    /// The bytes of the entry that this event becomes at its place.
    pub(super) fn at(&self, place: &Place<'_>) -> Vec<u8> {
        let text = |text: &dyn std::fmt::Display| format!("\"{text}\"").into_bytes();
        self.with(&[
            ("log", text(&place.origin)),
            ("prev", text(&Sha256(place.prev))),
            ("seq", place.seq.to_string().into_bytes()),
            ("time", text(&place.time)),
            ("v", b"1".to_vec()),
        ])
    }

    fn of(id: String, kind: Kind, fields: &Map<String, Value>) -> Result<Self, Fault> {
        let field = |(key, value): (&String, &Value)| Ok((key.clone(), canonical(value)?));
        let mut fields = fields.iter().map(field).collect::<Result<Vec<_>, Fault>>()?;
        fields.sort();
        Ok(Self { id, kind, fields })
    }

    /// The object of this event's fields and more. Our keys are ASCII words, which sort as RFC 8785 wants and need no
    /// escapes; the same goes for origins, hashes and times.
    fn with(&self, more: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let own = self.fields.iter().map(|(key, value)| (key.as_str(), value));
        let mut fields: Vec<_> = own.chain(more.iter().map(|(key, value)| (*key, value))).collect();
        fields.sort_unstable_by_key(|(key, _)| *key);
        let mut out = Vec::with_capacity(fields.iter().map(|(key, value)| key.len() + value.len() + 4).sum());
        for (n, (key, value)) in fields.into_iter().enumerate() {
            out.extend([if n == 0 { b'{' } else { b',' }, b'"']);
            out.extend(key.as_bytes());
            out.extend(b"\":");
            out.extend(value);
        }
        out.push(b'}');
        out
    }
}

/// What stands in an entry instead of a detail that is too large for it.
fn hash_of(detail: &Value) -> Result<Value, Fault> {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &canonical(detail)?).as_ref());
    Ok(json!({"sha256": Sha256(hash).to_string(), "truncated": true}))
}

/// The one spelling of RFC 8785.
pub(super) fn canonical(value: &Value) -> Result<Vec<u8>, Fault> {
    serde_json_canonicalizer::to_vec(value).map_err(|e| Fault::because("writing an entry's one spelling", e))
}

/// RFC 8785 writes every number as a double: one that a double cannot hold would be written as another number.
fn all_numbers_are_exact(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53),
        Value::Array(items) => items.iter().all(all_numbers_are_exact),
        Value::Object(fields) => fields.values().all(all_numbers_are_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::event::{ActorFact, Outcome};

    fn event(detail: Value) -> Event {
        let actor = ActorFact { kind: "system", cause: Some("a\u{2028}\n\"b".into()), ..ActorFact::default() };
        Event { detail: Some(detail), ..Event::new("01J".into(), Kind::PointerMoved, Outcome::Done, actor) }
    }

    fn place() -> Place<'static> {
        Place { origin: "w.x/audit/2026", seq: 7, prev: [1; 32], time: Micros(1_795_204_800_123_456) }
    }

    #[test]
    fn an_entry_is_one_line_of_sorted_keys() {
        let bytes = Body::new(&event(json!({"b": 2, "a": [1, null]})), "gw-0").unwrap().at(&place());
        let expected = format!(
            "{{\"actor\":{{\"cause\":\"a\u{2028}\\n\\\"b\",\"kind\":\"system\"}},\"detail\":{{\"a\":[1,null],\"b\":2}},\
             \"id\":\"01J\",\"log\":\"w.x/audit/2026\",\"outcome\":\"done\",\"prev\":\"{}\",\"replica\":\"gw-0\",\
             \"seq\":7,\"time\":\"2026-11-20T20:00:00.123456Z\",\"type\":\"pointer.moved\",\"v\":1}}",
            "01".repeat(32)
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(canonical(&serde_json::from_slice(&bytes).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn a_pending_row_reads_back_as_the_same_event() {
        let body = Body::new(&event(json!({"a": 1})), "gw-0").unwrap();
        assert_eq!(Body::from_bytes(&body.to_bytes()), Some(body));
        assert_eq!(Body::from_bytes(b"{\"id\":\"x\",\"type\":\"no.such\"}"), None);
    }

    #[test]
    fn too_much_detail_becomes_its_hash_and_the_entry_fits() {
        let body = Body::new(&event(json!({"long": "\u{1}".repeat(9000)})), "gw-0").unwrap();
        let bytes = body.at(&place());
        let entry: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(entry["detail"]["truncated"], true);
        assert_eq!(entry["detail"]["sha256"].as_str().unwrap().len(), 64);
        let nearly = Body::new(&event(json!({"long": "x".repeat(MOST - PLACE - 200)})), &"r".repeat(64)).unwrap();
        let bytes = nearly.at(&Place { origin: &"o".repeat(80), seq: 1 << 52, ..place() });
        assert!(bytes.len() <= MOST && bytes.len() > MOST - PLACE, "{}", bytes.len());
    }

    #[test]
    fn what_has_no_one_spelling_is_refused_when_it_is_handed_in() {
        for bad in [json!({"a": 0.5}), json!([1_u64 << 53]), json!({"a": {"b": -(1_i64 << 53)}})] {
            assert!(Body::new(&event(bad), "gw-0").is_err());
        }
        let mut long = event(json!({}));
        long.request_id = Some("x".repeat(MOST));
        assert!(Body::new(&long, "gw-0").is_err());
        for id in ["", "a b", "\0", &"x".repeat(65)] {
            assert!(Body::new(&Event { id: id.into(), ..event(json!({})) }, "gw-0").is_err());
        }
    }
}
