//! From the groups of a provider to our roles: a table that people configure, and nothing that a provider can say itself.
//!
//! A group is compared whole and by its exact letters; there is no pattern and no default role. Never asks a provider.

use super::role::{Held, Reach, Role};

/// One row: who is in this group, at this provider, has this role in these environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingRow {
    /// `None` is every provider that is configured.
    pub provider: Option<String>,
    pub group: String,
    pub role: Role,
    pub reach: Reach,
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping(pub Vec<MappingRow>);

impl Mapping {
    /// What somebody of this provider with these groups is here.
    pub fn roles(&self, provider: &str, groups: &[String]) -> Vec<Held> {
        let here = |row: &&MappingRow| row.provider.as_deref().is_none_or(|name| name == provider);
        let mine = |row: &&MappingRow| groups.contains(&row.group);
        let mut held: Vec<Held> = Vec::new();
        for row in self.0.iter().filter(here).filter(mine) {
            let one = Held { role: row.role, reach: row.reach.clone() };
            if !held.contains(&one) {
                held.push(one);
            }
        }
        held
    }

    /// The rows as text, one a line: what the version is a digest of and what the ledger keeps.
    pub fn text(&self) -> String {
        let line = |row: &MappingRow| {
            let provider = row.provider.as_deref().unwrap_or("*");
            format!("{provider}\t{}\t{}\t{}\n", row.group, row.role, row.reach)
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(provider: Option<&str>, group: &str, role: Role) -> MappingRow {
        MappingRow { provider: provider.map(str::to_owned), group: group.to_owned(), role, reach: Reach::All }
    }

    #[test]
    fn only_the_exact_group_of_the_right_provider_gives_a_role() {
        let rows = [row(Some("corp"), "ml", Role::Developer), row(None, "ml-approvers", Role::Reviewer)];
        let mapping = Mapping(rows.to_vec());
        let roles = |provider: &str, groups: &[&str]| -> Vec<Role> {
            mapping
                .roles(provider, &groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>())
                .into_iter()
                .map(|held| held.role)
                .collect()
        };
        assert_eq!(roles("corp", &["ml", "ml-approvers", "ml"]), [Role::Developer, Role::Reviewer]);
        assert_eq!(roles("other", &["ml", "ml-approvers"]), [Role::Reviewer]);
        for near in ["ML", "ml ", "ml/", "/ml", "m", "ml-approver", "", "role:admin", "*"] {
            assert!(roles("corp", &[near]).is_empty(), "{near}");
        }
    }
}
