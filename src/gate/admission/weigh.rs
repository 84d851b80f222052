//! From matching rows to an outcome: two evaluators, two rounds, and the moment when waiting is enough.
//!
//! The second round is for rules that match only beside another review. Nothing here knows a rule by its id but the
//! default, which is what holds when nothing allows.

use std::collections::BTreeSet;

use super::{
    Admission, Asked, Decision, FileDecision, Outcome, Question, decision, engine, plain,
    rows::{Kind, Mode, Row, Scope},
    rules::DEFAULT,
    view::View,
};
use crate::domain::{
    facts::{Facts, Field, HOUR, Kind as FieldKind, Value},
    time::Micros,
};

/// The rows that matched, and what they come to.
pub(super) struct Weighed<'a> {
    pub enforced: Vec<&'a Row>,
    pub recorded: Vec<&'a Row>,
    pub nothing_allows: bool,
    pub outcome: Outcome,
}

type Answer = Result<(bool, Vec<String>), ()>;

impl Admission {
    pub(super) fn decided(&self, question: &Question) -> Result<Decision, ()> {
        let mut view = self.view(question, None)?;
        let weighed = self.weigh(&mut view, &|asked, view| self.ask_both(asked, view))?;
        let until = self.until(question, &weighed);
        Ok(decision::of(self, &weighed, &view, until))
    }

    pub(super) fn decided_file(&self, question: &Question, file: &Facts) -> Result<FileDecision, ()> {
        let view = self.view(question, Some(file))?;
        let rows = |mode| {
            let (_, matched) = self.ask_both(Asked { scope: Scope::File, mode }, &view)?;
            Ok::<_, ()>(self.found(&matched))
        };
        Ok(decision::of_file(&rows(Mode::Enforce)?, &rows(Mode::Record)?, &view))
    }

    /// What the plain evaluator alone makes of a question: for what-ifs, never for a decision.
    pub(super) fn supposed(&self, question: &Question, without: Option<&str>) -> Result<Outcome, ()> {
        let mut view = self.view(question, None)?;
        let ask = |asked, view: &View| Ok(plain::decide(&self.rows, asked, view, without));
        Ok(self.weigh(&mut view, &ask)?.outcome)
    }

    fn view<'a>(&self, question: &Question<'a>, file: Option<&Facts>) -> Result<View<'a>, ()> {
        View::new(question, file).map_err(|why| {
            let why = why.to_string();
            tracing::error!(why, policy = self.digest, "admission was asked what cannot be asked; denied");
        })
    }

    fn weigh(&self, view: &mut View, ask: &dyn Fn(Asked, &View) -> Answer) -> Result<Weighed<'_>, ()> {
        let asked = |mode| Asked { scope: Scope::Revision, mode };
        let (mut allow, mut matched) = ask(asked(Mode::Enforce), view)?;
        let waits = |row: &Row| row.when.fields().contains(&Field::AnotherReview);
        if self.found(&matched).iter().any(|row| row.kind == Kind::Review) && self.rows.iter().any(waits) {
            view.with_another_review().map_err(|_| ())?;
            (allow, matched) = ask(asked(Mode::Enforce), view)?;
        }
        let recorded = if self.rows.iter().any(|row| row.mode == Mode::Record) {
            self.found(&ask(asked(Mode::Record), view)?.1)
        } else {
            Vec::new()
        };
        let enforced = self.found(&matched);
        let any = |kind| enforced.iter().any(|row| row.kind == kind);
        let outcome = match (allow, self.default) {
            (true, _) => Outcome::Allow,
            _ if any(Kind::Deny) => Outcome::Deny,
            _ if any(Kind::Review) => Outcome::Review,
            (false, Kind::Review) => Outcome::Review,
            (false, _) => Outcome::Deny,
        };
        let nothing_allows = !any(Kind::Allow);
        Ok(Weighed { enforced, recorded, nothing_allows, outcome })
    }

    fn found(&self, keys: &[String]) -> Vec<&Row> {
        self.rows.iter().filter(|row| keys.contains(&row.key())).collect()
    }

    /// Both evaluators, every time: a denial beats a wrong permission.
    fn ask_both(&self, asked: Asked, view: &View) -> Answer {
        let policy = self.digest.as_str();
        let casbin = engine::ask(&self.enforcer, asked, view).map_err(|why| {
            tracing::error!(why, policy, "admission could not be evaluated; denied");
        })?;
        let plain = plain::decide(&self.rows, asked, view, None);
        if casbin != plain {
            let (casbin, plain) = (format!("{casbin:?}"), format!("{plain:?}"));
            tracing::error!(casbin, plain, policy, "two evaluators disagree about admission; denied");
            return Err(());
        }
        Ok(casbin)
    }

    /// When time alone allows it: only rules that say so stand in the way, and there is a moment at which none does.
    fn until(&self, question: &Question, weighed: &Weighed) -> Option<Micros> {
        let against = |row: &&&Row| matches!(row.kind, Kind::Deny | Kind::Review) && row.id != DEFAULT;
        let waiting = weighed.enforced.iter().filter(against).all(|row| row.told.cooling);
        if weighed.outcome == Outcome::Allow || !waiting {
            return None;
        }
        self.turns(question).into_iter().find(|at| {
            let then = Question { at: *at, ..*question };
            self.supposed(&then, None) == Ok(Outcome::Allow)
        })
    }

    /// The moments after this one at which some age reaches a number that a rule compares it with.
    fn turns(&self, question: &Question) -> BTreeSet<Micros> {
        let ages = self.rows.iter().flat_map(|row| row.when.ages());
        let turn = |(field, number): (Field, i32), after: i64| {
            let Some(Value::Moment(date)) = question.facts.known(field).map(|known| &known.value) else { return None };
            let unit = if matches!(field.kind(), FieldKind::Days(_)) { Micros::DAY } else { HOUR };
            date.0.checked_add((i64::from(number) + after).checked_mul(unit)?).map(Micros)
        };
        ages.flat_map(|age| [turn(age, 0), turn(age, 1)]).flatten().filter(|at| *at > question.at).collect()
    }
}
