//! Stock clients on somebody's desk: a home folder of its own, and only the two variables that the product asks for.
//!
//! Never patches a client. Xet stays on wherever the client has it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::world::{Folder, World, beside, needed};

/// The versions of huggingface_hub that every promise holds for.
pub const HUBS: [&str; 3] = ["huggingface_hub-0.36.2", "huggingface_hub-1.10.2", "huggingface_hub-2.4.0"];
pub const TRANSFORMERS: &str = "transformers-5.23.0";

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// -1 when it was killed, for running too long or by somebody else.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Fails unless the program ended well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// Its output as JSON, or the last line of it.
    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(&self.out)
            .or_else(|_| serde_json::from_str(line))
            .unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.out, self.err))
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Where a client runs.
pub struct Desk {
    home: Folder,
    endpoint: String,
    token: String,
    more: Vec<(&'static str, String)>,
}

impl Desk {
    /// Set up for the gateway, with the token of a developer in research.
    pub async fn new(world: &World) -> Self {
        Self::with(world.url(), &world.developer().await)
    }

    pub fn with(endpoint: &str, token: &str) -> Self {
        let home = Folder::new();
        // Where `hf auth login` leaves it; the Rust crate looks nowhere else.
        std::fs::create_dir_all(home.path().join("hf")).unwrap();
        std::fs::write(home.path().join("hf/token"), token).unwrap();
        Self { home, endpoint: endpoint.to_owned(), token: token.to_owned(), more: Vec::new() }
    }

    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.more.push((name, value.to_owned()));
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs one of `tests/clients` in a venv, with its input as JSON.
    pub async fn script(&self, venv: &str, script: &str, input: &Value) -> Ran {
        let mut command = self.at(&tool(venv, "python"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script)).arg(input.to_string());
        run(command, Duration::from_mins(3)).await
    }

    /// The steps of `tests/clients/steps.py`, in one process; their outcomes in order.
    pub async fn steps(&self, venv: &str, steps: &Value) -> Vec<Value> {
        self.script(venv, "steps.py", steps).await.good().json().as_array().cloned().unwrap_or_default()
    }

    /// What somebody types into Python.
    pub async fn python(&self, venv: &str, code: &str) -> Ran {
        let mut command = self.at(&tool(venv, "python"));
        command.args(["-c", code]);
        run(command, Duration::from_mins(3)).await
    }

    /// The `hf` command.
    pub async fn hf(&self, venv: &str, words: &[&str]) -> Ran {
        let mut command = self.at(&tool(venv, "hf"));
        command.args(words);
        run(command, Duration::from_mins(3)).await
    }

    /// The Rust crate: `tokio` or `sync`, then kind, id, revision and files.
    pub async fn rust(&self, words: &[&str]) -> Ran {
        let mut command = self.at(&beside("weighbridge-hf-hub-client"));
        command.args(words);
        run(command, Duration::from_mins(3)).await
    }

    /// curl with the token, on a path of the gateway.
    pub async fn curl(&self, words: &[&str], path: &str) -> Ran {
        let mut command = self.at(Path::new("curl"));
        let header = format!("Authorization: Bearer {}", self.token);
        command.args(["--noproxy", "*", "-sS", "-H", &header]).args(words).arg(format!("{}{path}", self.endpoint));
        run(command, Duration::from_mins(3)).await
    }

    pub async fn git(&self, words: &[&str]) -> Ran {
        let mut command = self.at(Path::new("git"));
        command.args(words).env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
        run(command, Duration::from_mins(1)).await
    }

    pub fn at(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        // As wide as can be and without colours, so that a sentence stays on one line.
        let plain = [("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "2000"), ("LC_ALL", "C.UTF-8")];
        let quiet =
            [("HF_HUB_DISABLE_PROGRESS_BARS", "1"), ("HF_HUB_DISABLE_UPDATE_CHECK", "1"), ("DO_NOT_TRACK", "1")];
        command.envs(plain).envs(quiet);
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("HF_HOME", self.home().join("hf"));
        command.env("HF_ENDPOINT", &self.endpoint).env("HF_TOKEN", &self.token);
        command.envs(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        command.current_dir(self.home());
        command
    }
}

/// A program of one of the venvs that `tests/run` keeps.
pub fn tool(venv: &str, program: &str) -> PathBuf {
    let venvs = PathBuf::from(needed("WEIGHBRIDGE_TEST_VENVS", "stock clients"));
    let path = venvs.join(venv).join("bin").join(program);
    assert!(path.exists(), "{} is not there: run tests/run", path.display());
    path
}

/// Runs a program to its end, or kills it when its time is over.
pub async fn run(mut command: Command, limit: Duration) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = command.get_program().to_owned();
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn();
    let child = child.unwrap_or_else(|error| panic!("{}: {error}: run tests/run", name.display()));
    match tokio::time::timeout(limit, child.wait_with_output()).await {
        Ok(output) => {
            let output = output.unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
        }
        Err(_) => Ran { code: -1, out: String::new(), err: format!("still running after {limit:?}") },
    }
}

/// A file that begins with these bytes, as a client leaves it when it is interrupted.
pub fn begin_file(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
