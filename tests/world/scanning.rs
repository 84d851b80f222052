//! `weighbridge scan` as people and pipelines use it: a folder, a snapshot of the hub's cache, a script that reads JSON.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{
    stock::{Desk, HUBS, Ran, run},
    world::{Folder, World, beside},
};

const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";

async fn scan(folder: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(beside("weighbridge"));
    // Neither a configuration nor a home folder, nor anything else from whoever runs this.
    command.env_clear().current_dir(folder).arg("scan").args(words);
    run(command, Duration::from_mins(1)).await
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[tokio::test]
async fn the_exit_says_what_was_found() {
    let folder = Folder::new();
    fs::write(folder.path().join("notes.txt"), "plain words\n").unwrap();
    let clean = scan(folder.path(), &["."]).await;
    assert_eq!((clean.code, clean.err.as_str()), (0, ""), "{clean:?}");
    assert!(clean.out.starts_with("1 file, "), "{}", clean.out);

    fs::write(folder.path().join("weights.bin"), [0xfe, 0x00, 0x13, 0x9b, 0x44, 0x91]).unwrap();
    let unjudged = scan(folder.path(), &["."]).await;
    assert_eq!(unjudged.code, 2, "{unjudged:?}");
    assert!(unjudged.out.contains("weights.bin\n  not judged"), "{}", unjudged.out);

    fs::write(folder.path().join("model.pkl"), EVIL).unwrap();
    let malicious = scan(folder.path(), &["."]).await;
    assert_eq!(malicious.code, 1, "{malicious:?}");
    assert!(malicious.out.contains("MALICIOUS") && malicious.out.contains("os.system"), "{}", malicious.out);
    assert!(malicious.out.contains("WB-PKL-001") && malicious.out.contains("echo gone"), "{}", malicious.out);

    for wrong in [&["gone"][..], &[], &["--format", "xml", "."], &["--jobs", "0", "."]] {
        assert_eq!(scan(folder.path(), wrong).await.code, 3, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_script_gets_one_object_a_file_in_order() {
    let folder = Folder::new();
    for name in ["b/model.pkl", "a.json", "c.txt"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if name.starts_with("b/") { EVIL } else { b"{}\n" }).unwrap();
    }
    let one = scan(folder.path(), &["--format", "json", "--jobs", "1", "."]).await;
    let many = scan(folder.path(), &["--json", "--jobs", "8", "."]).await;
    assert_eq!((one.code, &one.out), (1, &many.out), "the order does not hang on the number of threads");
    let found = lines(&one);
    let paths: Vec<&str> = found.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["./a.json", "./b/model.pkl", "./c.txt"]);
    let evil = &found[1];
    assert_eq!((&evil["verdict"], &evil["format"]), (&Value::from("malicious"), &Value::from("pickle")));
    assert_eq!(evil["findings"][0]["rule"], "WB-PKL-001");
    assert_eq!(evil["findings"][0]["severity"], "critical");
    assert!(evil["findings"][0]["place"].as_str().unwrap().starts_with("./b/model.pkl@"), "{evil}");
    for key in ["state", "inspected", "inert", "unscanned"] {
        assert!(!evil["coverage"][key].is_null(), "{evil}");
    }
    assert_eq!(evil["facts"]["globals"][0]["module"], "os");
}

#[tokio::test]
async fn a_snapshot_of_the_hubs_cache_is_read_by_its_names() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let desk = Desk::new(&world).await;
    desk.hf(HUBS[2], &["download", "acme/tiny"]).await.good();
    let cache = desk.home().join("hf");
    let ran = scan(&cache, &["--json", "hub"]).await;
    let found = lines(&ran);
    let paths: Vec<&str> = found.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert!(paths.iter().any(|path| path.ends_with("/config.json")), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains("/blobs/")), "a blob is read under its name: {paths:?}");
    for line in &found {
        assert_eq!(line["verdict"], "clean", "{line}");
    }
    assert_eq!(ran.code, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_and_never_clean() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("inner")).unwrap();
    symlink("nowhere", at("dangling.pkl")).unwrap();
    symlink("..", at("inner/up")).unwrap();
    fs::write(at("inner/model.pkl"), EVIL).unwrap();
    let ran = scan(folder.path(), &["--json", "."]).await;
    let found = lines(&ran);
    let verdict = |name: &str| {
        let line = found.iter().find(|line| line["path"].as_str().unwrap().ends_with(name));
        line.unwrap_or_else(|| panic!("{name}: {found:?}"))["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("dangling.pkl"), "unjudged");
    assert_eq!(verdict("inner/model.pkl"), "malicious");
    assert_eq!(found.len(), 2, "a link back up is no endless folder: {found:?}");
    // Neither waited for nor left out.
    Command::new("mkfifo").arg(at("pipe.pkl")).status().unwrap();
    for words in [["--json", "pipe.pkl"], ["--json", "."]] {
        let ran = scan(folder.path(), &words).await;
        let line = lines(&ran).into_iter().find(|line| line["path"].as_str().unwrap().ends_with("pipe.pkl")).unwrap();
        assert_eq!(line["verdict"], "unjudged", "{line}");
    }
    // An answer that reaches nobody is a failure, even where all is clean.
    fs::write(at("notes.txt"), "words\n").unwrap();
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(folder.path());
    command.args(["-c", &format!("{} scan --json notes.txt > /dev/full", beside("weighbridge").display())]);
    let lost = run(command, Duration::from_mins(1)).await;
    assert!(lost.code == 1 && lost.err.contains("could not be written"), "{lost:?}");
    let sarif = scan(folder.path(), &["--format", "sarif", "."]).await;
    let log: Value = serde_json::from_str(&sarif.out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let rules: Vec<&Value> =
        log["runs"][0]["results"].as_array().unwrap().iter().map(|result| &result["ruleId"]).collect();
    assert!(rules.contains(&&Value::from("WB-PKL-001")), "{rules:?}");
}

#[tokio::test]
async fn links_names_and_empty_folders_deceive_nobody() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    for name in ["elsewhere", "model", "empty"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("elsewhere/secret.txt"), "words\n").unwrap();
    fs::write(at("model/notes.txt"), "words\n").unwrap();
    assert_eq!(scan(folder.path(), &["model"]).await.code, 0);
    symlink("../elsewhere", at("model/more")).unwrap();
    let out = scan(folder.path(), &["model"]).await;
    assert_eq!(out.code, 2, "{out:?}");
    assert!(out.out.contains("leads out of the folder") && !out.out.contains("secret"), "{}", out.out);
    fs::remove_file(at("model/more")).unwrap();

    let empty = scan(folder.path(), &["empty"]).await;
    assert!(empty.code == 2 && empty.err.contains("nothing to read"), "{empty:?}");

    fs::write(at("model/evil.pkl\n9 files, 1 kB: 0 malicious"), EVIL).unwrap();
    let forged = scan(folder.path(), &["model"]).await;
    assert_eq!(forged.code, 1);
    assert!(!forged.out.contains("\n9 files") && forged.out.contains("evil.pkl\\n9 files"), "{}", forged.out);
    assert_eq!(
        lines(&scan(folder.path(), &["--json", "model"]).await).len(),
        2,
        "one line a file, whatever it is called"
    );

    let name = std::os::unix::ffi::OsStringExt::from_vec(b"evil\xff.pkl".to_vec());
    fs::write(folder.path().join::<std::ffi::OsString>(name), EVIL).unwrap();
    let sarif = scan(folder.path(), &["--format", "sarif", "."]).await;
    assert!(sarif.out.contains("evil%FF.pkl"), "{}", sarif.out);
}
