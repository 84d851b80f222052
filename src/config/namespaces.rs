//! `[[upstream.namespaces]]`: whose repositories that are private at the hub are open here, and to whom.

use serde::Deserialize;

use super::namespace;
use crate::gate::{EnvironmentSetting, rights::NamespaceRule};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    name: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    environments: Vec<String>,
}

impl Raw {
    pub(super) fn check(&self, environments: &[EnvironmentSetting]) -> Result<NamespaceRule, String> {
        let name = namespace(&self.name).map_err(|_| {
            format!("`upstream.namespaces` has `{}`, which no repository's owner can be called", self.name)
        })?;
        if self.groups.is_empty() && self.environments.is_empty() {
            return Err(format!("`upstream.namespaces` opens `{name}` to nobody: name groups, environments or both"));
        }
        let known = |text: &String| {
            let found = environments.iter().find(|one| one.name.as_str() == text).map(|one| one.name.clone());
            found.ok_or_else(|| {
                format!("`upstream.namespaces` of `{name}` names the environment `{text}`, which is not configured")
            })
        };
        let environments = self.environments.iter().map(known).collect::<Result<_, _>>()?;
        Ok(NamespaceRule { name, groups: self.groups.clone(), environments })
    }
}
