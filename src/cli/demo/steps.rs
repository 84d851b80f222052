//! What the demo shows, step by step: each line to paste, and what stands in its answer.
//!
//! Only texts: `guide` lays them out for a person or for `sh`, and a test runs them with the real `hf`.

use std::path::Path;

use crate::{config::Variables, domain::role::Role};

/// What the lines speak of.
pub struct Place {
    pub url: String,
    pub hub: String,
    pub folder: String,
    /// Where this program lies.
    pub programs: String,
    pub tokens: Vec<(Role, String)>,
    /// A refusal that somebody met before.
    pub decision: String,
    /// The commits of `acme/hijacked`, before and after.
    pub good: String,
    pub bad: String,
    pub has_hf: bool,
    pub push_after: u64,
    /// The environment of whoever started the demo, and probably of the terminal where the lines are pasted.
    pub variables: Variables,
}

pub struct Step {
    pub title: &'static str,
    pub why: String,
    pub lines: Vec<Line>,
}

/// A line to paste; `shows` stands in what comes, one after the other, with `...` for anything between.
pub struct Line {
    pub run: String,
    pub shows: Vec<String>,
}

fn line(run: impl Into<String>, shows: &[&str]) -> Line {
    Line { run: run.into(), shows: shows.iter().map(|text| (*text).to_owned()).collect() }
}

/// What every terminal needs first.
pub fn setup(place: &Place) -> Vec<String> {
    let mut lines = Vec::new();
    let theirs: Vec<&str> = LEAD_ELSEWHERE.into_iter().filter(|name| place.variables.contains_key(*name)).collect();
    if !theirs.is_empty() {
        lines.push(format!("unset {}", theirs.join(" ")));
    }
    if PROXIES.iter().any(|name| place.variables.contains_key(*name)) {
        lines.push("export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1".to_owned());
    }
    lines.push(format!("export PATH={}:$PATH", quoted(&place.programs)));
    lines.push(format!("DEMO={} HUB={}/api/models", quoted(&place.folder), place.hub));
    lines.push(format!("export HF_ENDPOINT={} HF_HOME=$DEMO/hf", place.url));
    lines.extend(place.tokens.iter().map(|(role, token)| format!("{}={token}", variable(*role))));
    lines.push(AS_DEVELOPER.to_owned());
    if !place.has_hf {
        lines.push("get() { curl -sS --oauth2-bearer ${2:-$HF_TOKEN} $HF_ENDPOINT/$1; echo; }".to_owned());
    }
    lines
}

pub fn all(place: &Place) -> Vec<Step> {
    vec![clean(place), malicious(place), twin(place), code(place), template(), hijacked(place), ledger(place)]
}

fn clean(place: &Place) -> Step {
    Step {
        title: "A clean model comes at the first download",
        why: "Nobody has asked for it before. While the download waits, its files are listed, scanned, and decided about \
            by the rules."
            .to_owned(),
        lines: vec![comes(place, "acme/clean-bert")],
    }
}

fn malicious(place: &Place) -> Step {
    Step {
        title: "A malicious one is refused, with the reason",
        why: "Its pickle calls os.system as soon as it is loaded. One such file refuses all of the model.".to_owned(),
        lines: vec![pull(
            place,
            "acme/malicious-pickle",
            "acme/malicious-pickle@main is denied in research: W-001: A file of this revision would harm whoever loads \
            it. The whole revision is refused. ... Decision ...",
        )],
    }
}

fn twin(place: &Place) -> Step {
    let hidden = "This pickle is hidden ... Rule W-005; load the other file instead. ...";
    let lines = if place.has_hf {
        vec![
            line("hf download acme/pickle-and-twin --local-dir $DEMO/twin", &[&format!("{}/twin", place.folder)]),
            line("ls $DEMO/twin", &["... config.json model.safetensors ... tokenizer.json ..."]),
            line("hf download acme/pickle-and-twin pytorch_model.bin", &[hidden]),
        ]
    } else {
        vec![
            line("get api/models/acme/pickle-and-twin/tree/main", &["... config.json ... model.safetensors ..."]),
            line("get acme/pickle-and-twin/resolve/main/pytorch_model.bin", &[hidden]),
        ]
    };
    Step {
        title: "A pickle is left out where safetensors hold the same tensors",
        why: "No loader misses it. Asked for by name, it says what to take instead.".to_owned(),
        lines,
    }
}

fn code(place: &Place) -> Step {
    let cluster = if place.has_hf {
        "HF_TOKEN=$CLUSTER HF_HOME=$DEMO/node hf download acme/remote-code"
    } else {
        "get acme/remote-code/resolve/main/config.json $CLUSTER"
    };
    Step {
        title: "Code waits for a person",
        why: "With trust_remote_code, loading this one runs a file of its repository. The developer asks for it; the \
            reviewer looks, and approves this commit in research. In prod, where the cluster is, it still waits."
            .to_owned(),
        lines: vec![
            pull(place, "acme/remote-code", "acme/remote-code@main ... W-006: ..."),
            line(
                "weighbridge request acme/remote-code --reason \"we work on gates\"",
                &["acme/remote-code@main in research: Asked for. ..."],
            ),
            line(AS_REVIEWER, &[]),
            line(
                "weighbridge request list",
                &["... acme/remote-code@main ... we work on gates", "... acme/old-pickle@main ... ben ..."],
            ),
            line(
                "weighbridge approve acme/remote-code --reason \"I have read its code\" --yes",
                &["... Rules ... W-006 ...", "Approved in research until ..."],
            ),
            line(AS_DEVELOPER, &[]),
            comes(place, "acme/remote-code"),
            line(cluster, &["acme/remote-code@main ... in prod ..."]),
        ],
    }
}

fn template() -> Step {
    Step {
        title: "Nobody can approve malware",
        why: "The chat template of this one runs a command when a conversation begins. The reviewer sees what the \
            scanner saw, and is refused as well."
            .to_owned(),
        lines: vec![
            line(AS_REVIEWER, &[]),
            line(
                "weighbridge approve acme/trapped-template --reason \"it is urgent\" --yes",
                &[
                    "... Verdict malicious ...",
                    "Finding WB-TPL-001 critical tokenizer_config.json: ...",
                    "It cannot be approved: a rule denies it ...",
                ],
            ),
            line(AS_DEVELOPER, &[]),
        ],
    }
}

fn hijacked(place: &Place) -> Step {
    let (good, bad) = (&place.good, &place.bad);
    let harm = "... W-001: A file of this revision would harm whoever loads it. ...";
    let lines = if place.has_hf {
        [
            line("hf download acme/hijacked", &[&format!("... /snapshots/{good}")]),
            line(format!("hf download acme/hijacked --revision {bad}"), &[harm]),
        ]
    } else {
        [
            line("get api/models/acme/hijacked/revision/main", &[&format!("... \"sha\":\"{good}\" ...")]),
            line(format!("get api/models/acme/hijacked/revision/{bad}"), &[harm]),
        ]
    };
    let start = bad.get(..12).unwrap_or(bad);
    let wait = format!("until curl -s $HUB/acme/hijacked | grep -q {start}; do sleep 1; done");
    Step {
        title: "Malware pushed to an approved main reaches nobody",
        why: format!(
            "{} seconds after the start somebody pushes it at the sample hub; the first line waits for that. Here, main \
            stays the commit that was approved, and the new one is refused.",
            place.push_after
        ),
        lines: [line(wait, &[])].into_iter().chain(lines).collect(),
    }
}

fn ledger(place: &Place) -> Step {
    Step {
        title: "All of it is written down",
        why:
            "Ben was refused before you came. With the number of a refusal, whoever audits sees what was decided, and \
            why. When the demo ends, it rebuilds its ledger from the first entry and says whether it is whole."
                .to_owned(),
        lines: vec![line(
            format!("HF_TOKEN=$AUDITOR weighbridge request show {}", place.decision),
            &["... acme/old-pickle@main ... W-005: ... Asked by ben ... Now pending"],
        )],
    }
}

fn comes(place: &Place, repo: &str) -> Line {
    let folder = format!("... /hub/models--{}/snapshots/...", repo.replace('/', "--"));
    pull(place, repo, if place.has_hf { &folder } else { "... \"hidden_act\": \"gelu\" ..." })
}

fn pull(place: &Place, repo: &str, shows: &str) -> Line {
    let run = if place.has_hf { format!("hf download {repo}") } else { format!("get {repo}/resolve/main/config.json") };
    line(run, &[shows])
}

/// The name of the shell variable that holds a role's token.
fn variable(role: Role) -> String {
    role.word().to_uppercase().replace('-', "_")
}

/// For a shell, in quotes where it needs them.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Whether a program of that name is where programs are looked for.
#[allow(clippy::disallowed_methods, reason = "the lines to paste depend on what is installed")]
pub fn has_program(variables: &Variables, name: &str) -> bool {
    let folders = variables.get("PATH").map(String::as_str).unwrap_or_default();
    folders.split(':').filter(|folder| !folder.is_empty()).any(|folder| Path::new(folder).join(name).is_file())
}

const AS_REVIEWER: &str = "export HF_TOKEN=$REVIEWER";
const AS_DEVELOPER: &str = "export HF_TOKEN=$DEVELOPER";
/// What would lead `hf` or `weighbridge` to another address, cache or token than the demo's.
const LEAD_ELSEWHERE: [&str; 9] = [
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_ASSETS_CACHE",
    "HF_XET_CACHE",
    "HF_TOKEN_PATH",
    "HF_STORED_TOKENS_PATH",
    "HF_HUB_OFFLINE",
    "WEIGHBRIDGE_URL",
    "WEIGHBRIDGE_TOKEN",
];
const PROXIES: [&str; 6] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"];
