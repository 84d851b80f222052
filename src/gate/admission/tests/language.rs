//! The language of conditions: what is understood, what is refused and why, and what missing means.

use super::super::{Sense, compile::compile, expr::Expr, parse::parse, plain, view::View};
use super::*;

#[test]
fn what_is_written_is_understood() -> Result<(), String> {
    let same = [
        ("r.m.malicious", "r.m.malicious == true"),
        ("r.m.secrets > 0", "0 < r.m.secrets"),
        ("r.m.secrets >= 3", "3 <= r.m.secrets"),
        ("r.m.gated == \"no\"", "\"no\" == r.m.gated"),
        ("r.m.malicious && r.m.private || r.m.plain", "(r.m.malicious && r.m.private) || r.m.plain"),
        ("!r.m.malicious && r.m.private", "(!r.m.malicious) && r.m.private"),
        ("r.m.secrets==-5", " r.m.secrets  ==\n-5 "),
    ];
    let facts = but(&[]).map_err(|fault| fault.to_string())?;
    let view = View::new(&about(&facts), None).map_err(|fault| fault.to_string())?;
    for (one, other) in same {
        let (one, other) = (parse(one)?, parse(other)?);
        assert_eq!(plain::answer(&one, &view), plain::answer(&other, &view), "{one:?} {other:?}");
    }
    assert_eq!(parse("true")?, Expr::Constant(true));
    assert_eq!(
        parse("!(missing(r.f.twin) || r.m.answered(\"W-005\"))")?,
        Expr::Or(vec![Expr::Missing(Field::FileTwin), Expr::Answered("W-005".to_owned())]).not()
    );
    Ok(())
}

#[test]
fn what_is_not_understood_is_refused_with_a_reason() {
    let long = "true || ".repeat(300) + "true";
    let deep = format!("{}true{}", "(".repeat(17), ")".repeat(17));
    let dense = "!".repeat(17) + "true";
    let many = "true||".repeat(101) + "true";
    let cases = [
        ("", "ends too early"),
        ("r.m.malicous", "no field of `r.m`; the nearest is `malicious`"),
        ("r.m.pickle", "no field of `r.m`"),
        ("r.x.environment == \"prod\"", "no field of `r.x`"),
        ("r.q.malicious", "none of `r.m`"),
        ("malicious", "no condition"),
        ("p.when", "a field is `r.m.`"),
        ("r.m.malicious.x", "a field is `r.m.`"),
        ("r.m.published_at > 0", "point in time"),
        ("missing(r.m.published_at)", "point in time"),
        ("r.m.malicious == \"true\"", "true or false, and is compared with something else"),
        ("r.m.malicious == 1", "true or false"),
        ("r.m.malicious > false", "has no order"),
        ("r.m.max_severity >= \"medium\"", "has no order"),
        ("r.m.coverage == \"Complete\"", "the nearest is `complete`"),
        ("r.m.coverage != \"complet\"", "the nearest is `complete`"),
        ("r.m.coverage in [\"complete\", \"x\"]", "no word of `r.m.coverage`"),
        ("r.m.coverage in []", "no text in quotes"),
        ("r.m.coverage in [\"complete\"", "`]` is expected"),
        ("r.m.coverage", "compare it with something"),
        ("r.m.secrets", "compare it with something"),
        ("r.m.secrets == \"0\"", "compared with something else"),
        ("r.m.secrets == 5000000000", "no number of 32 bits"),
        ("r.m.secrets == -2147483648", "no number of 32 bits"),
        ("r.m.secrets == 1.5", "means nothing here"),
        ("r.m.secrets == r.m.executables", "no text in quotes"),
        ("r.m.secrets + 1 == 2", "means nothing here"),
        ("r.m.capability_flags == \"biometric\"", "some of"),
        ("\"biometrics\" in r.m.capability_flags", "the nearest is `biometric`"),
        ("\"complete\" in r.m.coverage", "holds no words"),
        ("\"complete\"", "no condition"),
        ("3", "no condition"),
        ("1 == 1", "one side of a comparison is a field"),
        ("r.m.answered(W-005)", "id in quotes"),
        ("r.m.answered(\"W-005\\\")", "no rule's id"),
        ("r.m.answered(\") || true || (\")", "no rule's id"),
        ("r.m.answered", "`(` is expected"),
        ("r.s.answered(\"W-005\")", "no field of `r.s`"),
        ("missing(true)", "no field"),
        ("missing(3)", "asks about a field"),
        ("missing r.m.secrets", "`(` is expected"),
        ("r.m.malicious r.m.private", "not expected after"),
        ("r.m.malicious &&", "ends too early"),
        ("r.m.malicious & r.m.private", "means nothing here"),
        ("r.m.malicious = true", "means nothing here"),
        ("r.m.malicious; exit()", "means nothing here"),
        ("(r.m.malicious", "`)` is expected"),
        ("r.m.gated == \"no", "has no end"),
        ("r.m.gated == 'no'", "means nothing here"),
        ("eval(\"1\")", "no condition"),
        ("été", "means nothing here"),
        (long.as_str(), "at most 1500"),
        (deep.as_str(), "at most 16 deep"),
        (dense.as_str(), "at most 16 deep"),
        (many.as_str(), "at most 200"),
    ];
    for (text, expected) in cases {
        let why = parse(text).map_or_else(|why| why, |expr| format!("it was understood: {expr:?}"));
        assert!(why.contains(expected), "{text}\n{why}");
    }
}

/// Unknown stays unknown, unless the other side settles it; at the end it never helps.
#[test]
fn what_is_missing_never_helps() -> Result<(), String> {
    let mut facts = but(&[(Field::Private, true.into())]).map_err(|fault| fault.to_string())?;
    for field in [Field::Malicious, Field::Secrets, Field::Coverage, Field::CapabilityFlags] {
        facts.forget(field);
    }
    let view = View::new(&about(&facts), None).map_err(|fault| fault.to_string())?;
    let cases = [
        ("r.m.malicious", None),
        ("!r.m.malicious", None),
        ("!!r.m.malicious", None),
        ("r.m.malicious == false", None),
        ("r.m.secrets > 0", None),
        ("r.m.secrets <= 0", None),
        ("r.m.coverage == \"complete\"", None),
        ("r.m.coverage != \"complete\"", None),
        ("!(r.m.coverage in [\"complete\"])", None),
        ("\"biometric\" in r.m.capability_flags", None),
        ("missing(r.m.malicious)", Some(true)),
        ("missing(r.m.private)", Some(false)),
        ("r.m.malicious && r.m.private", None),
        ("r.m.malicious && !r.m.private", Some(false)),
        ("r.m.malicious || r.m.private", Some(true)),
        ("r.m.malicious || !r.m.private", None),
        ("r.m.malicious || r.m.secrets > 0", None),
        ("!missing(r.m.malicious) && r.m.malicious", Some(false)),
        ("missing(r.m.malicious) || r.m.malicious", Some(true)),
        ("r.m.answered(\"W-005\")", Some(false)),
    ];
    for (text, expected) in cases {
        let expr = parse(text)?;
        assert_eq!(plain::answer(&expr, &view), expected, "{text}");
        assert_eq!(plain::holds(&expr, Sense::OnlyIfCertain, &view), expected == Some(true), "{text} allows");
        assert_eq!(plain::holds(&expr, Sense::UnlessCertainlyNot, &view), expected != Some(false), "{text} denies");
    }
    Ok(())
}

#[test]
fn what_casbin_gets_is_written_anew() -> Result<(), String> {
    let cases = [
        ("r.m.private", Sense::OnlyIfCertain, "(r_m.f_private != () && (r_m.f_private == true))"),
        ("r.m.private", Sense::UnlessCertainlyNot, "!(r_m.f_private != () && !(r_m.f_private == true))"),
        (
            "r.x.production && !missing(r.m.gated)",
            Sense::OnlyIfCertain,
            "((r_x.f_production != () && (r_x.f_production == true)) && (r_m.f_gated != ()))",
        ),
        ("r.m.waived(\"W-009\")", Sense::UnlessCertainlyNot, "!(!(\"W-009\" in r_m.waived))"),
    ];
    for (text, sense, expected) in cases {
        assert_eq!(compile(&parse(text)?, sense), expected);
    }
    Ok(())
}
