//! `weighbridge demo`: its own script, run as printed with the real `hf`, shows what it says; and nothing of it stays.

use std::{
    fs,
    os::unix::{fs::symlink, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    stock::{Desk, HUBS, Ran, TRANSFORMERS, run},
    world::{Folder, World, WorldOptions, files_under, needed, remember_process},
};

/// Long enough for a slow machine; nothing waits that long where all is well.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn the_script_shows_what_it_says_with_the_real_hf() {
    for venv in HUBS {
        let hf = PathBuf::from(needed("WEIGHBRIDGE_TEST_VENVS", "stock clients")).join(venv).join("bin");
        let mut demo = Demo::start(&["--script", "--push-after", "1"], Some(&hf));
        let ready = demo.ready();
        eprintln!("{ready}");
        let seconds: f32 = ready.split(' ').nth(2).and_then(|word| word.parse().ok()).unwrap();
        assert!(seconds < 60.0, "ten seconds are promised, and this machine may be a slow one: {ready}");
        let (script, ran) = demo.run_script().await;
        assert!(script.contains("\nhf download acme/clean-bert\n"), "{script}");
        shows_what_it_says(&script, &ran.out);
        let listed = part(&ran.out, "$ ls $DEMO/twin");
        assert!(!listed.contains("pytorch_model.bin"), "{venv}: {listed}");
        assert_eq!(demo.end(), Some(0), "the script ends the demo: {}", demo.errors());
        assert!(demo.errors().contains("every signature and every hash is right"), "{}", demo.errors());
        demo.has_left_nothing();
    }
}

#[tokio::test]
async fn without_hf_the_lines_are_for_curl() {
    let mut demo = Demo::start(&["--script", "--push-after", "1"], None);
    demo.ready();
    let (script, ran) = demo.run_script().await;
    assert!(script.contains("pip install") && !script.contains("\nhf "), "{script}");
    shows_what_it_says(&script, &ran.out);
    assert!(!part(&ran.out, "$ get api/models/acme/pickle-and-twin/tree/main").contains("pytorch_model.bin"));
    assert_eq!(demo.end(), Some(0), "{}", demo.errors());
    demo.has_left_nothing();
}

/// The sample models are what they say they are: the libraries that people use open them.
#[tokio::test]
async fn real_libraries_open_the_sample_models() {
    let mut demo = Demo::start(&[], None);
    demo.ready();
    let desk = Desk::with(&demo.said("HF_ENDPOINT"), &demo.said("DEVELOPER"));
    let code = "
from huggingface_hub import snapshot_download
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoTokenizer
for name in ['acme/clean-bert', 'acme/pickle-and-twin']:
    config = AutoConfig.from_pretrained(name)
    tokens = AutoTokenizer.from_pretrained(name)('the model is weighed')['input_ids']
    weights = load_file(snapshot_download(name) + '/model.safetensors')
    words = weights['embeddings.word_embeddings.weight']
    assert words.shape == (config.vocab_size, config.hidden_size), words.shape
    print(name, config.model_type, tokens)
";
    let ran = desk.python(TRANSFORMERS, code).await.good();
    assert!(
        ran.out.contains("acme/clean-bert bert [2, 5, 7, 8, 9, 3]") && ran.out.contains("twin bert"),
        "{}",
        ran.all()
    );
    demo.signal("TERM");
    assert_eq!(demo.end(), Some(0), "{}", demo.errors());
    demo.has_left_nothing();
}

#[tokio::test]
async fn it_leaves_nothing_behind_whatever_ends_it() {
    for signals in [&["INT"][..], &["TERM"], &["HUP"], &["INT", "INT"]] {
        let mut demo = Demo::start(&[], None);
        demo.ready();
        assert!(!demo.files().is_empty(), "the demo has files while it runs");
        for signal in signals {
            demo.signal(signal);
        }
        let code = demo.end();
        assert!(code == Some(0) || signals.len() > 1, "{signals:?}: {code:?}: {}", demo.errors());
        demo.has_left_nothing();
    }
    // In the middle of its start.
    let mut demo = Demo::start(&[], None);
    let began = Instant::now();
    while demo.files().is_empty() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    demo.signal("INT");
    demo.end();
    demo.has_left_nothing();
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, code, says) in [(address.as_str(), 1, "listening on"), ("0.0.0.0:0", 3, "other machines")] {
        let mut demo = Demo::start(&["--listen", listen], None);
        assert_eq!(demo.end(), Some(code), "{}", demo.errors());
        assert!(demo.errors().contains(says), "{}", demo.errors());
        demo.has_left_nothing();
    }
}

/// `serve` knows no sample hub; and one that it is pointed at is like any other address of this machine: never asked.
#[tokio::test]
async fn nothing_of_it_is_reached_from_serve() {
    let mut demo = Demo::start(&["--script"], None);
    demo.ready();
    let hub = demo.said("HUB").trim_end_matches("/api/models").to_owned();
    for word in ["--demo", "--script", "--push-after"] {
        let ran = run(demo.weighbridge(&["serve", word]), Duration::from_mins(1)).await;
        assert_eq!(ran.code, 3, "{word}: {}", ran.all());
    }
    let settings = vec![
        ("WEIGHBRIDGE_UPSTREAM__URL", hub.clone()),
        ("WEIGHBRIDGE_UPSTREAM__ALLOW_PRIVATE_ADDRESSES", "false".to_owned()),
        ("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned()),
    ];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let path = "/acme/clean-bert/resolve/main/config.json";
    let reply = world.get(path, &world.developer().await).await;
    assert!(reply.status >= 400, "{}: {}", reply.status, reply.text());
    let seen = crate::wire::ask("GET", &format!("{hub}/-sim/counters?contains=clean-bert"), "", &[]).await.unwrap();
    assert_eq!(seen.json()["requests"], 0, "{}", seen.text());
    demo.signal("INT");
    demo.end();
}

/// A demo in a world of its own: another home, another folder for what is temporary, and only the programs it needs.
struct Demo {
    child: Child,
    folder: Folder,
    path: String,
}

impl Demo {
    fn start(words: &[&str], hf: Option<&Path>) -> Self {
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        for name in ["home", "tmp", "bin"] {
            fs::create_dir(at(name)).unwrap();
        }
        for program in ["sh", "curl", "grep", "ls", "sleep"] {
            let found = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(program)).into_iter().find(|p| p.exists());
            symlink(found.unwrap_or_else(|| panic!("{program} is not there")), at("bin").join(program)).unwrap();
        }
        let path = hf.into_iter().map(Path::to_owned).chain([at("bin")]).map(|p| p.display().to_string());
        let path = path.collect::<Vec<_>>().join(":");
        let file = |name: &str| fs::File::create(at(name)).unwrap();
        let mut command = weighbridge(&folder, &path, &[&["demo"], words].concat());
        // A group of its own, by which whatever it starts is found.
        command.process_group(0).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let child = command.spawn().unwrap();
        remember_process(child.id());
        Self { child, folder, path }
    }

    fn weighbridge(&self, words: &[&str]) -> Command {
        weighbridge(&self.folder, &self.path, words)
    }

    /// Waits until it says how long its start took, and gives that line.
    fn ready(&mut self) -> String {
        let began = Instant::now();
        loop {
            if let Some(line) = self.errors().lines().find(|line| line.starts_with("Ready after")) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it is not ready ({ended:?}): {}", self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs exactly what it printed, in a shell of somebody who has set nothing.
    async fn run_script(&self) -> (String, Ran) {
        let script = self.text();
        let file = self.folder.path().join("steps.sh");
        fs::write(&file, &script).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sh \"$0\" 2>&1"]).arg(&file);
        self.surroundings(&mut command);
        // One line a sentence, and nothing that draws.
        command.envs([("COLUMNS", "2000"), ("NO_COLOR", "1"), ("TERM", "dumb"), ("LC_ALL", "C.UTF-8")]);
        command.envs([("HF_HUB_DISABLE_PROGRESS_BARS", "1"), ("HF_HUB_DISABLE_UPDATE_CHECK", "1")]);
        (script, run(command, PATIENCE).await)
    }

    fn surroundings(&self, command: &mut Command) {
        surroundings(command, &self.folder, &self.path);
    }

    /// What its text sets a variable of the shell to.
    fn said(&self, name: &str) -> String {
        let text = self.text();
        let value = text.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("err")).unwrap()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}", self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        files_under(&self.folder.path().join("tmp"))
    }

    fn has_left_nothing(&self) {
        for folder in ["tmp", "home"] {
            let left: Vec<_> = fs::read_dir(self.folder.path().join(folder)).unwrap().flatten().collect();
            assert!(left.is_empty(), "left in {folder}: {left:?}");
        }
        // A child that was scanning may need a moment to see that nobody listens any more.
        let began = Instant::now();
        while !in_group(self.child.id()).is_empty() {
            assert!(began.elapsed() < PATIENCE, "left running: {:?}", in_group(self.child.id()));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn weighbridge(folder: &Folder, path: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weighbridge"));
    command.args(words);
    surroundings(&mut command, folder, path);
    command
}

fn surroundings(command: &mut Command, folder: &Folder, path: &str) {
    let home = folder.path().join("home");
    command.env_clear().env("HOME", &home).env("TMPDIR", folder.path().join("tmp")).env("PATH", path);
    command.current_dir(home);
}

/// The processes of a group, by `/proc`.
fn in_group(group: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name, which may hold anything: state, parent, group.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        if fields.get(2) == Some(&group.to_string().as_str()) {
            found.push(stat.clone());
        }
    }
    found
}

/// What came after a line that the script said it would run.
fn part<'a>(output: &'a str, run: &str) -> &'a str {
    let from = output.find(run).unwrap_or_else(|| panic!("it never ran {run}: {output}"));
    let rest = &output[from..];
    rest.get(1..).and_then(|rest| rest.find("\n$ ")).map_or(rest, |end| &rest[..=end])
}

/// Holds every `#>` of the script against the answer of the line above it.
fn shows_what_it_says(script: &str, output: &str) {
    let answers: Vec<&str> = output.split("\n$ ").skip(1).collect();
    let (mut runs, mut shown) = (0, 0);
    for line in script.lines() {
        if line.starts_with("say '' '$ ") {
            runs += 1;
        }
        let Some(expected) = line.strip_prefix("#> ") else { continue };
        shown += 1;
        let answer = answers.get(runs - 1).unwrap_or_else(|| panic!("it stopped before {expected}: {output}"));
        assert!(holds(answer, expected), "not shown: {expected}\nbut: {answer}");
    }
    assert!(runs == answers.len() && runs >= 10 && shown >= 10, "{runs} lines, {shown} answers: {output}");
}

/// Whether the pieces between `...` stand in a text one after the other.
fn holds(text: &str, expected: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain(text);
    let mut rest = text.as_str();
    expected.split("...").map(plain).all(|piece| match rest.find(&piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}
