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
