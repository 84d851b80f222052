//! The directories that may push people: one for each provider that is configured.
//!
//! Only names; never a secret.

/// A provider, as its directory pushes people for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub provider: String,
    pub issuer: String,
    /// Whether the provider's tokens call a person by the pushed `userName`; otherwise by the `externalId`.
    pub by_user_name: bool,
}
