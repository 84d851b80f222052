//! Identity providers beside a world, and a browser that signs in with them.
//!
//! `Provider::real` is a certified one; `Provider::fake` says whatever a test wants it to say; `Browser` is Chromium.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    wire::{self, Reply},
    world::{Folder, World, WorldOptions, needed, remember_process},
};

pub const SECRET: &str = "canary-client-secret-0123456789-0123456789";

/// A provider in its own process; it ends when its input does.
pub struct Provider {
    pub issuer: String,
    child: Child,
    input: Option<ChildStdin>,
}

impl Provider {
    pub fn real() -> Self {
        Self::start("idp.mjs")
    }

    pub fn fake() -> Self {
        Self::start("fake.mjs")
    }

    fn start(script: &str) -> Self {
        let mut child =
            node(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        remember_process(child.id());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let input = child.stdin.take();
        Self { issuer: said["issuer"].as_str().unwrap().to_owned(), child, input }
    }

    /// Changes how it behaves.
    pub async fn set(&self, what: &str, value: Value) -> Value {
        let asked = wire::client().post(format!("{}/test/{what}", self.issuer)).json(&value).send().await.unwrap();
        assert!(asked.status().is_success(), "{what}: {}", asked.status());
        asked.json().await.unwrap()
    }

    /// A gateway's configuration that knows it as `corp`, with two groups that are roles.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("WEIGHBRIDGE_IDENTITY__ALLOW_PRIVATE_ADDRESSES", "true".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__NAME", "corp".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__ISSUER", self.issuer.clone()),
            ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__CLIENT_ID", "weighbridge".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__CLIENT_SECRET", SECRET.to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__0__GROUP", "ml-approvers".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__0__ROLE", "reviewer".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__0__ENVIRONMENTS", "*".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__1__GROUP", "staff".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__1__ROLE", "developer".to_owned()),
            ("WEIGHBRIDGE_IDENTITY__ROLES__1__ENVIRONMENTS", "research".to_owned()),
        ]
    }

    /// A world whose people sign in here.
    pub async fn world(&self, more: Vec<(&'static str, String)>) -> World {
        let mut settings = self.settings();
        settings.extend(more);
        World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await
    }

    /// Lets a gateway at this address use it.
    pub async fn register(&self, url: &str) {
        let client = json!({
            "client_id": "weighbridge", "client_secret": SECRET, "redirect_uris": [format!("{url}/-/oidc/corp/callback")],
            "post_logout_redirect_uris": [format!("{url}/-/sign-in")], "grant_types": ["authorization_code"],
            "response_types": ["code"], "require_auth_time": true,
            "backchannel_logout_uri": format!("{url}/-/oidc/corp/backchannel-logout"),
            "backchannel_logout_session_required": true,
        });
        self.set("clients", json!([client])).await;
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser of one person. What it shows is the address, the title and the text.
pub struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _profile: Folder,
}

pub struct Shown {
    pub url: String,
    pub text: String,
}

impl Browser {
    pub fn start() -> Self {
        let profile = Folder::new();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let path = std::env::var("PATH").unwrap_or_default();
        let found = path.split(':').flat_map(|folder| names.map(|name| Path::new(folder).join(name)));
        let chromium = found.into_iter().find(|file| file.is_file());
        let chromium = chromium.unwrap_or_else(|| panic!("this test needs Chromium: run tests/run"));
        let mut node = node("browser.mjs");
        node.arg(chromium).arg(profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = node.spawn().unwrap();
        remember_process(child.id());
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, _profile: profile }
    }

    pub fn open(&mut self, url: &str) -> Shown {
        shown(&self.say(&json!({ "open": url })))
    }

    pub fn click(&mut self, selector: &str) -> Shown {
        shown(&self.say(&json!({ "click": selector })))
    }

    pub fn fill(&mut self, selector: &str, text: &str) {
        self.say(&json!({ "fill": [selector, text] }));
    }

    pub fn run(&mut self, script: &str) -> Value {
        self.say(&json!({ "run": script }))
    }

    /// What a page sees when its script leads to another page.
    pub fn go(&mut self, script: &str) -> Shown {
        shown(&self.say(&json!({ "go": script })))
    }

    pub fn cookie(&mut self, name: &str) -> Option<Value> {
        let all = self.say(&json!({ "cookies": true }));
        all.as_array().unwrap().iter().find(|cookie| cookie["name"] == name).cloned()
    }

    /// Signs in where the provider asks, and comes back.
    pub fn sign_in_as(&mut self, who: &str) -> Shown {
        self.fill("#login", who);
        self.click("#go")
    }

    #[track_caller]
    fn say(&mut self, command: &Value) -> Value {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{command}").unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: the browser said {line:?}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["good"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its browser when its input ends.
        self.input.take();
        let _ = self.child.wait();
    }
}

/// A browser as far as a table of wrong answers needs one: it keeps the gateway's cookies.
#[derive(Clone, Default)]
pub struct Jar(Vec<(String, String)>);

impl Jar {
    pub async fn get(&mut self, url: &str) -> Reply {
        let reply = wire::ask("GET", url, "", &[("cookie", &self.line()), ("accept", "text/html")]).await.unwrap();
        self.keep(&reply);
        reply
    }

    pub fn keep(&mut self, reply: &Reply) {
        for line in reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.0.retain(|(kept, _)| kept != name);
            if !line.contains("Max-Age=0;") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    pub fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    pub fn is_signed_in(&self) -> bool {
        self.value("__Host-wb_sid").is_some()
    }

    /// To the provider and as far as the address that it sends the browser back to.
    pub async fn up_to_callback(&mut self, world: &World) -> String {
        let begun = self.get(&format!("{}/-/oidc/corp/start", world.url())).await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        let back = wire::ask("GET", begun.header("location"), "", &[]).await.unwrap();
        back.header("location").to_owned()
    }

    pub async fn sign_in(&mut self, world: &World) -> Reply {
        let back = self.up_to_callback(world).await;
        self.get(&back).await
    }
}

fn shown(said: &Value) -> Shown {
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    Shown { url: text("url"), text: text("text") }
}

fn node(script: &str) -> Command {
    let installed = needed("WEIGHBRIDGE_TEST_NODE", "Node and what tests/clients/idp lists");
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/idp").join(script));
    node.env("WEIGHBRIDGE_TEST_NODE", installed).env("NODE_NO_WARNINGS", "1");
    node
}
