//! Both evaluators on whatever a generator thinks of, and what holds of every condition: knowing less never helps.

use std::{sync::Arc, time::Instant};

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    super::{
        Sense,
        expr::{Expr, Literal, Op},
        parse::parse,
        plain,
        rows::{Mode, Place, Row, Told},
        view::View,
    },
    *,
};
use crate::domain::facts::{Group, Kind as FieldKind};

const IDS: [&str; 3] = ["W-001", "W-005", "W-009"];

fn readable() -> Vec<Field> {
    Field::ALL.iter().copied().filter(|field| field.kind() != FieldKind::Moment).collect()
}

fn an_expr() -> impl Strategy<Value = Expr> {
    an_expr_that(2)
}

/// With so much of it asking what is missing.
fn an_expr_that(missing: u32) -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        12 => prop::sample::select(readable()).prop_flat_map(a_comparison),
        missing => prop::sample::select(readable()).prop_map(Expr::Missing),
        1 => prop::sample::select(&IDS[..]).prop_map(|id| Expr::Answered(id.to_owned())),
        1 => prop::sample::select(&IDS[..]).prop_map(|id| Expr::Waived(id.to_owned())),
        1 => any::<bool>().prop_map(Expr::Constant),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(Expr::not),
        ]
    })
}

fn a_comparison(field: Field) -> BoxedStrategy<Expr> {
    let orders = [Op::Equal, Op::Unequal, Op::Less, Op::AtMost, Op::More, Op::AtLeast];
    match field.kind() {
        FieldKind::Bool => prop_oneof![
            Just(Expr::Truth(field)),
            (prop::sample::select(orders[..2].to_vec()), any::<bool>()).prop_map(move |(op, value)| Expr::Compare(
                field,
                op,
                Literal::Bool(value)
            )),
        ]
        .boxed(),
        FieldKind::Word(words) => {
            let word = prop::sample::select(words).prop_map(|word| Literal::Word(word.to_owned()));
            prop_oneof![
                (prop::sample::select(orders[..2].to_vec()), word.clone())
                    .prop_map(move |(op, word)| Expr::Compare(field, op, word)),
                prop::collection::vec(word, 1..3).prop_map(move |words| Expr::OneOf(field, words)),
            ]
            .boxed()
        }
        FieldKind::Name => {
            let name = prop::sample::select(NAMES).prop_map(|name| Literal::Word(name.to_owned()));
            prop_oneof![
                (prop::sample::select(orders[..2].to_vec()), name.clone())
                    .prop_map(move |(op, name)| Expr::Compare(field, op, name)),
                prop::collection::vec(name, 1..3).prop_map(move |names| Expr::OneOf(field, names)),
            ]
            .boxed()
        }
        FieldKind::Names => {
            prop::sample::select(NAMES).prop_map(move |name| Expr::Holds(field, name.to_owned())).boxed()
        }
        FieldKind::Words(words) => {
            prop::sample::select(words).prop_map(move |word| Expr::Holds(field, word.to_owned())).boxed()
        }
        FieldKind::Int | FieldKind::Hours(_) | FieldKind::Days(_) | FieldKind::Moment => {
            let number =
                a_number().prop_map(|number| Literal::Int(i32::try_from(number).unwrap_or(0).max(-i32::MAX))).boxed();
            prop_oneof![
                (prop::sample::select(orders.to_vec()), number.clone())
                    .prop_map(move |(op, number)| Expr::Compare(field, op, number)),
                prop::collection::vec(number, 1..3).prop_map(move |numbers| Expr::OneOf(field, numbers)),
            ]
            .boxed()
        }
    }
}

/// Few enough that values and literals meet; some of them mean something to the language they are written into.
const NAMES: &[&str] = &["llama-3", "true", "a+b", "acme/x y", "r_m.f_owner", "0", "-", "in"];

/// Few enough that values and literals meet, and the ends of 32 bits.
fn a_number() -> BoxedStrategy<i64> {
    prop_oneof![8 => -2_i64..3, 1 => Just(72), 1 => Just(i64::from(i32::MAX)), 1 => Just(i64::from(i32::MIN))].boxed()
}

pub(super) fn a_value(field: Field) -> BoxedStrategy<Value> {
    match field.kind() {
        FieldKind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldKind::Word(words) => prop::sample::select(words).prop_map(Value::from).boxed(),
        FieldKind::Name => prop::sample::select(NAMES).prop_map(Value::from).boxed(),
        FieldKind::Names => prop::sample::subsequence(NAMES, 0..=NAMES.len())
            .prop_map(|some| Value::Words(some.into_iter().map(str::to_owned).collect()))
            .boxed(),
        FieldKind::Words(words) => prop::sample::subsequence(words, 0..=words.len())
            .prop_map(|some| Value::Words(some.into_iter().map(str::to_owned).collect()))
            .boxed(),
        FieldKind::Moment => prop_oneof![(-2_i64..100).prop_map(|age| AT.0 - age * HOUR), any::<i64>()]
            .prop_map(|at| Value::Moment(Micros(at)))
            .boxed(),
        FieldKind::Int | FieldKind::Hours(_) | FieldKind::Days(_) => a_number().prop_map(Value::Int).boxed(),
    }
}

/// Facts of one group, each known more often than not.
fn facts(group: Group) -> impl Strategy<Value = Facts> {
    let stored: Vec<_> = Field::ALL.iter().filter(|f| f.group() == group && f.stored() == **f).copied().collect();
    let each: Vec<_> = stored.iter().map(|field| prop::option::weighted(0.7, a_value(*field))).collect();
    each.prop_map(move |values| {
        let mut facts = Facts::of(group);
        for (field, value) in stored.iter().zip(values) {
            if let Some(value) = value {
                let _ = facts.set(*field, value, "test", AT);
            }
        }
        facts
    })
}

fn a_row() -> impl Strategy<Value = Row> {
    let told = Told {
        id: String::new(),
        part: None,
        about: 0,
        cooling: false,
        owner: String::new(),
        title: String::new(),
        sentence: String::new(),
    };
    let told = Arc::new(told);
    let words = (
        prop::sample::select(vec![Scope::Revision, Scope::Revision, Scope::File]),
        prop::sample::select(vec![Mode::Enforce, Mode::Enforce, Mode::Record]),
        prop::sample::select(vec![Place::Any, Place::Production, Place::Elsewhere]),
        prop::sample::select(vec![None, None, Some("prod"), Some("lab")]),
        prop::sample::select(vec![Kind::Deny, Kind::Review, Kind::Allow, Kind::Allow, Kind::Hide]),
    );
    (words, an_expr()).prop_map(move |((scope, mode, place, environment, kind), when)| Row {
        id: String::new(),
        scope,
        mode,
        place,
        environment: environment.map(str::to_owned),
        when,
        kind,
        told: told.clone(),
    })
}

#[derive(Clone, Debug)]
struct Asking {
    facts: Facts,
    file: Facts,
    production: bool,
    asker: Asker,
    data_class: DataClass,
    another: bool,
    asked: (Scope, Mode),
    answered: BTreeSet<String>,
    waived: BTreeSet<String>,
}

fn an_asking() -> impl Strategy<Value = Asking> {
    let some_ids = || {
        prop::sample::subsequence(&IDS[..], 0..=IDS.len())
            .prop_map(|ids| ids.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let askers = vec![
        Asker::Everyone,
        Asker::Person,
        Asker::Ci,
        Asker::Cluster { entitled: None },
        Asker::Cluster { entitled: Some(false) },
    ];
    let context =
        (any::<bool>(), prop::sample::select(askers), prop::sample::select(&DataClass::ALL[..]), any::<bool>());
    let asked = (
        prop::sample::select(vec![Scope::Revision, Scope::Revision, Scope::File]),
        prop::sample::select(vec![Mode::Enforce, Mode::Enforce, Mode::Record]),
    );
    (facts(Group::Revision), facts(Group::File), context, asked, some_ids(), some_ids()).prop_map(
        |(facts, file, (production, asker, data_class, another), asked, answered, waived)| Asking {
            facts,
            file,
            production,
            asker,
            data_class,
            another,
            asked,
            answered,
            waived,
        },
    )
}

impl Asking {
    fn view(&self) -> Result<View<'_>, Fault> {
        let question = Question {
            production: self.production,
            asker: self.asker,
            data_class: self.data_class,
            answered: &self.answered,
            waived: &self.waived,
            ..about(&self.facts)
        };
        let mut view = View::new(&question, Some(&self.file))?;
        if self.another {
            view.with_another_review()?;
        }
        Ok(view)
    }
}

pub(super) fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

pub(super) fn failed(fault: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(fault.to_string())
}

/// Ten thousand questions, each to a policy of its own handful of conditions; a million with `tests/run --long`.
#[test]
fn casbin_and_the_plain_evaluator_always_agree() -> Result<(), String> {
    let asked_of_each = 40;
    let questions = if std::env::var_os("WEIGHBRIDGE_TEST_LONG").is_some() { 1_000_000 } else { 10_000 };
    let cases = (prop::collection::vec(a_row(), 1..10), prop::collection::vec(an_asking(), asked_of_each));
    let run = runner(questions / 40).run(&cases, |(mut rows, askings)| {
        for (number, row) in rows.iter_mut().enumerate() {
            row.id = format!("row-{number}");
        }
        let enforcer = wait_for(engine::build(&rows)).map_err(failed)?;
        for asking in askings {
            let view = asking.view().map_err(failed)?;
            let asked = Asked { scope: asking.asked.0, mode: asking.asked.1 };
            let casbin = engine::ask(&enforcer, asked, &view).map_err(failed)?;
            prop_assert_eq!(&casbin, &plain::decide(&rows, asked, &view, None), "{:?}", asking);
            // Said a third time, from what was told: some row allows, and none denies.
            let told: Vec<_> = rows.iter().filter(|row| casbin.1.contains(&row.key())).collect();
            let all_allow = told.iter().all(|row| row.kind == Kind::Allow);
            prop_assert_eq!(casbin.0, !told.is_empty() && all_allow);
        }
        Ok(())
    });
    run.map_err(|error| error.to_string())
}

/// What is certain stays certain whatever is learnt besides, unless the condition asks what is missing.
#[test]
fn learning_a_fact_never_takes_away_what_was_certain() -> Result<(), String> {
    let cases = (an_expr_that(0), an_asking(), prop::collection::vec(any::<prop::sample::Index>(), 0..40));
    let run = runner(2000).run(&cases, |(expr, knows, forgotten)| {
        let mut less = knows.clone();
        for index in forgotten {
            let field = *index.get(Field::ALL);
            less.facts.forget(field);
            less.file.forget(field);
        }
        let (more, less) = (knows.view().map_err(failed)?, less.view().map_err(failed)?);
        if plain::holds(&expr, Sense::OnlyIfCertain, &less) {
            prop_assert!(plain::holds(&expr, Sense::OnlyIfCertain, &more), "{:?}", expr);
        }
        if plain::holds(&expr, Sense::UnlessCertainlyNot, &more) {
            prop_assert!(plain::holds(&expr, Sense::UnlessCertainlyNot, &less), "{:?}", expr);
        }
        Ok(())
    });
    run.map_err(|error| error.to_string())
}

#[test]
fn what_is_written_down_is_read_back() -> Result<(), String> {
    let run = runner(2000).run(&an_expr(), |expr| {
        let text = text(&expr);
        prop_assume!(text.len() <= 1000);
        match parse(&text) {
            Ok(read) => prop_assert_eq!(read, expr, "{}", text),
            Err(why) => prop_assert!(why.contains("at most"), "{}: {}", text, why),
        }
        Ok(())
    });
    run.map_err(|error| error.to_string())
}

#[test]
fn no_text_makes_the_reader_fall_over() -> Result<(), String> {
    let words = [
        "r.m.plain",
        "r.m.secrets",
        "missing",
        "(",
        ")",
        "!",
        "&&",
        "||",
        "in",
        "[",
        "]",
        "\"",
        ",",
        "3",
        "-",
        "é",
        "=",
        "r.",
    ];
    let texts = prop_oneof![
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..20).prop_map(|words| words.join(" ")),
        ".{0,60}",
    ];
    runner(4000)
        .run(&texts, |text| {
            let _ = parse(&text);
            Ok(())
        })
        .map_err(|error| error.to_string())
}

fn text(expr: &Expr) -> String {
    let name = |field: &Field| format!("r.{}.{}", field.group().letter(), field.word());
    let said = |literal: &Literal| match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Word(value) => format!("\"{value}\""),
    };
    let join = |parts: &[Expr], sign: &str| parts.iter().map(text).collect::<Vec<_>>().join(sign);
    match expr {
        Expr::Constant(value) => value.to_string(),
        Expr::And(parts) => format!("({})", join(parts, " && ")),
        Expr::Or(parts) => format!("({})", join(parts, " || ")),
        Expr::Not(part) => format!("!({})", text(part)),
        Expr::Truth(field) => name(field),
        Expr::Compare(field, op, literal) => format!("{} {} {}", name(field), op.sign(), said(literal)),
        Expr::OneOf(field, literals) => {
            format!("{} in [{}]", name(field), literals.iter().map(said).collect::<Vec<_>>().join(", "))
        }
        Expr::Holds(field, word) => format!("\"{word}\" in {}", name(field)),
        Expr::Missing(field) => format!("missing({})", name(field)),
        Expr::Answered(rule) => format!("r.m.answered(\"{rule}\")"),
        Expr::Waived(rule) => format!("r.m.waived(\"{rule}\")"),
    }
}

/// Printed, never asserted: this machine is shared, and a test is built without optimisation.
#[test]
fn how_long_a_decision_takes() -> Result<(), Fault> {
    let facts = but(&[(Field::LicenseFamily, "research".into())])?;
    for admission in all_shipped()? {
        let begun = Instant::now();
        let times = 50;
        for _ in 0..times {
            assert!(!admission.decide(&about(&facts)).trouble);
        }
        let each = begun.elapsed() / times;
        tell(&format!("{}: {each:?} for a decision over {} rows", admission.profile(), admission.rows.len()));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a figure for whoever runs the test with --nocapture")]
fn tell(line: &str) {
    println!("{line}");
}
