//! What describes a revision: whose it is, what it is for, how known and how old it is, what its licence is said to be.
//!
//! From the hub's answers, the card and the scanner's reports. What none of them says is left missing; so is what does not
//! fit into a fact. Never decides.

use std::collections::BTreeSet;

use serde_json::Value;

use super::knowledge::{Report, Sources};
use crate::domain::{
    facts::{Facts, Field, is_name},
    refusal::Fault,
    time::Micros,
};

/// Adds to what is known of a revision.
pub fn describe(facts: &mut Facts, from: &Sources<'_>) -> Result<(), Fault> {
    let said: Value = serde_json::from_str(&from.revision.facts).unwrap_or_default();
    let mut told = Told { facts, at: from.at };
    whose(&mut told, from, &said)?;
    known(&mut told, &said)?;
    made_of(&mut told, &said["hub"])?;
    files(&mut told, from.reports)?;
    licences(&mut told, &said["hub"], from.reports)
}

fn whose(told: &mut Told<'_>, from: &Sources<'_>, said: &Value) -> Result<(), Fault> {
    let repository = from.repository;
    let kind = ["model", "dataset", "space"].into_iter().find(|kind| repository.kind.starts_with(kind));
    told.word(Field::RepoKind, kind, "hub")?;
    told.name(Field::RepoName, Some(&repository.name), "hub")?;
    told.name(Field::RepoId, Some(repository.upstream_id.as_str()).filter(|id| !id.starts_with("name:")), "hub")?;
    told.name(Field::Owner, repository.name.split_once('/').map(|(owner, _)| owner), "hub")?;
    let owner = &said["owner"];
    let kind = owner["organisation"].as_bool().map(|is| if is { "organisation" } else { "user" });
    told.word(Field::OwnerKind, kind, "hub")?;
    told.name(Field::OwnerId, owner["id"].as_str(), "hub")?;
    if let Some(verified) = owner["verified"].as_bool() {
        told.facts.set(Field::OwnerVerified, verified, "hub", told.at)?;
    }
    told.count(Field::OwnerModels, owner["models"].as_u64(), "hub")?;
    told.moment(Field::OwnerSince, &owner["created_at"], "hub")
}

fn known(told: &mut Told<'_>, said: &Value) -> Result<(), Fault> {
    told.moment(Field::RepoSince, &said["created_at"], "hub")?;
    told.moment(Field::ChangedAt, &said["last_modified"], "hub")?;
    told.count(Field::Downloads, said["hub"]["downloads"].as_u64(), "hub")?;
    told.count(Field::Likes, said["hub"]["likes"].as_u64(), "hub")?;
    let millions = said["hub"]["parameters"].as_u64().map(|all| all / 1_000_000);
    told.count(Field::ParametersMillions, millions, "hub")?;
    told.count(Field::ContextLength, said["hub"]["context_length"].as_u64(), "hub")
}

fn made_of(told: &mut Told<'_>, hub: &Value) -> Result<(), Fault> {
    let card = &hub["card"];
    told.name(Field::Architecture, hub["architecture"].as_str(), "hub")?;
    told.name(Field::Task, hub["pipeline_tag"].as_str(), "hub")?;
    told.name(Field::Library, hub["library_name"].as_str(), "hub")?;
    told.names(Field::BaseModels, one_or_many(&card["base_model"]), "card")?;
    told.names(Field::Datasets, one_or_many(&card["datasets"]), "card")?;
    told.names(Field::Languages, one_or_many(&card["language"]), "card")?;
    let relation = card["base_model_relation"].as_str();
    let relation = RELATIONS.iter().find(|known| relation == Some(**known)).copied();
    told.word(Field::BaseRelation, relation, "card")
}

fn files(told: &mut Told<'_>, reports: &[Report]) -> Result<(), Fault> {
    let path = |is: &dyn Fn(&str) -> bool| reports.iter().any(|one| is(&one.row.path.to_ascii_lowercase()));
    let signature = |path: &str| [".sig", ".sigstore", ".sigstore.json", ".asc"].iter().any(|end| path.ends_with(end));
    let bill = |path: &str| {
        [".cdx.json", ".spdx.json", ".spdx", ".cdx.xml"].iter().any(|end| path.ends_with(end))
            || path.rsplit('/').next().is_some_and(|name| matches!(name, "bom.json" | "sbom.json" | "bom.xml"))
    };
    told.facts.set(Field::SignatureFile, path(&signature), "scan", told.at)?;
    told.facts.set(Field::BillOfMaterials, path(&bill), "scan", told.at)?;
    let strange = reports.iter().flat_map(|one| one.list("globals")).filter(|one| one["tier"] == "unknown").count();
    told.count(Field::UnknownGlobals, u64::try_from(strange).ok(), "scan")?;
    told.count(Field::LargestMib, reports.iter().map(|one| one.size >> 20).max().or(Some(0)), "scan")?;
    told.names(Field::Formats, reports.iter().map(|one| one.row.format.as_str()).collect(), "scan")?;
    if let Some(oldest) = reports.iter().map(|one| one.row.made_at).min() {
        told.facts.set(Field::ScannedAt, Micros(oldest), "scan", told.at)?;
    }
    Ok(())
}

/// The licence that the card declares, those that files name, and whether they contradict each other.
fn licences(told: &mut Told<'_>, hub: &Value, reports: &[Report]) -> Result<(), Fault> {
    let declared = declared(&hub["card"], &hub["tags"]);
    let named = named(reports);
    told.name(Field::LicenseDeclared, declared.as_deref(), "card")?;
    told.names(Field::LicensesFound, named.iter().map(String::as_str).collect(), "scan")?;
    told.facts.set(Field::LicenseConflict, contradict(declared.as_deref(), &named), "card, scan", told.at)
}

/// The licences that files other than the card name.
pub fn named(reports: &[Report]) -> BTreeSet<String> {
    let others = reports.iter().filter(|one| !one.row.path.eq_ignore_ascii_case("readme.md"));
    others.flat_map(|one| one.list("licences")).filter_map(Value::as_str).map(str::to_lowercase).collect()
}

/// What the card declares as its one licence; else what the hub's tags say. More than one is a question for a person.
pub fn declared(card: &Value, tags: &Value) -> Option<String> {
    let tagged = || tags.as_array()?.iter().filter_map(Value::as_str).find_map(|tag| tag.strip_prefix("license:"));
    let one = match &card["license"] {
        Value::String(one) => Some(one.as_str()),
        Value::Array(all) if all.len() == 1 => all.first().and_then(Value::as_str),
        Value::Array(_) => None,
        _ => tagged(),
    };
    one.map(str::to_lowercase)
}

/// Whether a file names another licence than the card, or two files name different ones. Words that are no licence of the
/// list say nothing: a file may name what its author calls it.
fn contradict(declared: Option<&str>, named: &BTreeSet<String>) -> bool {
    let known = |word: &str| super::knowledge::family_of(word).is_some_and(|family| family != "unknown");
    let mut all: BTreeSet<&str> = named.iter().map(String::as_str).filter(|word| known(word)).collect();
    all.extend(declared.filter(|word| known(word)));
    // `other` on the card and a well-known licence in the file do not contradict each other; the family stays unknown.
    all.len() > 1
}

fn one_or_many(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Facts on their way in: what is missing or does not fit is left out.
struct Told<'a> {
    facts: &'a mut Facts,
    at: Micros,
}

impl Told<'_> {
    fn word(&mut self, field: Field, word: Option<&'static str>, source: &str) -> Result<(), Fault> {
        word.map_or(Ok(()), |word| self.facts.set(field, word, source, self.at))
    }

    /// Names are kept in lower case: the hub takes them in any, and a rule would otherwise be passed by.
    fn name(&mut self, field: Field, name: Option<&str>, source: &str) -> Result<(), Fault> {
        let name = name.map(str::to_lowercase).filter(|name| is_name(name));
        name.map_or(Ok(()), |name| self.facts.set(field, name.as_str(), source, self.at))
    }

    /// All of them or none: half a list would pass a rule by.
    fn names(&mut self, field: Field, names: Vec<&str>, source: &str) -> Result<(), Fault> {
        let names: BTreeSet<String> = names.into_iter().map(str::to_lowercase).collect();
        if names.len() > 100 || !names.iter().all(|name| is_name(name)) {
            return Ok(());
        }
        self.facts.set(field, names, source, self.at)
    }

    /// A count that is larger than a fact can be is as large as one can be.
    fn count(&mut self, field: Field, count: Option<u64>, source: &str) -> Result<(), Fault> {
        let most = i64::from(i32::MAX);
        let count = count.map(|count| i64::try_from(count).unwrap_or(most).min(most));
        count.map_or(Ok(()), |count| self.facts.set(field, count, source, self.at))
    }

    fn moment(&mut self, field: Field, at: &Value, source: &str) -> Result<(), Fault> {
        at.as_i64().map_or(Ok(()), |at| self.facts.set(field, Micros(at), source, self.at))
    }
}

const RELATIONS: &[&str] = &["finetune", "adapter", "quantized", "merge"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_names_another_licence_contradicts_the_card() {
        let of = |declared: Option<&str>, named: &[&str]| {
            contradict(declared, &named.iter().map(|one| (*one).to_owned()).collect())
        };
        assert!(!of(Some("mit"), &[]) && !of(Some("mit"), &["mit"]) && !of(None, &["mit"]));
        assert!(of(Some("mit"), &["cc-by-nc-4.0"]) && of(None, &["mit", "gpl-3.0"]));
        assert!(!of(Some("apache-2.0"), &["our own words"]) && !of(Some("other"), &["mit"]));
    }

    #[test]
    fn a_card_declares_one_licence_or_none() {
        let tags = json!(["license:mit"]);
        assert_eq!(declared(&json!({"license": "Apache-2.0"}), &tags).as_deref(), Some("apache-2.0"));
        assert_eq!(declared(&json!({}), &tags).as_deref(), Some("mit"));
        assert_eq!(declared(&json!({"license": ["mit", "gpl-3.0"]}), &tags), None);
    }

    #[test]
    fn what_does_not_fit_is_missing_and_stops_nothing() {
        let mut facts = Facts::of(crate::domain::facts::Group::Revision);
        let at = Micros(1_000_000);
        let mut told = Told { facts: &mut facts, at };
        let long = "x".repeat(101);
        assert!(told.name(Field::Task, Some("text\" || true"), "hub").is_ok());
        assert!(told.names(Field::BaseModels, vec!["acme/tiny", &long], "card").is_ok());
        assert!(told.count(Field::Downloads, Some(u64::MAX), "hub").is_ok());
        assert!(told.names(Field::Languages, vec!["EN", "de"], "card").is_ok());
        assert_eq!(facts.value(Field::Task, at), None);
        assert_eq!(facts.value(Field::BaseModels, at), None);
        assert_eq!(facts.value(Field::Downloads, at), Some(i64::from(i32::MAX).into()));
        assert_eq!(facts.value(Field::Languages, at), Some(BTreeSet::from(["de".to_owned(), "en".to_owned()]).into()));
    }
}
