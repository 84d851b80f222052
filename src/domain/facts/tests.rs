//! Facts fit their fields or are missing, and come back from their text as they were.

use std::collections::HashSet;

use super::*;

const AT: Micros = Micros(1_700_000_000_000_000);

#[test]
fn every_field_has_its_own_name_and_words_that_a_rule_can_write() {
    let mut seen = HashSet::new();
    let plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    for field in Field::ALL {
        assert!(seen.insert((field.group(), field.word())), "{field:?}");
        assert!(plain(field.word()) && !field.sentence().is_empty(), "{field:?}");
        assert_eq!(Field::find(field.group(), field.word()), Some(*field));
        if let Kind::Word(words) | Kind::Words(words) = field.kind() {
            assert!(words.iter().all(|word| plain(word)), "{field:?}");
        }
        if field.stored() != *field {
            assert_eq!((field.stored().kind(), field.stored().group()), (Kind::Moment, field.group()), "{field:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_missing_afterwards() -> Result<(), Fault> {
    let cases: [(Field, Value, Value); 7] = [
        (Field::Malicious, false.into(), "false".into()),
        (Field::SizeMib, 7_i64.into(), 5_000_000_000_u64.into()),
        (Field::SizeMib, i64::from(i32::MAX).into(), (i64::from(i32::MAX) + 1).into()),
        (Field::Coverage, "complete".into(), "Complete".into()),
        (
            Field::CapabilityFlags,
            BTreeSet::from(["biometric".to_owned()]).into(),
            BTreeSet::from(["else".to_owned()]).into(),
        ),
        (Field::PublishedAt, AT.into(), 3_i64.into()),
        (Field::Secrets, 0_u64.into(), u64::MAX.into()),
    ];
    for (field, right, wrong) in cases {
        let mut facts = Facts::of(Group::Revision);
        facts.set(field, right.clone(), "scan", AT)?;
        assert_eq!(facts.known(field).map(|known| &known.value), Some(&right));
        assert!(facts.set(field, wrong, "scan", AT).is_err(), "{field:?}");
        assert_eq!(facts.known(field), None, "{field:?}");
    }
    let mut facts = Facts::of(Group::Revision);
    for source in ["", "a\nb", "é", &"x".repeat(LONGEST_SOURCE + 1)] {
        assert!(facts.set(Field::Malicious, false, source, AT).is_err(), "{source}");
    }
    assert!(facts.set(Field::FilePickle, true, "scan", AT).is_err(), "a fact of a file");
    assert!(facts.set(Field::AgeHours, 100_i64, "hub", AT).is_err(), "an age");
    assert!(facts.overlay(&Facts::of(Group::File)).is_err());
    Ok(())
}

#[test]
fn ages_grow_while_nobody_looks() -> Result<(), Fault> {
    let mut facts = Facts::of(Group::Revision);
    assert_eq!(facts.value(Field::AgeHours, AT), None);
    facts.set(Field::PublishedAt, AT, "hub", AT)?;
    for (later, hours) in [(0, 0), (HOUR - 1, 0), (HOUR, 1), (72 * HOUR, 72), (-1, -1)] {
        assert_eq!(facts.value(Field::AgeHours, Micros(AT.0 + later)), Some(Value::Int(hours)), "{later}");
    }
    facts.set(Field::PublishedAt, Micros(i64::MIN), "hub", AT)?;
    assert_eq!(facts.value(Field::AgeHours, AT), None, "no age fits");
    Ok(())
}

#[test]
fn text_gives_the_same_facts_back_and_nothing_else() -> Result<(), Fault> {
    let mut facts = Facts::of(Group::Revision);
    facts.set(Field::Malicious, false, "scan", AT)?;
    facts.set(Field::SizeMib, -1_i64, "hub", AT)?;
    facts.set(Field::Coverage, "complete", "scan", AT)?;
    facts.set(Field::CapabilityFlags, BTreeSet::from(["biometric".to_owned(), "bio-chem".to_owned()]), "card", AT)?;
    facts.set(Field::PublishedAt, AT, "hub", Micros(5))?;
    let text = facts.to_json();
    assert_eq!(Facts::from_json(&text)?, facts);
    assert!(text.contains("\"advisory\":null"), "missing is said: {text}");
    let about = |facts: &str| format!("{{\"v\":1,\"of\":\"revision\",\"facts\":{{{facts}}}}}");
    assert_eq!(Facts::from_json(&about(""))?, Facts::of(Group::Revision));
    let fact = |value: &str| format!("{{\"value\":{value},\"source\":\"scan\",\"at\":1}}");
    assert!(Facts::from_json(&about(&format!("\"malicious\":{}", fact("true")))).is_ok());
    let wrong = [
        String::new(),
        "[]".to_owned(),
        about("").replace('1', "2"),
        about("").replace("revision", "Revision"),
        about("").replace("}}", "},\"more\":1}"),
        about("\"nonsense\":null"),
        about("\"pickle\":null"),
        about("\"malicious\":null,\"malicious\":null"),
        about("\"malicious\":true"),
        about("\"malicious\":{\"value\":true,\"source\":\"scan\"}"),
        about("\"malicious\":{\"value\":true,\"source\":\"scan\",\"at\":1,\"x\":1}"),
        about(&format!("\"malicious\":{}", fact("\"true\""))),
        about(&format!("\"malicious\":{}", fact("0"))),
        about(&format!("\"malicious\":{}", fact("null"))),
        about(&format!("\"size_mib\":{}", fact("1.5"))),
        about(&format!("\"size_mib\":{}", fact("5000000000"))),
        about(&format!("\"coverage\":{}", fact("\"all\""))),
        about(&format!("\"capability_flags\":{}", fact("[\"biometric\",\"biometric\"]"))),
        about(&format!("\"capability_flags\":{}", fact("[1]"))),
        about(&format!("\"age_hours\":{}", fact("100"))),
    ];
    for text in wrong {
        assert!(Facts::from_json(&text).is_err(), "{text}");
    }
    Ok(())
}
