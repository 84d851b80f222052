//! What happens when something changes that decisions rest on, against the simulator and on both databases.

use std::sync::Arc;

use serde_json::{Value, json};
use weighbridge_simulator::{Content, Repo};

use super::{basis, redecide, sql, watch};
use crate::{
    app::{App, Basis, Publishers},
    clock,
    domain::{basis::Words, name::RepoName, rev::Rev},
    gate::{act::InspectRevision, object::RevisionNamed, tx::Change},
    intake::{
        decide, decide_sql,
        digests::Wish,
        inspect, report_sql, seen,
        testing::{Bench, Workers},
        worker::Outcome,
    },
    jobs::{self, State, Work},
    store::tables::report::Model as Report,
};

/// A pickle that runs a command, a harmless one.
const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";
const OLD: &str = "0.0.1+old";

fn clean(bench: &Bench, id: &str) -> Repo {
    let model = bench.hub.model(id);
    model.card(json!({"license": "mit"}));
    model.commit("Add").plain("config.json", "{}").lfs("model.safetensors", Content::safetensors(1, 9_000)).push();
    model
}

/// The same process after its configuration has changed: these owners are prohibited.
fn with(app: &App, prohibited: &[&str]) -> App {
    let prohibited = prohibited.iter().map(|name| (*name).to_owned()).collect();
    let publishers = Publishers { prohibited, ..Publishers::default() };
    let basis = Basis::of(basis::words(&app.gate, &publishers));
    App { basis, publishers: Arc::new(publishers), ..app.clone() }
}

/// Looks, as the watch does twice a minute, and works until decisions are made anew.
async fn decided_anew(bench: &Bench, app: &App) {
    watch::look(app, "a").await.unwrap();
    if jobs::look(app, "redecide").await.unwrap().is_none() {
        return;
    }
    let workers = Workers::start(app);
    assert_eq!(bench.wait_for("redecide").await, State::Done);
    workers.stop().await;
}

async fn states(bench: &Bench) -> Vec<String> {
    bench
        .texts(
            "SELECT repository.name || ' ' || state FROM standing JOIN repository ON repository.id = repository_id \
             ORDER BY repository.name",
        )
        .await
}

async fn wish(bench: &Bench, name: &str) -> Wish {
    let sql = format!(
        "SELECT revision.id || ' ' || commit_id FROM revision JOIN repository ON repository.id = repository_id WHERE \
         name = '{name}'"
    );
    let row = bench.texts(&sql).await.remove(0);
    let (id, commit) = row.split_once(' ').unwrap();
    Wish { repo: RepoName::parse(name).unwrap(), revision_id: id.to_owned(), commit: commit.parse().unwrap() }
}

/// Everything is decided about anew from what is stored: the hub need not be there. A better answer serves, a worse one stops
/// at once, and what was stopped does not start again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_is_decided_about_from_what_is_stored() {
    for mut bench in Bench::on_each_under("guarded").await {
        let free = bench.app.clone();
        bench.app = with(&free, &["acme"]);
        watch::look(&bench.app, "a").await.unwrap();
        clean(&bench, "acme/one");
        clean(&bench, "other/two");
        for name in ["acme/one@main", "other/two@main"] {
            assert_eq!(bench.examine(name).await, State::Done);
        }
        assert_eq!(states(&bench).await, ["acme/one denied", "other/two approved"]);
        bench.hub.offline(true);
        bench.hub.reset_counters();

        decided_anew(&bench, &with(&free, &[])).await;
        assert_eq!(states(&bench).await, ["acme/one approved", "other/two approved"]);
        assert_eq!(bench.texts("SELECT name FROM pointer").await, ["refs/heads/main", "refs/heads/main"]);
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM standing WHERE basis <> 3").await, 0);
        let changed = bench.events("basis.changed").await;
        let words = |index: usize| changed[index]["detail"]["changed"].as_object().cloned().unwrap_or_default();
        assert_eq!((changed.len(), words(0).len(), words(1).len()), (3, 5, 1), "{changed:?}");
        assert_eq!(words(1)["publishers"]["from"], words(0)["publishers"]["to"]);
        assert_ne!(words(1)["publishers"]["from"], words(1)["publishers"]["to"]);
        let confirmed = bench.events("basis.confirmed").await;
        assert_eq!(confirmed.len(), 1, "what stayed the same is one entry: {confirmed:?}");
        let approved = bench.events("revision.approved").await;
        let last = &approved[approved.len() - 1]["detail"];
        assert_eq!((&last["basis"], &last["rested_on"], &last["before"]), (&json!(3), &json!(2), &json!("denied")));

        decided_anew(&bench, &with(&free, &["acme"])).await;
        assert_eq!(states(&bench).await, ["acme/one suspended", "other/two approved"]);
        let going_on = "SELECT CAST(count(*) AS BIGINT) FROM approval WHERE ended_at IS NULL";
        assert_eq!(bench.number(going_on).await, 1, "the approval that was suspended has ended");
        decided_anew(&bench, &with(&free, &[])).await;
        assert_eq!(states(&bench).await, ["acme/one suspended", "other/two approved"]);
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM standing WHERE basis <> 5").await, 0);

        let after = bench.events("revision.decided").await.len();
        decided_anew(&bench, &with(&free, &[])).await;
        assert_eq!(bench.events("revision.decided").await.len(), after, "nothing changed, and nothing is decided");
        assert_eq!(bench.hub.count(""), 0, "nobody asked the hub");
    }
}

/// A new scanner: first the old reports are decided about, then bytes are read again, what was used last first.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_scanner_reads_bytes_again_in_the_order_of_their_use() {
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/a");
        clean(&bench, "acme/b");
        let evil = bench.hub.model("acme/evil");
        evil.card(json!({"license": "mit"}));
        evil.commit("Add").plain("config.json", "{}").lfs("model.pkl", EVIL).push();
        for name in ["acme/a@main", "acme/b@main", "acme/evil@main"] {
            assert_eq!(bench.examine(name).await, State::Done);
        }
        assert_eq!(states(&bench).await, ["acme/a approved", "acme/b approved", "acme/evil denied"]);
        // As if a scanner had looked that knew nothing of pickles.
        bench.change(&format!("UPDATE report SET scanner = '{OLD}'")).await;
        let blind = r#"'{"facts": {}, "findings": [], "coverage": {"state": "complete"}}'"#;
        bench
            .change(&format!(
                "UPDATE report SET verdict = 'clean', format = 'json', body = {blind} WHERE path = 'model.pkl'"
            ))
            .await;
        bench.change(&format!("UPDATE knowledge SET scanner = '{OLD}'")).await;
        bench.change("UPDATE standing SET basis = 0").await;
        let used = async |name: &str, at: i64| {
            let wish = wish(&bench, name).await;
            bench
                .change(&format!(
                    "INSERT INTO revision_use SELECT repository_id, commit_id, {at} FROM revision WHERE id = '{}'",
                    wish.revision_id
                ))
                .await;
            format!("rescan {}", wish.revision_id)
        };
        let (b, evil) = (used("acme/b", 2).await, used("acme/evil", 9).await);
        let a = format!("rescan {}", wish(&bench, "acme/a").await.revision_id);
        assert_eq!(redecide::ask_for_rescans(&bench.app).await.unwrap(), 3);
        assert_eq!(
            bench.texts("SELECT \"key\" FROM job WHERE kind = 'rescan' ORDER BY run_at").await,
            [evil.clone(), b.clone(), a.clone()]
        );
        assert_eq!(redecide::ask_for_rescans(&bench.app).await.unwrap(), 0, "they are asked for once");
        bench.change("DELETE FROM job WHERE kind = 'rescan'").await;

        watch::look(&bench.app, "a").await.unwrap();
        let workers = Workers::start(&bench.app);
        assert_eq!(bench.wait_for("redecide").await, State::Done);
        for key in [evil, b, a] {
            assert_eq!(bench.wait_for(&key).await, State::Done);
        }
        workers.stop().await;
        assert_eq!(states(&bench).await, ["acme/a approved", "acme/b approved", "acme/evil suspended"]);
        let decided = bench.events("revision.decided").await;
        let scanners: Vec<&Value> = decided.iter().map(|event| &event["detail"]["scanner"]).collect();
        let (first_old, last_old) =
            (scanners.iter().position(|one| **one == OLD), scanners.iter().rposition(|one| **one == OLD));
        assert!(first_old.is_some() && last_old < Some(scanners.len() - 1), "{scanners:?}");
        let stopped = bench.events("revision.suspended").await;
        assert_eq!((stopped.len(), &stopped[0]["detail"]["before"]), (1, &json!("approved")), "{stopped:?}");
        let left = format!("SELECT CAST(count(*) AS BIGINT) FROM report WHERE scanner = '{OLD}'");
        assert_eq!(bench.number(&left).await, 0);
        assert_eq!(redecide::ask_for_rescans(&bench.app).await.unwrap(), 0);
    }
}

/// In a rolling upgrade an old worker meets what a newer scanner said, and leaves it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_scanner_said_is_left_as_it_is() {
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        bench
            .change("UPDATE report SET scanner = '99.0.0+new', verdict = 'suspicious' WHERE path = 'config.json'")
            .await;
        let wish = wish(&bench, "acme/one").await;
        let theirs = "SELECT scanner || ' ' || verdict FROM report WHERE path = 'config.json'";
        assert_eq!(bench.done(&Work::inspect(&wish.repo, &wish.revision_id, &wish.commit)).await, State::Done);
        assert_eq!(bench.texts(theirs).await, ["99.0.0+new suspicious"]);
        assert_eq!(bench.texts("SELECT verdict FROM knowledge").await, ["suspicious"], "and is decided about");
        assert_eq!(redecide::ask_for_rescans(&bench.app).await.unwrap(), 0);

        let object = RevisionNamed { repo: wish.repo.clone(), rev: Rev::from(&wish.commit) };
        let may = bench.app.gate.admit_work::<InspectRevision>("test", object).unwrap();
        let mut reports = report_sql::list_reports(may.reader(), &wish.revision_id).await.unwrap();
        for one in &mut reports {
            one.scanner.clone_from(&seen::SCANNER);
            one.verdict = "unjudged".to_owned();
        }
        let tx = may.begin().await.unwrap();
        report_sql::save_reports(&tx, &may, &bench.app.basis, reports).await.unwrap();
        tx.commit(may, Change::new(Value::Null)).await.unwrap();
        assert_eq!(bench.texts(theirs).await, ["99.0.0+new suspicious"]);
        let other = "SELECT verdict FROM report WHERE path <> 'config.json'";
        assert_eq!(bench.texts(other).await, ["unjudged"], "its own it writes");
    }
}

/// Two versions side by side, as in a rolling upgrade: only one decides anew, and nothing goes to and fro.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_on_two_bases_do_not_decide_against_each_other() {
    for bench in Bench::on_each_under("guarded").await {
        if bench.fresh.is_sqlite() {
            continue;
        }
        clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        assert_eq!((bench.app.basis.number(), bench.app.basis.is_behind()), (1, false));
        let new = with(&bench.another().await.0, &["acme"]);
        basis::settle(&new, "b").await.unwrap();
        assert_eq!((new.basis.number(), new.basis.is_behind()), (2, false));
        bench.change("UPDATE standing SET state = 'pending', rules = 'W-000'").await;
        decided_anew(&bench, &new).await;
        assert_eq!(states(&bench).await, ["acme/one denied"]);

        let old = &bench.app;
        for _ in 0..3 {
            watch::look(old, "a").await.unwrap();
            basis::settle(&new, "b").await.unwrap();
        }
        assert_eq!((old.basis.number(), old.basis.is_behind()), (1, true));
        assert_eq!((new.basis.number(), new.basis.is_behind()), (2, false));
        let wish = wish(&bench, "acme/one").await;
        decide::decide(old, &wish).await.unwrap();
        assert_eq!(states(&bench).await, ["acme/one denied"], "the old one leaves what was decided on the new basis");
        assert!(!jobs::look(old, "redecide").await.unwrap().is_some_and(|job| job != State::Done));

        // An old scanner under another configuration is no newer basis either, while the new one is there.
        let words = Words { scanner: OLD.to_owned(), ..Words::default() };
        let older = App { basis: Basis::of(words), ..old.clone() };
        basis::settle(&older, "c").await.unwrap();
        assert!(older.basis.is_behind());

        // A step back: nobody is left on the new basis.
        basis::leave(&new, "b").await;
        basis::leave(&older, "c").await;
        basis::settle(old, "a").await.unwrap();
        assert_eq!((old.basis.number(), old.basis.is_behind()), (3, false));
        decided_anew(&bench, old).await;
        assert_eq!(states(&bench).await, ["acme/one approved"]);
    }
}

/// Time passes without anybody asking: an approval that is over is written so, and what only waited is let go.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_approval_and_of_a_wait_are_decided_about() {
    for bench in Bench::on_each_under("guarded").await {
        for name in ["acme/cooled", "acme/over"] {
            clean(&bench, name);
            assert_eq!(bench.examine(&format!("{name}@main")).await, State::Done);
        }
        assert_eq!(states(&bench).await, ["acme/cooled approved", "acme/over approved"]);
        let id = async |name: &str| wish(&bench, name).await.revision_id;
        let (over, cooled) = (id("acme/over").await, id("acme/cooled").await);
        bench.change(&format!("UPDATE standing SET expires_at = 1 WHERE revision_id = '{over}'")).await;
        bench
            .change(&format!(
                "UPDATE standing SET state = 'cooling', until_at = 1, rules = 'W-010:x' WHERE revision_id = '{cooled}'"
            ))
            .await;
        decided_anew(&bench, &bench.app).await;
        assert_eq!(states(&bench).await, ["acme/cooled approved", "acme/over pending"]);
        let events = bench.events("revision.decided").await;
        let end = events.iter().find(|event| event["detail"]["before"] == "expired");
        assert!(end.is_some_and(|end| end["detail"]["reason"].as_str().is_some_and(|why| why.contains("W-022"))));
        let ended =
            format!("SELECT CAST(count(*) AS BIGINT) FROM approval WHERE revision_id = '{over}' AND ended_at > 0");
        assert_eq!(bench.number(&ended).await, 1);
        // It is not decided about again and again.
        bench.change("DELETE FROM job").await;
        watch::look(&bench.app, "a").await.unwrap();
        assert_eq!(jobs::look(&bench.app, "redecide").await.unwrap(), None);
    }
}

/// A model whose base is no longer approved was not made from an approved one.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_is_over_approves_no_base() {
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/base");
        assert_eq!(bench.examine("acme/base@main").await, State::Done);
        bench.approve_all().await;
        let research = bench.app.gate.environments()[0].name.clone();
        let may = redecide::grant(&bench.app).unwrap();
        let served =
            async || decide_sql::is_served_somehow(may.reader(), "acme/base", &research, clock::now()).await.unwrap();
        assert!(served().await);
        assert_eq!(decide_sql::list_served_names(may.reader(), clock::now(), i64::MAX).await.unwrap(), ["acme/base"]);
        bench.change("UPDATE standing SET expires_at = 5").await;
        assert!(!served().await);
        assert_eq!(
            decide_sql::list_served_names(may.reader(), clock::now(), i64::MAX).await.unwrap(),
            Vec::<String>::new()
        );
    }
}

async fn hub_states(bench: &Bench) -> Vec<String> {
    bench.texts("SELECT state FROM hub_state").await
}

/// A push is found by looking, goes through intake, and moves nothing that is not approved.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_finds_what_was_pushed() {
    for bench in Bench::on_each_under("guarded").await {
        let model = clean(&bench, "acme/moving");
        assert_eq!(bench.examine("acme/moving@main").await, State::Done);
        let first = model.head("main").unwrap();
        let follow = Work::follow(&RepoName::parse("acme/moving").unwrap());
        assert_eq!(bench.done(&follow).await, State::Done);
        bench.hub.reset_counters();
        assert_eq!(bench.done(&follow).await, State::Done);
        assert_eq!(bench.hub.count(""), 1, "a look at what has not moved is one question");
        let second = model.commit("Improve").lfs("model.pkl", EVIL).push();
        assert_eq!(bench.done(&follow).await, State::Done);
        let inspected = wish_of(&bench, &second).await;
        let workers = Workers::start(&bench.app);
        bench.wait_for(&format!("inspect {inspected}")).await;
        workers.stop().await;
        assert_eq!(bench.texts("SELECT commit_id FROM pointer").await, [first]);
        let state = format!("SELECT state FROM standing WHERE revision_id = '{inspected}'");
        assert_eq!(bench.texts(&state).await, ["denied"]);
        assert!(bench.number("SELECT looked_at FROM hub_look").await > 0);
    }
}

async fn wish_of(bench: &Bench, commit: &str) -> String {
    bench.texts(&format!("SELECT id FROM revision WHERE commit_id = '{commit}'")).await.remove(0)
}

/// Whatever becomes of a repository at the hub is written down once, takes nothing away, and is asked about where somebody
/// should look again.
#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_repository_is_written_down_and_takes_nothing_away() {
    for bench in Bench::on_each_under("guarded").await {
        let model = clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        let follow = Work::follow(&RepoName::parse("acme/one").unwrap());
        let look = async || assert_eq!(bench.done(&follow).await, State::Done);
        model.private(true);
        look().await;
        // Without a token of its own the gateway is not told whether it is private or gone.
        assert_eq!(hub_states(&bench).await, ["gone"]);
        model.private(false);
        look().await;
        model.disabled(true);
        look().await;
        look().await;
        model.disabled(false);
        assert!(model.rename("acme/two"));
        look().await;
        assert_eq!(bench.texts("SELECT name || ' ' || hub_name FROM repository").await, ["acme/one acme/two"]);
        let stranger = model.reregister();
        stranger.push_file("config.json", "{}");
        assert_eq!(bench.done(&Work::follow(&RepoName::parse("acme/two").unwrap())).await, State::Done);
        assert_eq!(hub_states(&bench).await, ["taken"]);
        let told = bench.events("repository.changed").await;
        let steps: Vec<String> =
            told.iter().map(|event| event["detail"]["to"].as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(steps, ["gone", "live", "disabled", "live", "taken"]);
        assert_eq!(bench.texts("SELECT state FROM standing").await, ["approved"]);
        let asked = bench.texts("SELECT reason FROM request ORDER BY made_at").await;
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked[0].contains("disabled") && asked[1].contains("another repository"), "{asked:?}");
        let two = RepoName::parse("acme/two").unwrap();
        // What the hub said is remembered for some seconds.
        bench.app.upstream.forget(&two, Some(&Rev::main())).await;
        let examine = Work::examine(&two, &Rev::main(), "test");
        let State::Failed { why, .. } = bench.done(&examine).await else { panic!("a stranger's commit was listed") };
        assert!(why.starts_with("W-003"), "{why}");
    }
}

/// Whoever asked the hub first and writes last writes nothing back to what it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_answer_about_a_branch_does_not_replace_a_newer_one() {
    for bench in Bench::on_each_under("guarded").await {
        let model = clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        bench.change("UPDATE history SET commits = 'newer', seen_at = seen_at + 3600000000").await;
        model.push_file("config.json", "[1]");
        let head = Rev::new(&model.head("main").unwrap()).unwrap();
        let work = Work::examine(&RepoName::parse("acme/one").unwrap(), &head, "test");
        assert_eq!(bench.done(&work).await, State::Done);
        assert_eq!(bench.texts("SELECT commits FROM history").await, ["newer"]);
    }
}

/// Who is due is asked for once; reserved names, and everything when it is switched off, never.
#[tokio::test(flavor = "multi_thread")]
async fn looks_are_asked_for_when_they_are_due() {
    let bench = Bench::on_sqlite().await;
    clean(&bench, "acme/one");
    assert_eq!(bench.examine("acme/one@main").await, State::Done);
    bench.change("INSERT INTO revision_use SELECT repository_id, commit_id, 99999999999999999 FROM revision").await;
    let asked = async || bench.texts("SELECT \"key\" FROM job WHERE kind = 'follow'").await;
    watch::look(&bench.app, "a").await.unwrap();
    assert!(asked().await.is_empty(), "switched off");
    let every = std::time::Duration::from_hours(1);
    let following = Arc::new(crate::app::Following { every, secret: None });
    let app = App { following, ..bench.app.clone() };
    watch::look(&app, "a").await.unwrap();
    assert_eq!(asked().await, ["follow acme/one"]);
    bench.change("DELETE FROM job").await;
    let look = async |at: i64| {
        let id = bench.texts("SELECT id FROM repository").await.remove(0);
        sql::save_look(&app.chores, &id, crate::domain::time::Micros(at)).await.unwrap();
        watch::look(&app, "a").await.unwrap();
        !asked().await.is_empty()
    };
    assert!(!look(clock::now().0 - 50 * 60_000_000).await, "not before nine tenths of the time");
    assert!(look(clock::now().0 - 67 * 60_000_000).await, "after eleven tenths");
}

/// After a step back nobody works with the newer scanner: what it judged is judged anew and served, and waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_scanner_judged_that_was_stepped_back_from_is_verified_by_the_older_one() {
    const NEW: &str = "99.0.0+new";
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        let words = Words { scanner: NEW.to_owned(), ..bench.app.basis.words().clone() };
        let newer = App { basis: Basis::of(words), ..bench.app.clone() };
        basis::settle(&newer, "newer").await.unwrap();
        bench.change(&format!("UPDATE report SET scanner = '{NEW}' WHERE path = 'model.safetensors'")).await;
        basis::settle(&bench.app, "a").await.unwrap();
        let wish = wish(&bench, "acme/one").await;
        let path = crate::domain::file::FilePath::new("model.safetensors").unwrap();
        let fetch = bench.texts("SELECT size || ' ' || git_id || ' ' || lfs FROM file WHERE lfs IS NOT NULL").await;
        let [size, git, lfs] = fetch[0].split(' ').collect::<Vec<_>>().try_into().unwrap();
        let id = crate::domain::digest::FileId { git: git.parse().unwrap(), lfs: lfs.parse().ok() };
        let size = size.parse().unwrap();
        let fetch = Work::fetch(&wish.repo, &wish.revision_id, &wish.commit, &path, size, &id);
        assert_eq!(bench.done(&fetch).await, State::Done);
        let verify = async || crate::intake::verify::verify(&bench.app, &wish, path.as_str()).await.unwrap();
        if !bench.fresh.is_sqlite() {
            // There is somebody who has it; SQLite takes one process, so that there nobody can.
            assert!(bench.app.basis.is_newer(NEW));
            assert!(matches!(verify().await, Outcome::GoesOn { .. }));
            basis::leave(&newer, "newer").await;
            basis::settle(&bench.app, "a").await.unwrap();
        }
        assert!(!bench.app.basis.is_newer(NEW) && bench.app.basis.is_newer("99.1.0+never-seen"));
        assert_eq!(verify().await, Outcome::Done);
        let told = "SELECT stage FROM report WHERE path = 'model.safetensors' AND scanner = ";
        assert_eq!(bench.texts(&format!("{told}'{}'", seen::SCANNER.as_str())).await, ["verified"]);
    }
}

/// Somebody looked again at a file whose report was read for a comparison: what was drawn from that report is not written.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_drawn_from_a_report_that_was_replaced_is_not_written() {
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        let wish = wish(&bench, "acme/one").await;
        let may = inspect::grant(&bench.app, &wish).unwrap();
        let read = report_sql::list_reports(may.reader(), &wish.revision_id).await.unwrap();
        let drawn: Vec<_> =
            read.iter().cloned().map(|row| Report { verdict: "suspicious".to_owned(), ..row }).collect();
        // Of what it was drawn from one is not written, and another look has replaced it.
        bench.change("UPDATE report SET made_at = made_at + 1 WHERE path = 'config.json'").await;
        let one = vec![drawn.iter().find(|row| row.path == "model.safetensors").unwrap().clone()];
        assert!(!inspect::save_from(&bench.app, &wish, one.clone(), &read).await.unwrap());
        assert_eq!(bench.texts("SELECT DISTINCT verdict FROM report").await, ["clean"]);
        let read = report_sql::list_reports(may.reader(), &wish.revision_id).await.unwrap();
        assert!(inspect::save_from(&bench.app, &wish, one, &read).await.unwrap());
        assert_eq!(bench.texts("SELECT path FROM report WHERE verdict = 'suspicious'").await, ["model.safetensors"]);
    }
}

/// How well a publisher is known goes by what the hub calls the repository now, whatever name was asked for; and nobody knows
/// who published a commit that stands in pull requests only.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_is_known_by_the_name_at_the_hub() {
    for mut bench in Bench::on_each_under("guarded").await {
        let publishers = Publishers {
            verified: vec!["newer".to_owned()],
            known: vec!["older".to_owned()],
            prohibited: vec!["banned".to_owned()],
            ..Publishers::default()
        };
        let basis = Basis::of(basis::words(&bench.app.gate, &publishers));
        bench.app = App { basis, publishers: Arc::new(publishers), ..bench.app.clone() };
        watch::look(&bench.app, "a").await.unwrap();
        let model = clean(&bench, "older/one");
        assert_eq!(bench.examine("older/one@main").await, State::Done);
        let tier = async |name: &str| {
            let id = wish(&bench, name).await.revision_id;
            let told = bench.texts(&format!("SELECT facts FROM knowledge WHERE revision_id = '{id}'")).await.remove(0);
            let told: Value = serde_json::from_str(&told).unwrap();
            (told["facts"]["publisher_tier"]["value"].clone(), told["facts"]["prohibited_supplier"]["value"].clone())
        };
        assert_eq!(tier("older/one").await, (json!("known"), json!(false)));
        assert!(model.rename("newer/one"));
        assert_eq!(bench.done(&Work::follow(&RepoName::parse("older/one").unwrap())).await, State::Done);
        let old = Wish { repo: RepoName::parse("older/one").unwrap(), ..wish(&bench, "older/one").await };
        for name in ["older/one", "newer/one", "OLDER/one"] {
            let wish = Wish { repo: RepoName::parse(name).unwrap(), ..old.clone() };
            decide::decide(&bench.app, &wish).await.unwrap();
            assert_eq!(tier("older/one").await, (json!("verified"), json!(false)), "as {name}");
        }
        // The same commit when no branch leads to it any more.
        bench.change("UPDATE history SET ref_kind = 'pull', ref_name = 'refs/pr/1'").await;
        decide::decide(&bench.app, &old).await.unwrap();
        assert_eq!(tier("older/one").await, (json!("unknown"), json!(false)));
        // What nothing may be taken of is not better for that.
        bench.change("UPDATE repository SET hub_name = 'banned/one'").await;
        decide::decide(&bench.app, &old).await.unwrap();
        assert_eq!(tier("older/one").await, (json!("prohibited"), json!(true)));
    }
}

/// A card that was too large to be kept whole may say more than is known: nothing of what it says helps.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_cut_helps_nothing() {
    for bench in Bench::on_each_under("guarded").await {
        for (name, words) in [("acme/whole", 1), ("acme/cut", 3000)] {
            let model = bench.hub.model(name);
            let words: Vec<String> = (0..words).map(|n| format!("{n:0400}")).collect();
            model.card(json!({"license": "mit", "more": words}));
            let push = model.commit("Add").plain("config.json", "{}");
            push.lfs("model.safetensors", Content::safetensors(1, 9_000)).push();
            assert_eq!(bench.examine(&format!("{name}@main")).await, State::Done);
        }
        let fact = async |name: &str, word: &str| {
            let id = wish(&bench, name).await.revision_id;
            let told = bench.texts(&format!("SELECT facts FROM knowledge WHERE revision_id = '{id}'")).await.remove(0);
            serde_json::from_str::<Value>(&told).unwrap()["facts"][word]["value"].clone()
        };
        assert_eq!(fact("acme/whole", "license_family").await, "permissive");
        assert_eq!(fact("acme/cut", "license_family").await, "unknown");
        assert!(fact("acme/whole", "capability_flags").await.is_array());
        assert!(fact("acme/cut", "capability_flags").await.is_null());
        let stands = states(&bench).await;
        assert!(stands[1] == "acme/whole approved" && !stands[0].ends_with("approved"), "{stands:?}");
    }
}

/// Somebody who takes a near name later takes nothing from whoever was first, also when something of theirs is approved.
#[tokio::test(flavor = "multi_thread")]
async fn a_near_name_of_a_newcomer_takes_no_approval_away() {
    for bench in Bench::on_each_under("guarded").await {
        for name in ["acme/gemma", "acme/gemna"] {
            clean(&bench, name);
            assert_eq!(bench.examine(&format!("{name}@main")).await, State::Done);
        }
        let distance = async |name: &str| {
            let id = wish(&bench, name).await.revision_id;
            let told = bench.texts(&format!("SELECT facts FROM knowledge WHERE revision_id = '{id}'")).await.remove(0);
            serde_json::from_str::<Value>(&told).unwrap()["facts"]["typosquat_distance"]["value"].clone()
        };
        assert_eq!((distance("acme/gemma").await, distance("acme/gemna").await), (json!(99), json!(1)));
        // Somebody approved the newcomer, and everything is decided about anew.
        bench.change("UPDATE standing SET state = 'approved', decided_by = 'person', basis = 0").await;
        decided_anew(&bench, &bench.app).await;
        assert_eq!(states(&bench).await[0], "acme/gemma approved");
        assert_eq!((distance("acme/gemma").await, distance("acme/gemna").await), (json!(99), json!(1)));
    }
}

/// What others decided on a newer basis is theirs to verify: a process behind them writes no verdict into it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_an_older_basis_verifies_nothing_of_a_newer_one() {
    for bench in Bench::on_each_under("guarded").await {
        clean(&bench, "acme/one");
        assert_eq!(bench.examine("acme/one@main").await, State::Done);
        let wish = wish(&bench, "acme/one").await;
        bench.change("UPDATE report SET stage = 'inspected' WHERE path = 'config.json'").await;
        bench.change("UPDATE standing SET basis = 7").await;
        let verify = async || crate::intake::verify::verify(&bench.app, &wish, "config.json").await.unwrap();
        let stage = async || bench.texts("SELECT stage FROM report WHERE path = 'config.json'").await;
        assert!(matches!(verify().await, Outcome::GoesOn { .. }));
        assert_eq!(stage().await, ["inspected"]);
        bench.app.basis.settle(7, false);
        assert_eq!((verify().await, stage().await), (Outcome::Done, vec!["verified".to_owned()]));
    }
}
