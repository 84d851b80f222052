//! What a hub path is told that nothing is mounted on: a sentence, in the right dialect, for everything not offered.
//!
//! The same for everybody, signed in or not: it says nothing about what exists.

use http::Method;

use crate::domain::{
    pattern::Segments,
    refusal::{Code, Refusal},
};

const GIT: &str = ".git";

/// git asks for `…/info/refs` under whatever address it was given, with `.git` or without.
fn is_git(path: &Segments) -> bool {
    let mut last = path.iter().rev();
    let (end, before) = (last.next(), last.next());
    let asks =
        matches!((before, end), (Some("info"), Some("refs")) | (_, Some("git-upload-pack" | "git-receive-pack")));
    asks || path.iter().any(|segment| segment.to_ascii_lowercase().ends_with(GIT))
}

pub fn elsewhere(method: &Method, path: &Segments) -> Refusal {
    if path.first() == Some("-") {
        return Refusal::not_found();
    }
    if is_git(path) {
        return Refusal::new(
            Code::NotOffered,
            "Weighbridge does not offer git clone: it would bring history that nobody approved.",
        )
        .hint("Use hf download, huggingface_hub or transformers with HF_ENDPOINT set to this address.");
    }
    if path.iter().any(|segment| segment.starts_with("xet-")) {
        return Refusal::new(Code::NotFound, "Weighbridge serves whole files over plain HTTP and has no Xet storage.")
            .hint("Set HF_HUB_DISABLE_XET=1 if your client goes on asking.");
    }
    if path.first() == Some("v2") {
        return Refusal::new(Code::NotOffered, "Weighbridge does not speak the registry protocol of ollama.");
    }
    if *method != Method::GET {
        return Refusal::new(
            Code::NotOffered,
            "Weighbridge is a mirror for reading: it takes no uploads, commits or settings.",
        )
        .hint("Publish to your own hub, and ask for the model here.");
    }
    let unoffered =
        matches!(path.iter().nth(1), Some("buckets" | "jobs" | "kernels" | "papers" | "collections" | "daily_papers"));
    if path.first() == Some("kernels") || (path.first() == Some("api") && unoffered) {
        return Refusal::new(
            Code::NotOffered,
            "Weighbridge offers models, datasets and spaces, and nothing else of the hub.",
        );
    }
    Refusal::not_found()
}
