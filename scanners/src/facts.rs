//! What is known of a file besides findings: words for policy to judge. Facts accuse nobody.

use std::collections::BTreeSet;

use serde::Serialize;

/// What is known of one file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// Every global that a pickle in the file names, once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub globals: Vec<GlobalFact>,
    /// Top-level packages that code in the file, or its pickles, import.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub imports: BTreeSet<String>,
    /// Code that a loader would take from beside the file or from elsewhere: `repo--module.Class`, `modeling.py`, ….
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub remote_code: BTreeSet<String>,
    /// Chat templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateFact>,
    /// Licences that the file names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub licences: BTreeSet<String>,
    /// Names of other files that loading this one would open.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub references: BTreeSet<String>,
    /// Tensors, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tensors: Vec<TensorFact>,
    /// Where the numbers of tensors lie, as far as they lie in the file as safetensors would write them: for whoever
    /// compares two files. A tensor that is not named here cannot be compared.
    #[serde(skip)]
    pub places: Vec<TensorPlace>,
    /// How deep archives stand in archives; 1 is an archive that holds none.
    #[serde(skip_serializing_if = "is_zero")]
    pub archive_depth: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where one tensor's numbers lie: one after another, row by row, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    /// Its place in the list of tensors.
    pub tensor: usize,
    /// The first byte in the file.
    pub start: u64,
    /// The byte behind the last.
    pub end: u64,
}

/// A tensor whose numbers lie in a storage of a torch file, wherever that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InStorage {
    pub(crate) tensor: usize,
    pub(crate) key: String,
    /// Bytes of the storage.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A global that a pickle names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GlobalFact {
    /// `torch._utils`
    pub module: String,
    /// `_rebuild_tensor_v2`, or a dotted name.
    pub name: String,
    /// `inert`, `framework`, `unknown`, `code`, `gadget` or `execution`.
    pub tier: &'static str,
    /// The package a reader would have to trust: `torch`.
    pub package: String,
}

/// A chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateFact {
    /// Where it was: `chat_template`, `tokenizer.chat_template.tool_use`, ….
    pub name: String,
    /// Its length in bytes.
    pub bytes: usize,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorFact {
    /// Its name in the file.
    pub name: String,
    /// Element type in the words of safetensors: `F32`, `BF16`, `I64`, ….
    pub dtype: String,
    /// Its dimensions.
    pub shape: Vec<u64>,
}
