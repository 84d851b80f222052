//! Configs that name code: JSON, YAML, requirements and the files of frameworks.
