//! The access plane as a whole: the shipped policy's matrix, the traps of Casbin, and both evaluators against each other.

use std::{fs, path::Path, sync::LazyLock};

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, Model, function_map::OperatorFunction};
use proptest::prelude::*;

use super::*;

/// Enough rows that no act is left to no one, and one for whoever wants to be denied something.
const ROWS: &str = include_str!("../../../policies/access.csv");

const NO_ROW: Ruling = Ruling { allow: false, matched: Vec::new() };

const DEVELOPER: Subject = Subject::Role(Role::Developer);

async fn with(rows: &str) -> Result<Access, Fault> {
    Access::load(model::SHIPPED, &format!("{ROWS}\n{rows}")).await
}

async fn refusal_to_load(model: &str, rows: &str) -> String {
    Access::load(model, rows).await.err().map_or_else(|| "it loaded".to_owned(), |fault| fault.to_string())
}

fn pull(access: &Access, environment: &str, object: &str) -> Ruling {
    access.decide(&DEVELOPER, environment, object, "file.pull")
}

/// An access that asks another Casbin than its rows say.
async fn asking(rows: &str, matcher: &str, functions: &[(&str, OperatorFunction)]) -> Result<Access, Fault> {
    let read = rows::read(rows)?;
    let mut model = DefaultModel::default();
    let definitions = [
        ("r", "sub, env, obj, act"),
        ("p", "id, role, env, obj, act, eft"),
        ("e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))"),
        ("m", matcher),
    ];
    for (key, definition) in definitions {
        model.add_def(key, key, definition);
    }
    for row in &read {
        model.add_policy("p", "p", row.fields());
    }
    let broken = |error| Fault::because("setting up a broken access", error);
    let mut enforcer = Enforcer::new_raw(model, MemoryAdapter::default()).await.map_err(broken)?;
    for (name, function) in functions {
        enforcer.add_function(name, *function);
    }
    Ok(Access { enforcer, ..Access::assemble(read, String::new()).await? })
}

#[tokio::test]
async fn the_shipped_policy_loads_and_its_matrix_is_the_golden_one() -> Result<(), Fault> {
    let matrix = matrix(&Access::built_in().await?);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/golden/access-matrix.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &matrix).map_err(|e| Fault::because("writing the golden matrix", e))?;
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), matrix, "UPDATE_GOLDEN=1 writes it; read the difference");
    Ok(())
}

fn everyone() -> Vec<Subject> {
    Subject::in_rows().chain([Subject::Anonymous]).collect()
}

fn matrix(access: &Access) -> String {
    let words: Vec<_> = everyone().into_iter().map(Subject::word).collect();
    let mut lines = vec![
        "# Who may do what, by the shipped access policy\n".to_owned(),
        "Written by a test from `access.csv`, read by people: ✔ may, · may not. Asked in the environment `prod`."
            .to_owned(),
        "Datasets and spaces are answered as models are.\n".to_owned(),
        format!("| Act | Object | {} |", words.join(" | ")),
        format!("|---|---|{}", ":-:|".repeat(words.len())),
    ];
    let told_once = |shape: &&&str| !shape.starts_with("/datasets") && !shape.starts_with("/spaces");
    for act in acts::ACTS {
        for shape in act.objects.iter().filter(told_once) {
            let object = shape.replace("/*/*", "/acme/tiny").replace("/**", "/01JD");
            let may = |subject: Subject, object: &str| access.decide(&subject, "prod", object, act.word).allow;
            let answers = everyone().into_iter().map(|subject| {
                let allow = may(subject, &object);
                for kind in ["/datasets/", "/spaces/"].into_iter().filter(|_| object.starts_with("/models/")) {
                    assert_eq!(may(subject, &object.replace("/models/", kind)), allow, "{kind}");
                }
                if allow { "✔" } else { "·" }
            });
            lines.push(format!("| {} | {object} | {} |", act.word, answers.collect::<Vec<_>>().join(" | ")));
        }
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn the_shipped_roles_are_what_their_names_say() -> Result<(), Fault> {
    let access = Access::built_in().await?;
    let may = |subject: Subject, act: &str| {
        let objects = acts::find(act).map_or(&[][..], |act| act.objects);
        objects.iter().any(|shape| access.decide(&subject, "prod", &shape.replace('*', "x"), act).allow)
    };
    for role in Role::ALL {
        let subject = Subject::Role(role);
        assert!(may(subject, "account.read"), "{role}");
        for act in ["revision.examine", "revision.approve", "revision.revoke"] {
            assert_eq!(may(subject, act), role == Role::Reviewer, "{role} {act}");
        }
        assert_eq!(
            may(subject, "file.pull"),
            !matches!(role, Role::Auditor | Role::Operator | Role::Admin),
            "{role} file.pull"
        );
    }
    for act in acts::ACTS {
        assert!(!may(Subject::Anonymous, act.word), "{}", act.word);
        assert_eq!(may(Subject::Work, act.word), act.given_to == acts::Given::Work, "{}", act.word);
        let on_the_host = matches!(act.given_to, acts::Given::Host | acts::Given::RolesAndHost);
        assert_eq!(may(Subject::Host, act.word), on_the_host, "{}", act.word);
        assert_eq!(may(Subject::Directory, act.word), act.given_to == acts::Given::Directory, "{}", act.word);
        // What is one's own is everybody's to change: one's own tokens, one's own terminal.
        let own = act.word.ends_with("-own") || act.word == "device.answer";
        let changes = !own && !["view", "search", "read"].iter().any(|verb| act.word.ends_with(verb));
        assert!(!(may(Subject::Role(Role::Auditor), act.word) && changes), "an auditor changes: {}", act.word);
    }
    Ok(())
}

#[test]
fn every_subject_has_its_own_prefixed_word() {
    for role in Role::ALL {
        assert_eq!(Subject::Role(role).word(), format!("role:{role}"));
    }
    let mut words: Vec<_> = everyone().into_iter().map(Subject::word).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), everyone().len());
}

#[tokio::test]
async fn a_deny_outweighs_an_allow_wherever_it_stands() -> Result<(), Fault> {
    let deny = "p, no-evil, role:developer, prod, /models/evil/**, file.pull, deny";
    for text in [format!("{ROWS}\n{deny}"), format!("{deny}\n{ROWS}")] {
        let access = Access::load(model::SHIPPED, &text).await?;
        let ruling = pull(&access, "prod", "/models/evil/x");
        assert!(
            !ruling.allow && ruling.reason().contains("denies it") && ruling.matched.contains(&"no-evil".to_owned())
        );
        assert!(!pull(&access, "prod", "/models/EVIL/x").allow, "another spelling of the same name");
        assert!(pull(&access, "research", "/models/evil/x").allow);
        assert!(pull(&access, "prod", "/models/evil2/x").allow);
        assert!(!pull(&access, ALL, "/models/evil/x").allow, "every environment holds prod");
        assert_eq!(access.environments().collect::<Vec<_>>(), ["prod"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_allow_for_one_environment_is_not_one_for_all() -> Result<(), Fault> {
    let rows = ROWS.replace("p, developer-pull, role:developer, *,", "p, developer-pull, role:developer, research,");
    let access = Access::load(model::SHIPPED, &rows).await?;
    assert!(pull(&access, "research", "/models/acme/x").allow);
    for environment in ["prod", ALL] {
        let ruling = pull(&access, environment, "/models/acme/x");
        assert_eq!(ruling, NO_ROW, "{environment}");
    }
    Ok(())
}

/// Casbin's own effector stops at the first deny and tells only that one.
#[tokio::test]
async fn trap_every_matching_row_is_told_also_from_memory() -> Result<(), Fault> {
    let access = with(
        "p, one, role:developer, *, /models/**, file.pull, deny\np, two, role:developer, *, /*/acme/*, file.pull, deny",
    )
    .await?;
    for _ in ["asked", "remembered"] {
        assert_eq!(pull(&access, "prod", "/models/acme/x").matched, ["developer-pull", "one", "two"]);
    }
    assert_eq!(pull(&access, "prod", "/datasets/acme/x").matched, ["developer-pull", "two"]);
    Ok(())
}

/// Casbin takes a deny in a section `p2` for an allow, panics on unknown effects, runs `eval`, and reads on.
#[tokio::test]
async fn trap_no_other_model_loads() {
    let shipped = model::SHIPPED;
    let cases = [
        (shipped.replace("[policy_effect]", "p2 = sub, act, eft\n[policy_effect]"), "`p2` in [policy_definition]"),
        (format!("{shipped}\n[role_definition]\ng = _, _"), "`g` in [role_definition]"),
        (shipped.replace(" && !some(where (p.eft == deny))", ""), "`e` in [policy_effect] must be"),
        (shipped.replace("some(where (p.eft == allow)) && ", ""), "`e` in [policy_effect] must be"),
        (
            shipped.replace("some(where (p.eft == allow)) &&", "priority(p.eft) || deny #"),
            "`e` in [policy_effect] must be",
        ),
        (shipped.replace("p.eft == allow", "p.eft = alow"), "`e` in [policy_effect] must be"),
        (shipped.replace("under(", "keyMatch("), "`m` in [matchers] must be"),
        (shipped.replace("under(r.obj, p.obj)", "eval(p.obj)"), "`m` in [matchers] must be"),
        (shipped.replace("m = ", "m = r.sub == \"root\" || "), "`m` in [matchers] must be"),
        (format!("{shipped}\nm = true"), "defined twice"),
        (format!("{shipped}\n; a comment for Casbin"), "neither a section nor a definition"),
        (shipped.replace("[matchers]", "[Matchers]"), "`m` in [Matchers]"),
        (shipped.replace("r = sub, env", "r = env, sub"), "`r` in [request_definition] must be"),
        (String::new(), "is missing"),
    ];
    for (model, expected) in cases {
        let refusal = refusal_to_load(&model, ROWS).await;
        assert!(refusal.contains("access model") && refusal.contains(expected), "{expected}: {refusal}");
    }
    let spaced = format!("# ours\n{}", shipped.replace(" && ", "  &&  "));
    assert!(Access::load(&spaced, ROWS).await.is_ok());
}

/// With no rows Casbin compares the question with empty strings: an empty question would be allowed.
#[tokio::test]
async fn trap_an_empty_policy_does_not_load() {
    for rows in ["", "\n\n", "# p, a, role:developer, *, /account, account.read, allow\n"] {
        assert!(refusal_to_load(model::SHIPPED, rows).await.contains("there are none"));
    }
}

#[tokio::test]
async fn trap_no_empty_or_unknown_field_is_ever_asked() -> Result<(), Fault> {
    let access = with("p, all, role:developer, *, /**, file.pull, allow").await?;
    let long = format!("/models/{}", "x".repeat(LONGEST_OBJECT));
    let cases = [
        ("", "/models/a/b", "file.pull"),
        ("prod", "", "file.pull"),
        ("prod", "/models/a/b", ""),
        ("prod", "/models/a/b", "file.pulls"),
        ("prod", "/models/a/b", "*"),
        ("Prod", "/models/a/b", "file.pull"),
        ("*", "/models/a/b", "file.pull"),
        ("prod", "/", "file.pull"),
        ("prod", "models/a/b", "file.pull"),
        ("prod", "/models//b", "file.pull"),
        ("prod", "/models/a/", "file.pull"),
        ("prod", "/models/../b", "file.pull"),
        ("prod", "/models/./b", "file.pull"),
        ("prod", "/models/*/b", "file.pull"),
        ("prod", "/models/**", "file.pull"),
        ("prod", &long, "file.pull"),
    ];
    for (environment, object, act) in cases {
        let ruling = access.decide(&DEVELOPER, environment, object, act);
        assert_eq!(ruling, Ruling::trouble(BAD_QUESTION), "{environment} {object} {act}");
    }
    let stranger = access.decide(&Subject::Anonymous, "prod", "/models/a/b", "file.pull");
    assert_eq!(stranger, NO_ROW);
    Ok(())
}

/// Casbin takes an unknown effect for none, an unknown section for nothing, and a login that is called as a role for it.
#[tokio::test]
async fn trap_a_row_that_is_not_understood_names_its_line() {
    let line = format!("line {}: ", ROWS.lines().count() + 2);
    let cases = [
        ("p, x, role:developer, *, /account, account.read, alow", "`alow` is no effect; the nearest is `allow`"),
        ("p, x, role:developer, *, /account, account.read, Deny", "`Deny` is no effect; the nearest is `deny`"),
        (
            "p, x, role:developer, *, /account, acount.read, deny",
            "`acount.read` is no act; the nearest is `account.read`",
        ),
        ("p, x, role:developer, *, /account, *, allow", "`*` is no act"),
        (
            "p, x, role:develper, *, /account, account.read, allow",
            "`role:develper` is no role; the nearest is `role:developer`",
        ),
        ("p, x, developer, *, /account, account.read, allow", "the nearest is `role:developer`"),
        ("p, x, *, *, /account, account.read, allow", "`*` is no role"),
        ("p, x, anonymous:anyone, *, /account, account.read, allow", "`anonymous:anyone` is no role"),
        ("p, x, role:developer, Prod, /account, account.read, allow", "`Prod` is no environment"),
        ("p, x, role:developer, all, /account, account.read, allow", "`all` is no environment"),
        ("p, x, role:developer, , /account, account.read, allow", "`` is no environment"),
        ("p, x, role:developer, *, /account, account.read", "a row is `p, id"),
        ("p, x, role:developer, *, /account, account.read, allow,", "a row is `p, id"),
        ("p, \"x, y\", role:developer, *, /account, account.read, allow", "a row is `p, id"),
        ("p2, x, role:developer, *, /account, account.read, allow", "a row is `p, id"),
        ("g, developer, role:reviewer", "a row is `p, id"),
        ("p, X y, role:developer, *, /account, account.read, allow", "`X y` is no id"),
        ("p, developer-pull, role:developer, *, /account, account.read, allow", "`developer-pull` is already taken"),
        ("p, x, role:admin, *, /tokens/**, token.create, allow", "`token.create` is only for system:host"),
        ("p, x, system:work, *, /*/*/*, file.pull, allow", "`file.pull` is only for roles"),
        ("p, x, role:developer, *, /model/*/*, file.pull, deny", "can never match"),
        ("p, x, role:developer, *, /models/evil, file.pull, deny", "can never match"),
        ("p, x, role:developer, *, /models/evil*/x, file.pull, deny", "`*` stands for a whole segment"),
        ("p, x, role:developer, *, /**/evil, file.pull, deny", "`**` comes last"),
        ("p, x, role:developer, *, /models/[a-z]/x, file.pull, deny", "a name is letters"),
        ("p, x, role:developer, *, /models/:org/x, file.pull, deny", "a name is letters"),
        ("p, x, role:developer, *, /models/a€/x, file.pull, deny", "a name is letters"),
        ("p, x, role:developer, *, models/*/*, file.pull, deny", "it begins with /"),
        ("p, x, role:developer, *, /models//x, file.pull, deny", "a segment is empty"),
        ("p, x, role:developer, *, /models/../x, file.pull, deny", "no segment is"),
        ("p, x, role:developer, *, /account, account.read, allow # why", "is no effect"),
    ];
    for (row, expected) in cases {
        let refusal = refusal_to_load(model::SHIPPED, &format!("{ROWS}\n{row}")).await;
        assert!(refusal.contains(&line) && refusal.contains(expected), "{row}\n{refusal}");
    }
}

#[tokio::test]
async fn a_policy_that_leaves_an_act_to_no_one_does_not_load() {
    let without: Vec<_> = ROWS.lines().filter(|line| !line.contains("revision.approve")).collect();
    assert!(
        refusal_to_load(model::SHIPPED, &without.join("\n"))
            .await
            .contains("no row leaves `revision.approve` to anyone")
    );
    let denied = format!("{ROWS}\np, x, role:reviewer, *, /**, revision.approve, deny");
    assert!(refusal_to_load(model::SHIPPED, &denied).await.contains("no row leaves `revision.approve` to anyone"));
}

/// Casbin's matchers panic on such text, compile it as a regular expression, or let a dot stand for any letter.
#[tokio::test]
async fn trap_no_text_in_an_object_panics_or_means_more_than_itself() -> Result<(), Fault> {
    let access = with("p, v15, role:developer, *, /models/org/bert-v1.5, file.pull, deny").await?;
    assert!(!pull(&access, "prod", "/models/org/bert-v1.5").allow);
    for object in [
        "/models/org/bert-v1x5",
        "/models/org/bert-v1.5.",
        "/models/a€€/b",
        "/models/€/模型",
        "/models/[/(",
        "/models/a\0b/\u{202e}",
        "/models/a..b/...",
        "/models/\\/\"",
        "/models/r.obj/p.obj",
    ] {
        let ruling = pull(&access, "prod", object);
        assert_eq!((ruling.allow, ruling.matched), (true, vec!["developer-pull".to_owned()]), "{object}");
    }
    for object in ["/models/a/b/c", "/models/a", "/models", "/models/a%2Fb", "/€"] {
        assert_eq!(pull(&access, "prod", object), NO_ROW, "{object}");
    }
    Ok(())
}

/// Casbin's cache compares hashes with a fixed key, mixes contexts, and forgets why.
#[tokio::test]
async fn trap_memory_tells_whole_questions_apart_and_dies_with_its_policy() -> Result<(), Fault> {
    let access = with("p, x, role:developer, prod, /models/acme/x, file.pull, deny").await?;
    let ask = |subject: Subject, environment: &str, object: &str, act: &str| {
        access.decide(&subject, environment, object, act).allow
    };
    for _ in ["asked", "remembered"] {
        assert!(!ask(DEVELOPER, "prod", "/models/acme/x", "file.pull"));
        assert!(ask(DEVELOPER, "research", "/models/acme/x", "file.pull"));
        assert!(ask(DEVELOPER, "prod", "/models/acme/y", "file.pull"));
        assert!(ask(DEVELOPER, "prod", "/models/acme/x", "revision.view"));
        assert!(ask(Subject::Role(Role::Ci), "prod", "/models/acme/x", "file.pull"));
    }
    access.remembered.run_pending_tasks();
    assert_eq!(access.remembered.entry_count(), 5);
    let newer = Access::built_in().await?;
    assert_eq!(newer.remembered.entry_count(), 0);
    assert!(pull(&newer, "prod", "/models/acme/x").allow);
    Ok(())
}

/// `enable_enforce(false)` makes Casbin answer yes to everything.
#[tokio::test]
async fn trap_a_casbin_that_is_switched_off_allows_nothing_and_does_not_load() -> Result<(), Fault> {
    let mut access = Access::built_in().await?;
    access.enforcer.enable_enforce(false);
    assert_eq!(pull(&access, "prod", "/models/acme/x"), Ruling::trouble(BROKEN));
    let fault = self_test::run(&access).await.err().map(|fault| fault.to_string());
    assert!(fault.is_some_and(|fault| fault.contains("switched off")));
    for source in [include_str!("../access.rs"), include_str!("engine.rs"), include_str!("self_test.rs")] {
        for forbidden in ["enable_enforce", "enforce_with_context", "CachedEnforcer", "keyMatch", "regexMatch"] {
            assert!(!source.contains(forbidden), "{forbidden}");
        }
    }
    Ok(())
}

/// One bad line makes Casbin answer with an error, a bad matcher with a panic: both are refusals, and not remembered.
#[tokio::test]
async fn trap_an_error_or_a_panic_is_a_refusal() -> Result<(), Fault> {
    let error = asking(ROWS, "r.act == p.act && r.nothing.at.all", &[]).await?;
    let missing = asking(ROWS, "r.act == p.act && absent(r.obj)", &[]).await?;
    let panics = OperatorFunction::Arg2(|object, _| {
        // An index out of bounds, as in Casbin's own matchers.
        let bytes: [u8; 0] = [];
        i32::from(bytes[casbin::function_map::dynamic_to_str(&object).len()]).into()
    });
    let panic = asking(ROWS, "r.act == p.act && falls(r.obj, p.obj) == 1", &[("falls", panics)]).await?;
    for access in [error, missing, panic] {
        assert!(engine::ask(&access.enforcer, [DEVELOPER.word(), "prod", "/models/acme/x", "file.pull"]).is_err());
        assert_eq!(pull(&access, "prod", "/models/acme/x"), Ruling::trouble(BROKEN));
        access.remembered.run_pending_tasks();
        assert_eq!(access.remembered.entry_count(), 0);
        assert!(self_test::run(&access).await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn two_evaluators_that_disagree_refuse() -> Result<(), Fault> {
    let more = asking(ROWS, "r.act == p.act", &[]).await?;
    assert_eq!(pull(&more, "prod", "/models/acme/x"), Ruling::trouble(BROKEN), "Casbin hears rows of other roles");
    assert_eq!(
        more.decide(&Subject::Anonymous, "prod", "/models/acme/x", "file.pull"),
        Ruling::trouble(BROKEN),
        "Casbin would allow"
    );
    let less = asking(ROWS, "r.act == p.id", &[]).await?;
    assert_eq!(pull(&less, "prod", "/models/acme/x"), Ruling::trouble(BROKEN));
    Ok(())
}

/// A row that Casbin never got would be believed.
#[tokio::test]
async fn trap_a_row_that_casbin_dropped_is_noticed() -> Result<(), Fault> {
    let mut access = Access::built_in().await?;
    access.rows.push(access.rows[0].clone());
    let fault = self_test::run(&access).await.err().map(|fault| fault.to_string());
    assert!(fault.is_some_and(|fault| fault.contains("does not hold")));
    Ok(())
}

#[tokio::test]
async fn the_digest_is_of_both_texts_and_of_where_each_ends() -> Result<(), Fault> {
    let access = Access::built_in().await?;
    assert!(access.digest().starts_with("sha256:") && access.digest().len() == 71);
    assert_eq!(access.digest(), Access::built_in().await?.digest());
    assert_ne!(access.digest(), with("# a comment").await?.digest());
    assert_ne!(digest("ab", "c"), digest("a", "bc"));
    Ok(())
}

#[test]
fn an_access_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Access>();
}

/// Few enough words that rows and questions meet, with some that Casbin's own matchers fall over.
const SEGMENTS: [&str; 9] = ["a", "A", "b.c", "bxc", "€", "a€€", "[", "models", "r.obj"];
const ENVIRONMENTS: [&str; 3] = ["prod", "research", ALL];
const FEW_ACTS: [&str; 2] = ["file.pull", "revision.view"];
const FEW_SUBJECTS: [Subject; 3] = [DEVELOPER, Subject::Role(Role::Ci), Subject::Work];

fn a_path(wildcards: bool) -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => prop::sample::select(&SEGMENTS[..]), u32::from(wildcards) * 3 => Just("*")];
    let rest = prop::bool::weighted(if wildcards { 0.4 } else { 0.0 });
    (prop::collection::vec(segment, 1..4), rest).prop_map(|(segments, rest)| {
        let path = format!("/{}", segments.join("/"));
        if rest { format!("{path}/**") } else { path }
    })
}

fn a_row() -> impl Strategy<Value = Row> {
    let words = (
        prop::sample::select(&FEW_SUBJECTS[..]),
        prop::sample::select(&ENVIRONMENTS[..]),
        prop::sample::select(&FEW_ACTS[..]),
    );
    (words, prop_oneof![9 => a_path(true), 1 => Just("/**".to_owned())], prop::bool::weighted(0.7)).prop_map(
        |((subject, environment, act), object, allow)| Row {
            id: String::new(),
            subject,
            environment: environment.replace(ALL, EVERY),
            object,
            act,
            allow,
        },
    )
}

fn a_question() -> impl Strategy<Value = (Subject, &'static str, String, &'static str)> {
    let words = (
        prop::sample::select(&FEW_SUBJECTS[..]),
        prop::sample::select(&ENVIRONMENTS[..]),
        prop::sample::select(&FEW_ACTS[..]),
    );
    (words, a_path(false)).prop_map(|((subject, environment, act), object)| (subject, environment, object, act))
}

fn wait_for(access: impl Future<Output = Result<Access, Fault>>) -> Option<Access> {
    tokio::runtime::Builder::new_current_thread().build().ok()?.block_on(access).ok()
}

static SHARED: LazyLock<Option<Access>> = LazyLock::new(|| wait_for(Access::built_in()));

proptest! {
    // A case is a policy and its questions; PROPTEST_CASES asks for more than the usual 256.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn casbin_and_the_plain_evaluator_always_agree(
        mut rows in prop::collection::vec(a_row(), 1..16),
        questions in prop::collection::vec(a_question(), 32),
    ) {
        for (number, row) in rows.iter_mut().enumerate() {
            row.id = format!("row-{number}");
        }
        let access = wait_for(Access::assemble(rows.clone(), String::new())).ok_or_else(|| TestCaseError::fail("no access"))?;
        for (subject, environment, object, act) in questions {
            let asked = [subject.word(), environment, &object, act];
            let casbin = engine::ask(&access.enforcer, asked).map_err(TestCaseError::fail)?;
            prop_assert_eq!(&casbin, &access.plain.decide(asked), "{:?}", asked);
            let ruling = access.decide(&subject, environment, &object, act);
            prop_assert_eq!((ruling.allow, &ruling.matched), (casbin.0, &casbin.1));
            prop_assert_eq!(&access.decide(&subject, environment, &object, act), &ruling, "remembered");
            // Said a third time, from what was told: some row allows, and none denies.
            let told: Vec<_> = rows.iter().filter(|row| ruling.matched.contains(&row.id)).collect();
            prop_assert_eq!(ruling.allow, told.iter().any(|row| row.allow) && told.iter().all(|row| row.allow));
        }
    }

    #[test]
    fn no_text_at_all_panics(environment in ".{0,12}", object in "(/.{0,6}){0,4}", act in "file.pull|.{0,8}") {
        let access = SHARED.as_ref().ok_or_else(|| TestCaseError::fail("the shipped policy does not load"))?;
        access.decide(&DEVELOPER, &environment, &object, &act);
        let ruling = access.decide(&DEVELOPER, "prod", &object, "file.pull");
        prop_assert!(ruling != Ruling::trouble(BROKEN), "{}", object);
        let rows = format!("p, x, role:developer, *, {object}, file.pull, deny");
        let _ = rows::read(&rows);
    }
}
