//! The steps laid out: as a text for a terminal of 80 columns, and as a script for `sh`.
//!
//! Both are made from the same steps, so that what a test runs is what a person reads.

use super::steps::{Place, all, quoted, setup};

/// For a person.
pub fn text(place: &Place) -> String {
    let mut lines = wrapped(
        "This is Weighbridge with a sample hub behind it, both on this machine alone. Ctrl-C here ends the demo; then \
        nothing of it is left.",
        "",
    );
    lines.extend([
        String::new(),
        format!("  Gateway     {}", place.url),
        format!("  Console     {}/-/", place.url),
        format!("  Sample hub  {}", place.hub),
        format!("  Files       {}", place.folder),
        String::new(),
    ]);
    if !place.has_hf {
        lines.extend(wrapped(INSTALL, ""));
        lines.push(String::new());
    }
    lines.extend(wrapped(
        "Paste this into another terminal, which you close afterwards, then the lines of each step. What begins with > \
        is what comes, ... is anything.",
        "",
    ));
    lines.push(String::new());
    lines.extend(setup(place).iter().map(|line| format!("  {line}")));
    for (n, step) in all(place).into_iter().enumerate() {
        lines.extend([String::new(), format!("{}. {}", n + 1, step.title)]);
        lines.extend(wrapped(&step.why, "   "));
        lines.push(String::new());
        for line in step.lines {
            lines.push(format!("  {}", line.run));
            for shown in &line.shows {
                lines.extend(wrapped(shown, "  > "));
            }
        }
    }
    lines.extend([
        String::new(),
        "All of them in one go, and the end of the demo with them:".to_owned(),
        String::new(),
    ]);
    lines.push("  weighbridge demo --script | sh".to_owned());
    lines.join("\n")
}

/// For `sh`, which reads it whole before it begins. Says what it does as it goes, and ends the demo.
pub fn script(place: &Place, process: u32) -> String {
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        "# The steps of `weighbridge demo`. What stands behind #> is in the answer of the line above, ... is anything."
            .to_owned(),
        "steps() {".to_owned(),
        "say() { printf '%s\\n' \"$@\"; }".to_owned(),
    ];
    if !place.has_hf {
        lines.extend(wrapped(INSTALL, "# "));
    }
    lines.extend(setup(place));
    for (n, step) in all(place).into_iter().enumerate() {
        let mut said = vec![String::new(), format!("{}. {}", n + 1, step.title)];
        said.extend(wrapped(&step.why, "   "));
        let said: Vec<_> = said.iter().map(|line| quoted(line)).collect();
        lines.extend([String::new(), format!("say {}", said.join(" \\\n    "))]);
        for line in step.lines {
            lines.push(format!("say '' {}", quoted(&format!("$ {}", line.run))));
            lines.push(line.run);
            lines.extend(line.shows.iter().map(|shown| format!("#> {shown}")));
        }
    }
    lines.extend(["}".to_owned(), "steps </dev/null".to_owned(), format!("kill -INT {process}")]);
    lines.join("\n")
}

/// A text in lines that fit, each with this before it. What cannot be broken is longer.
fn wrapped(text: &str, before: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && before.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{before}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{before}{line}"));
    lines
}

const INSTALL: &str = "hf is not installed: `pip install -U huggingface_hub` brings it, then start the demo again. Until then, with curl:";
const WIDTH: usize = 79;
