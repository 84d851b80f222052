//! The directory's language, without a database: filters, paths, operations, what is kept and what is shown.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Trouble,
    filter::{Filter, Op},
    patch,
    path::AttrPath,
    shape::{self, Shown},
};

fn user() -> Value {
    json!({
        "id": "01JD", "userName": "Ada@Example.com", "externalId": "aBc", "active": true, "displayName": "Ada L",
        "name": {"familyName": "Lovelace", "givenName": "Ada"},
        "emails": [{"type": "work", "value": "ada@example.com", "primary": true}, {"type": "home", "value": "a@home.example"}],
        "meta": {"created": "2026-11-20T20:00:00.000Z"},
        shape::ENTERPRISE: {"department": "Engines", "manager": {"value": "m1"}},
    })
}

#[test]
fn filters_find_whom_they_mean_and_nobody_else() {
    for (text, wanted) in [
        (r#"userName eq "ada@example.com""#, true),
        (r#"USERNAME Eq "ada@example.COM""#, true),
        (r#"externalId eq "aBc""#, true),
        (r#"externalId eq "abc""#, false),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ada""#, true),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "engines""#, true),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "m1""#, true),
        (r#"name.familyName co "love" and active eq true"#, true),
        (r#"active eq "True""#, true),
        ("active eq True", true),
        ("active eq false", false),
        (r#"userName ne "bob""#, true),
        (r#"userName ne "ada@example.com""#, false),
        (r#"emails.value ew "home.example""#, true),
        (r#"emails eq "a@home.example""#, true),
        (r#"emails[type eq "work" and value sw "ada"]"#, true),
        (r#"emails[type eq "home" and value sw "ada"]"#, false),
        ("title pr", false),
        ("not (title pr)", true),
        ("emails pr and not (nickName pr)", true),
        (r#"title pr or userName sw "ada" and active eq false"#, false),
        (r#"(title pr or userName sw "ada") and active eq true"#, true),
        (r#"meta.created gt "2026-11-20T19:59:59Z""#, true),
        (r#"meta.created lt "2026-11-20T19:59:59Z""#, false),
        ("title eq null", true),
        (r#"userName eq "quote \" and ) or title pr""#, false),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(filter.fits(&user()), wanted, "{text}");
    }
    assert_eq!(Filter::parse(r#"userName eq "x""#).unwrap().only("userName"), Some("x"));
    assert_eq!(Filter::parse(r#"userName eq "x" or id pr"#).unwrap().only("userName"), None);
}

#[test]
fn what_is_no_filter_is_refused() {
    let deep = format!("{}title pr{}", "(".repeat(5000), ")".repeat(5000));
    let deeper = format!("{}title pr{}", "not (".repeat(40), ")".repeat(40));
    for text in [
        "",
        "userName",
        "userName eq",
        "userName is \"x\"",
        "eq \"x\"",
        "userName eq \"x\" and",
        "(userName pr",
        "userName pr)",
        "emails[type eq \"work\"",
        "userName eq {\"a\": 1}",
        "userName eq [1]",
        "userName eq \"x",
        "userName pr title pr",
        "urn:other:User:x pr",
        "user..name pr",
        "'; DROP TABLE person; --",
        &deep,
        &deeper,
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
}

fn written(filter: &Filter) -> String {
    let path = |path: &AttrPath| match &path.sub {
        Some(sub) => format!("{}.{sub}", path.name),
        None => path.name.clone(),
    };
    let op = |op: &Op| match op {
        Op::Equal => "eq",
        Op::Differs => "ne",
        Op::Contains => "co",
        Op::Starts => "sw",
        Op::Ends => "ew",
        Op::Greater => "gt",
        Op::AtLeast => "ge",
        Op::Less => "lt",
        Op::AtMost => "le",
    };
    match filter {
        Filter::Present(one) => format!("{} pr", path(one)),
        Filter::Compare(one, how, value) => format!("{} {} {value}", path(one), op(how)),
        Filter::And(one, other) => format!("({}) and ({})", written(one), written(other)),
        Filter::Or(one, other) => format!("({}) or ({})", written(one), written(other)),
        Filter::Not(inner) => format!("not ({})", written(inner)),
        Filter::Within(one, inner) => format!("{}[{}]", path(one), written(inner)),
    }
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let path = ("[a-zA-Z][a-zA-Z0-9]{0,8}", proptest::option::of("[a-z]{1,5}")).prop_map(|(name, sub)| AttrPath {
        extension: None,
        name,
        sub,
    });
    let op = proptest::sample::select(vec![
        Op::Equal,
        Op::Differs,
        Op::Contains,
        Op::Starts,
        Op::Ends,
        Op::Greater,
        Op::AtLeast,
        Op::Less,
        Op::AtMost,
    ]);
    let value = prop_oneof![
        any::<String>().prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let leaf = prop_oneof![
        path.clone().prop_map(Filter::Present),
        (path.clone(), op, value).prop_map(|(path, op, value)| Filter::Compare(path, op, value)),
    ];
    leaf.prop_recursive(5, 30, 2, move |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(one, other)| Filter::And(Box::new(one), Box::new(other))),
            two.prop_map(|(one, other)| Filter::Or(Box::new(one), Box::new(other))),
            inner.clone().prop_map(|inner| Filter::Not(Box::new(inner))),
            (path.clone(), inner).prop_map(|(path, inner)| Filter::Within(path, Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was_meant(filter in any_filter()) {
        let text = written(&filter);
        prop_assume!(text.chars().count() < 4000);
        prop_assert_eq!(Filter::parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>(), value in "[ -~]{0,60}") {
        let _ = Filter::parse(&text);
        let _ = Filter::parse(&format!("userName eq {value}"));
        let mut one = user();
        let _ = patch::apply(&mut one, &json!({"Operations": [{"op": "add", "path": text, "value": value}]}));
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is written where it is called")]
fn patched(operations: Value) -> Result<Value, Trouble> {
    let mut one = user();
    patch::apply(
        &mut one,
        &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}),
    )?;
    Ok(one)
}

#[test]
fn operations_do_what_they_say_also_as_the_large_directories_write_them() {
    let one = patched(json!([
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "emails[type eq \"other\"].value", "value": "x@y"},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
        {"op": "Replace", "value": {"name.familyName": "King", "displayName": "Ada K", "id": "mine", "schemas": []}},
        {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Looms"},
        {"op": "remove", "path": "externalId"},
        {"op": "add", "path": "NAME", "value": {"middleName": "B"}},
    ]))
    .unwrap();
    assert_eq!(one["id"], "01JD");
    assert_eq!(one["name"], json!({"familyName": "King", "givenName": "Ada", "middleName": "B"}));
    assert_eq!(one["emails"][0]["value"], "new@example.com");
    assert_eq!(one["emails"][2], json!({"type": "other", "value": "x@y"}));
    assert_eq!((&one[shape::ENTERPRISE]["department"], one.get("externalId")), (&json!("Looms"), None));
    assert_eq!(shape::clean(&one, shape::USER).unwrap()["active"], false);
    let group = |operations: Value| {
        let mut one = json!({"displayName": "g", "members": [{"value": "a"}, {"value": "b"}, {"value": "c"}]});
        patch::apply(&mut one, &json!({"Operations": operations})).map(|()| one["members"].clone())
    };
    let left = |list: &[&str]| list.iter().map(|id| json!({"value": id})).collect::<Value>();
    assert_eq!(group(json!([{"op": "remove", "path": "members[value eq \"b\"]"}])).unwrap(), left(&["a", "c"]));
    assert_eq!(
        group(json!([{"op": "Remove", "path": "members", "value": [{"value": "a"}]}])).unwrap(),
        left(&["b", "c"])
    );
    assert_eq!(
        group(json!([{"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "d"}]}])).unwrap(),
        left(&["a", "b", "c", "d"])
    );
    assert_eq!(group(json!([{"op": "replace", "path": "members", "value": [{"value": "z"}]}])).unwrap(), left(&["z"]));
    assert_eq!(group(json!([{"op": "remove", "path": "members"}])).unwrap(), Value::Null);
}

#[test]
fn what_is_ours_is_not_theirs_to_change_and_what_has_no_place_is_said() {
    for (operation, kind) in [
        (json!({"op": "replace", "path": "id", "value": "x"}), "mutability"),
        (json!({"op": "replace", "path": "meta.created", "value": "x"}), "mutability"),
        (json!({"op": "add", "path": "groups", "value": [{"value": "g"}]}), "mutability"),
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "replace", "path": "emails[type eq \"none\"].value", "value": "x"}), "noTarget"),
        (json!({"op": "move", "path": "title"}), "invalidSyntax"),
        (json!({"op": "add", "path": "a b", "value": 1}), "invalidPath"),
        (json!({"op": "add", "path": "emails[", "value": 1}), "invalidPath"),
        (json!({"op": "add", "value": "text"}), "invalidValue"),
    ] {
        match patched(json!([operation])) {
            Err(Trouble::Said { kind: said, .. }) => assert_eq!(said, kind, "{operation}"),
            other => panic!("{operation}: {other:?}"),
        }
    }
}

#[test]
fn passwords_are_dropped_and_unknown_things_kept() {
    let given = json!({
        "USERNAME": "ada", "password": "secret", "Password": "secret", "id": "x", "shoeSize": 38, "groups": [{"value": "admins"}],
        "active": "False", "emails": {"value": "a@b"}, "nickName": null, "phoneNumbers": [],
    });
    let kept = shape::clean(&given, shape::USER).unwrap();
    assert_eq!(
        Value::Object(kept),
        json!({"userName": "ada", "shoeSize": 38, "active": false, "emails": [{"value": "a@b"}]})
    );
    for wrong in [json!({"userName": 7}), json!({"active": "perhaps"}), json!({"name": 1}), json!([])] {
        assert!(shape::clean(&wrong, shape::USER).is_err(), "{wrong}");
    }
}

#[test]
fn what_was_asked_for_is_shown() {
    let shown = |only: Option<&str>, without: Option<&str>| Shown::of(only, without).apply(user());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&shown(Some("userName"), None)), ["id", "userName"]);
    assert_eq!(shown(Some("name.familyName,emails.type"), None)["name"], json!({"familyName": "Lovelace"}));
    assert_eq!(shown(Some("emails.type"), None)["emails"], json!([{"type": "work"}, {"type": "home"}]));
    let enterprise = format!("{}:department", shape::ENTERPRISE);
    assert_eq!(shown(Some(&enterprise), None)[shape::ENTERPRISE], json!({"department": "Engines"}));
    let without = shown(None, Some("emails,name.familyName,id"));
    assert_eq!(
        (without.get("emails"), &without["name"], &without["id"]),
        (None, &json!({"givenName": "Ada"}), &json!("01JD"))
    );
    assert!(Shown::of(None, Some("members")).hides("members") && Shown::of(Some("displayName"), None).hides("members"));
    assert!(!Shown::of(Some("members.value"), None).hides("members"));
}

#[test]
fn every_schema_is_there() {
    let ids: Vec<&str> = shape::schemas().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids.len(), 6);
    assert_eq!(&ids[..3], [shape::USER, shape::ENTERPRISE, shape::GROUP]);
}
