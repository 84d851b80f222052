//! Weighs connections: to whom, with what in hand. A key that goes to whoever gave it out is ordinary.

use super::{
    judge::said,
    names::Deed,
    value::{Args, HOLE, Taint, Value},
    walk::Walk,
};
use crate::{rules, text::shell};

/// Hosts to which model code ordinarily talks.
#[rustfmt::skip]
const KNOWN_HOSTS: &[&str] = &[
    "huggingface.co", "hf.co", "github.com", "githubusercontent.com", "localhost", "127.0.0.1", "0.0.0.0", "pytorch.org", "openai.com",
    "anthropic.com", "googleapis.com", "google.com", "wikimedia.org", "wikipedia.org", "cocodataset.org", "amazonaws.com", "example.com",
    "modelscope.cn", "modelscope.oss-cn-beijing.aliyuncs.com", "aliyuncs.com", "fbaipublicfiles.com", "azureedge.net", "azure.com",
    "windows.net", "microsoft.com", "kaggle.com", "zenodo.org", "arxiv.org", "wandb.ai", "nvidia.com", "stanford.edu", "jsdelivr.net",
    "cohere.com", "mistral.ai", "together.xyz", "replicate.com", "unsplash.com", "imgur.com", "ultralytics.com", "python.org",
];
/// Endings of what is fetched only to be looked at or computed with.
#[rustfmt::skip]
const DATA: &[&str] = &[
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".wav", ".mp3", ".flac", ".mp4", ".txt", ".json", ".csv", ".safetensors", ".gguf",
    ".parquet", ".jsonl", ".pdf", ".npz", ".tar.gz", ".zip", ".tsv", ".ogg", ".svg",
];
/// Whose the keys in variables are: the variables, and the hosts to which they are ordinarily sent.
#[rustfmt::skip]
const OWNERS: &[(&[&str], &[&str])] = &[
    (&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN", "HUGGINGFACE_HUB_TOKEN", "HF_API_TOKEN", "HF_API_KEY", "HUGGINGFACE_API_KEY", "HUGGINGFACEHUB_API_TOKEN"],
     &["huggingface.co", "hf.co", "hf-mirror.com"]),
    (&["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"], &[]),
    (&["GITHUB_TOKEN", "GH_TOKEN"], &["github.com", "githubusercontent.com"]),
    (&["OPENAI_API_KEY"], &["openai.com", "openai.azure.com"]),
    (&["ANTHROPIC_API_KEY"], &["anthropic.com"]),
    (&["WANDB_API_KEY"], &["wandb.ai"]),
    (&["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_API_KEY", "GEMINI_API_KEY"], &["generativelanguage.googleapis.com", "oauth2.googleapis.com", "www.googleapis.com", "aiplatform.googleapis.com"]),
    (&["AZURE_CLIENT_SECRET"], &["microsoftonline.com", "management.azure.com", "graph.microsoft.com"]),
    (&["NPM_TOKEN"], &["npmjs.org", "npmjs.com"]),
    (&["PYPI_TOKEN"], &["pypi.org"]),
    (&["SLACK_TOKEN", "SLACK_BOT_TOKEN", "SLACK_API_TOKEN"], &["slack.com"]),
    (&["COHERE_API_KEY"], &["cohere.com", "cohere.ai"]),
    (&["MISTRAL_API_KEY"], &["mistral.ai"]),
    (&["REPLICATE_API_TOKEN"], &["replicate.com"]),
    (&["GROQ_API_KEY"], &["groq.com"]),
    (&["TOGETHER_API_KEY"], &["together.xyz", "together.ai"]),
    (&["DATABASE_URL", "KUBECONFIG", "SSH_AUTH_SOCK"], &[]),
];
/// Where everybody can have a place of the hub's, which is given its tokens: a reviewer has to say whose place it is.
const RENTED: &[&str] = &["hf.space", "huggingface.cloud"];
/// The owner whose credentials the hub's own clients hold.
const HUB: usize = 0;

/// A credential that the hub's client gives out.
pub(super) fn hub_token() -> Value {
    Value::unknown(Taint::secret_of(HUB))
}

/// A credential that nobody is known to have a right to.
pub(super) fn nobodys_secret() -> Taint {
    Taint::secret_of(OWNERS.len())
}

fn is_at(host: &str, domains: &[&str]) -> bool {
    domains.iter().any(|known| host == *known || host.strip_suffix(known).is_some_and(|before| before.ends_with('.')))
}

/// Whether every credential in there goes to whose it is.
fn goes_home(taint: Taint, host: &str) -> bool {
    let mut owners = taint.owners().peekable();
    owners.peek().is_some() && owners.all(|owner| OWNERS.get(owner).is_some_and(|(_, hosts)| is_at(host, hosts)))
}

/// What `os.environ[name]` comes to.
pub(super) fn variable(name: &str) -> Value {
    match name {
        "HOME" | "USERPROFILE" => Value::text("~"),
        "APPDATA" | "LOCALAPPDATA" => Value::text("~/AppData"),
        _ => match OWNERS.iter().position(|(names, _)| names.contains(&name)) {
            Some(owner) => Value::unknown(Taint::secret_of(owner)),
            None => Value::default(),
        },
    }
}

pub(super) fn tells_of_the_machine(path: &str) -> bool {
    matches!(
        path,
        "socket.gethostname"
            | "socket.getfqdn"
            | "platform.node"
            | "platform.uname"
            | "getpass.getuser"
            | "os.getlogin"
            | "os.uname"
            | "uuid.getnode"
            | "pwd.getpwuid"
            | "platform.platform"
    )
}

impl Walk<'_> {
    pub(super) fn weigh_connection(&mut self, path: &str, to: &str, at: u32) {
        let rule = if self.at_import() { &rules::PYTHON_IMPORT_TIME } else { &rules::PYTHON_RISKY_CALL };
        let to = if to.is_empty() || to == "…" { String::new() } else { format!(" to {to}") };
        self.note(rule, format!("connects{to} with `{path}`"), at);
    }

    /// A name that holds what the machine is called, or what was read, carries it away.
    pub(super) fn resolved(&mut self, path: &str, args: &Args, at: u32) {
        let taint = args.taint();
        if [Taint::SECRET, Taint::ENVIRONMENT, Taint::MACHINE].into_iter().any(|taken| taint.has(taken)) {
            let own = args.at(0).is_unknown() || args.at(0).as_path().is_some();
            // Asking for one's own address is ordinary.
            if !(own && taint == Taint::MACHINE) {
                self.note(
                    &rules::PYTHON_CREDENTIALS,
                    format!("tells a name server about the machine with `{path}`"),
                    at,
                );
            }
        } else if self.at_import() {
            self.note(
                &rules::PYTHON_RISKY_CALL,
                format!("asks a name server for {} with `{path}`", said(&args.at(0))),
                at,
            );
        }
    }

    pub(super) fn transferred(&mut self, deed: Deed, path: &str, args: &Args, at: u32) {
        let taint = args.taint();
        // Where it puts what it fetches: that is no file of the repository any more.
        for place in args.all().filter_map(Value::as_pattern).filter(|text| !text.contains("://")) {
            self.makes(place);
        }
        let first = args
            .given
            .iter()
            .chain(args.named("url"))
            .find_map(|v| v.as_pattern().filter(|t| t.contains("://") || t.starts_with(HOLE)));
        let address = first.unwrap_or_default().to_owned();
        let host = shell::host_of(&address).unwrap_or_default().to_lowercase();
        let home = goes_home(taint, &host);
        let known = home || is_at(&host, KNOWN_HOSTS);
        let own = known && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "0.0.0.0");
        let to = if host.is_empty() { String::new() } else { format!(" to {host}") };
        if taint.has(Taint::ENVIRONMENT) {
            self.note(&rules::PYTHON_CREDENTIALS, format!("sends the environment{to} with `{path}`"), at);
        } else if taint.has(Taint::SECRET) && host.is_empty() && !self.at_import() {
            // Clients of the hub take the address from their caller.
            self.note(&rules::PYTHON_RISKY_CALL, format!("sends a credential with `{path}`"), at);
        } else if taint.has(Taint::SECRET) && !own && !home && !is_at(&host, RENTED) {
            self.note(&rules::PYTHON_CREDENTIALS, format!("sends a credential{to} with `{path}`"), at);
        } else if taint.has(Taint::SECRET) && !home {
            let message = format!("sends a credential{to} with `{path}`, where it was not given out");
            self.note(&rules::PYTHON_RISKY_CALL, message, at);
        } else if taint.has(Taint::MACHINE) && !own {
            let rule = if self.at_import() { &rules::PYTHON_IMPORT_TIME } else { &rules::PYTHON_RISKY_CALL };
            self.note(rule, format!("tells{to} about the machine or its user with `{path}`"), at);
        } else if host.contains("169.254.169.254") || host.contains("metadata.google.internal") {
            self.note(
                &rules::PYTHON_CREDENTIALS,
                format!("asks the cloud for the machine's credentials with `{path}`"),
                at,
            );
        } else if deed == Deed::Send && !self.at_import() && !own && !host.is_empty() && self.is_in_model() {
            self.note(
                &rules::PYTHON_RISKY_CALL,
                format!("sends something{to} with `{path}` when the model is used"),
                at,
            );
        } else if self.at_import() && !known {
            let data = DATA
                .iter()
                .any(|end| address.to_lowercase().split(['?', '#']).next().unwrap_or_default().ends_with(end));
            let unclear = host.is_empty() || host.contains(HOLE);
            match (deed, data, unclear) {
                (Deed::Fetch, true, _) => {}
                (_, _, true) => self.note(&rules::PYTHON_RISKY_CALL, format!("connects with `{path}`"), at),
                _ => self.note(&rules::PYTHON_IMPORT_TIME, format!("connects{to} with `{path}`"), at),
            }
        } else if path.starts_with("socket.datagram()") {
            // Connecting such a socket sent nothing yet; this does.
            self.weigh_connection(path, "", at);
        } else if path.starts_with("socket.") {
            self.account.connects = Some(at);
        }
    }
}
