//! People: pushed by their directory, put out by it or by an administrator, given roles by hand, and the codes of the host.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use weighbridge::{
    clock,
    domain::token::{Class, Shape, compose},
    gate::identity,
};
use weighbridge_simulator::Content;

use crate::{
    stock::run,
    wire::{self, Reply, patient},
    world::{Database, Gateway, World, WorldOptions, needed},
};

const ISSUER: &str = "https://login.example.com";

/// A gateway whose people come from a provider that no test here asks anything.
async fn world(database: Database, sample: bool) -> World {
    let row = |number: usize, group: &str, role: &str| {
        let key = |name: &str| {
            let key = format!("WEIGHBRIDGE_IDENTITY__ROLES__{number}__{name}");
            &*Box::leak(key.into_boxed_str())
        };
        [(key("GROUP"), group.to_owned()), (key("ROLE"), role.to_owned()), (key("ENVIRONMENTS"), "*".to_owned())]
    };
    let mut settings = vec![
        ("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__NAME", "corp".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__ISSUER", ISSUER.to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__CLIENT_ID", "weighbridge".to_owned()),
    ];
    settings.extend(row(0, "ml", "developer"));
    settings.extend(row(1, "admins", "admin"));
    settings.extend(row(2, "approvers", "reviewer"));
    World::start(WorldOptions { database, sample, settings, ..WorldOptions::default() }).await
}

/// Bytes as either database writes them.
fn bytes(database: Database, bytes: &[u8]) -> String {
    let hex = bytes.iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
    if database == Database::Sqlite { format!("X'{hex}'") } else { format!("'\\x{hex}'::bytea") }
}

/// A token as its owner's sign-in, or the host's command, would have made it.
async fn token(world: &World, database: Database, class: &str, person: Option<&str>) -> String {
    let digits: [u8; 43] = std::array::from_fn(|_| clock::new_id().bytes().last().unwrap_or(0) % 62);
    let shape = if class == "directory" { Class::Service } else { Class::Personal };
    let text = compose(shape, Shape::Own, &digits);
    let (id, now) = (clock::new_id(), clock::now());
    let person_id = person.map_or("NULL".to_owned(), |id| format!("'{id}'"));
    let row = format!(
        "INSERT INTO token (id, hash, class, name, role, reach, person_id, created_at, created_by, expires_at) VALUES \
         ('{id}', {}, '{class}', 'test', '', '*', {person_id}, {}, 'test', {})",
        bytes(database, &identity::hash(&text)),
        now.0,
        now.plus_seconds(3600).0
    );
    world.change_row(&row).await;
    if let Some(person) = person {
        let row = format!(
            "INSERT INTO elevation (credential_id, person_id, authenticated_at) VALUES ('{id}', '{person}', {})",
            now.0
        );
        world.change_row(&row).await;
        // A loaded machine may take its time: the proof is as fresh as the whole test.
        let row = format!(
            "UPDATE elevation SET authenticated_at = {} WHERE credential_id = '{id}'",
            now.plus_seconds(3000).0
        );
        world.change_row(&row).await;
    }
    text
}

async fn send(method: &str, url: &str, token: &str, body: &Value) -> Reply {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = wire::client().request(method, url).bearer_auth(token);
    let request = request.header("content-type", "application/scim+json").body(body.to_string());
    let reply = request.send().await.unwrap();
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Reply { status, headers, body: reply.bytes().await.unwrap().to_vec() }
}

/// A directory that pushes to one gateway.
struct Directory {
    base: String,
    token: String,
}

impl Directory {
    async fn of(world: &World, database: Database) -> Self {
        Self { base: format!("{}/-/scim/v2", world.url()), token: token(world, database, "directory", None).await }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        send(method, &format!("{}{path}", self.base), &self.token, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let reply = wire::ask("GET", &format!("{}{path}", self.base), &self.token, &[]).await.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/scim+json"), "{}", reply.text());
        reply.json()
    }

    /// A person, by id.
    async fn person(&self, name: &str) -> String {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": format!("sub-{name}"),
            "displayName": name, "active": true, "password": "never kept", "shoeSize": 38,
        });
        let reply = self.ask("POST", "/Users", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let one = reply.json();
        assert_eq!((one["shoeSize"].as_i64(), one.get("password")), (Some(38), None));
        one["id"].as_str().unwrap().to_owned()
    }

    async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let reply = self.ask("POST", "/Groups", &json!({"displayName": name, "members": members})).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&self, path: &str, operation: Value) -> Reply {
        self.ask("PATCH", path, &json!({"Operations": [operation]})).await
    }
}

#[tokio::test]
async fn a_directory_pushes_people_and_whom_it_takes_back_is_out() {
    let world = world(Database::Sqlite, false).await;
    let directory = Directory::of(&world, Database::Sqlite).await;
    let (ada, bob) = (directory.person("ada").await, directory.person("bob").await);
    let group = directory.group("ml", &[&ada]).await;
    let token_of = async |id: &str| token(&world, Database::Sqlite, "personal", Some(id)).await;
    let (adas, bobs) = (token_of(&ada).await, token_of(&bob).await);
    let account = async |token: &str| world.get("/-/api/v1/account", token).await;
    assert_eq!(account(&adas).await.json()["roles"], json!(["developer"]));
    assert_eq!(account(&bobs).await.status, 403, "nobody gave bob a role");
    let member = json!({"op": "Add", "path": "members", "value": [{"value": bob}]});
    assert_eq!(directory.patch(&format!("/Groups/{group}"), member).await.status, 200);
    assert_eq!(account(&bobs).await.json()["roles"], json!(["developer"]));
    let quoted = format!("members[value eq \"{bob}\"]");
    directory.patch(&format!("/Groups/{group}"), json!({"op": "Remove", "path": quoted})).await;
    assert_eq!(account(&bobs).await.status, 403);
    // Found by what they are called, in a page of those who are.
    let found = directory.get("/Users?filter=userName%20eq%20%22ADA%22&attributes=userName").await;
    assert_eq!((found["totalResults"].as_i64(), &found["Resources"][0]["id"]), (Some(1), &json!(ada)));
    assert_eq!(directory.get("/Users?startIndex=2&count=1").await["Resources"].as_array().unwrap().len(), 1);
    assert_eq!(directory.get("/Users?filter=externalId%20eq%20%22nobody%22").await["totalResults"], 0);
    let again = json!({"userName": "ADA", "externalId": "other"});
    let again = directory.ask("POST", "/Users", &again).await;
    assert_eq!((again.status, &again.json()["scimType"]), (409, &json!("uniqueness")));
    let twice = directory.ask("POST", "/Users", &json!({"userName": "x", "externalId": "sub-ada"})).await;
    assert_eq!(twice.status, 409);
    // Whoever was here stays who they are.
    let other = json!({"op": "replace", "path": "externalId", "value": "sub-root"});
    let other = directory.patch(&format!("/Users/{ada}"), other).await;
    assert_eq!((other.status, &other.json()["scimType"]), (400, &json!("mutability")), "{}", other.text());
    // Out, in the words of one large directory; and no token comes back with its owner.
    let out =
        directory.patch(&format!("/Users/{ada}"), json!({"op": "Replace", "path": "active", "value": "False"})).await;
    assert_eq!((out.status, &out.json()["active"]), (200, &json!(false)));
    assert_eq!(account(&adas).await.status, 401);
    let back = directory.patch(&format!("/Users/{ada}"), json!({"op": "replace", "value": {"active": true}})).await;
    assert_eq!(back.json()["active"], true);
    assert_eq!(account(&adas).await.status, 401, "a token came back");
    assert_eq!(account(&token_of(&ada).await).await.status, 200);
    // Gone: forgotten by the directory, and the same person when they return.
    let newest = token_of(&ada).await;
    assert_eq!(directory.ask("DELETE", &format!("/Users/{ada}"), &json!({})).await.status, 204);
    assert_eq!(account(&newest).await.status, 401);
    assert_eq!(directory.ask("GET", &format!("/Users/{ada}"), &json!({})).await.status, 404);
    assert_eq!(directory.get(&format!("/Groups/{group}")).await.get("members"), None);
    let kept = world.query_text("SELECT name FROM person WHERE subject = 'sub-ada'").await;
    assert_eq!(kept, ["(removed by the directory)"]);
    assert_eq!(directory.person("ada").await, ada, "whoever returns is who they were");
    let secrets = world.query_text("SELECT scim FROM person WHERE scim LIKE '%never kept%'").await;
    assert!(secrets.is_empty());
    world.ledger_is_whole().await;
}

/// Threat 22: a directory sees the people it pushed, and nobody without the right learns who exists.
#[tokio::test]
async fn a_directory_sees_its_own_people_and_nothing_else() {
    let world = world(Database::Sqlite, true).await;
    let directory = Directory::of(&world, Database::Sqlite).await;
    let ada = directory.person("ada").await;
    let now = clock::now().0;
    for (id, provider, scim) in [("OTHERS", "elsewhere", "'{}'"), ("SIGNEDIN", "corp", "NULL")] {
        let row = format!(
            "INSERT INTO person (id, issuer, subject, provider, name, made_by, groups_state, scim, created_at, updated_at) \
             VALUES ('{id}', 'https://{provider}.example', '{id}', '{provider}', 'x', 'sign-in', 'absent', {scim}, {now}, {now})"
        );
        world.change_row(&row).await;
    }
    assert_eq!(directory.get("/Users").await["totalResults"], 1);
    let said = |reply: Reply| (reply.status, reply.json()["detail"].clone());
    let absent = said(directory.ask("GET", "/Users/NOBODY", &json!({})).await);
    assert_eq!(absent.0, 404);
    for id in ["OTHERS", "SIGNEDIN"] {
        assert_eq!(said(directory.ask("GET", &format!("/Users/{id}"), &json!({})).await), absent);
        assert_eq!(said(directory.ask("DELETE", &format!("/Users/{id}"), &json!({})).await), absent);
        let group = json!({"displayName": "g", "members": [{"value": id}]});
        let nobody = json!({"displayName": "g", "members": [{"value": "NOBODY"}]});
        let (one, other) =
            (directory.ask("POST", "/Groups", &group).await, directory.ask("POST", "/Groups", &nobody).await);
        assert_eq!(said(one), said(other));
    }
    for path in ["/gpt2/resolve/main/config.json", "/-/api/v1/people", "/-/api/v1/account", "/api/models/gpt2"] {
        let reply = world.get(path, &directory.token).await;
        assert!(matches!(reply.status, 403 | 404), "{path}: {}", reply.status);
    }
    let pipeline = world.token("ci", "research").await;
    let known = world.get(&format!("/-/api/v1/people/{ada}"), &pipeline).await;
    let unknown = world.get("/-/api/v1/people/01JD0000000000000000000000", &pipeline).await;
    let sentence = |reply: &Reply| reply.json()["title"].clone();
    assert_eq!((known.status, sentence(&known)), (unknown.status, sentence(&unknown)));
    assert_eq!(known.status, 403);
    let scim = world.get("/-/scim/v2/Users", &pipeline).await;
    assert_eq!((scim.status, scim.header("content-type")), (403, "application/scim+json"));
    assert_eq!(wire::ask("GET", &format!("{}/Users", directory.base), "", &[]).await.unwrap().status, 401);
}

/// The five seconds, on two replicas, in the middle of a download.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_put_out_at_one_replica_is_cut_at_another() {
    let database = Database::Postgres;
    let world = world(database, false).await;
    let other = world.another("second").await;
    world.hub.model("acme/big").commit("Add").lfs("weights.safetensors", Content::safetensors(1, 64 << 20)).push();
    let directory = Directory::of(&world, database).await;
    let ada = directory.person("ada").await;
    let bob = directory.person("bob").await;
    let group = directory.group("ml", &[&ada, &bob]).await;
    let adas = token(&world, database, "personal", Some(&ada)).await;
    let bobs = token(&world, database, "personal", Some(&bob)).await;
    let path = "/acme/big/resolve/main/weights.safetensors";
    let ready = patient(&format!("{}{path}", other.url), &adas, &[("range", "bytes=0-0")]).await.unwrap();
    assert_eq!(ready.status, 206, "{}", ready.text());
    let (one, two) = (slow(&other, path, &adas), slow(&other, path, &bobs));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let out =
        directory.patch(&format!("/Users/{ada}"), json!({"op": "replace", "path": "active", "value": false})).await;
    assert_eq!(out.status, 200);
    ends_soon(one).await;
    assert_eq!(wire::ask("GET", &format!("{}{path}", other.url), &adas, &[]).await.unwrap().status, 401);
    assert!(!two.is_finished(), "somebody else was cut");
    // Out of the group that gave the role is out of the stream too.
    directory.patch(&format!("/Groups/{group}"), json!({"op": "remove", "path": "members"})).await;
    ends_soon(two).await;
}

fn slow(gateway: &Gateway, path: &str, token: &str) -> tokio::task::JoinHandle<bool> {
    let (url, token) = (format!("{}{path}", gateway.url), token.to_owned());
    tokio::spawn(async move {
        let reply = wire::client().get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        let mut stream = reply.bytes_stream();
        while let Some(chunk) = stream.next().await {
            if chunk.is_err() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    })
}

async fn ends_soon(stream: tokio::task::JoinHandle<bool>) {
    let began = Instant::now();
    let whole = tokio::time::timeout(Duration::from_millis(5500), stream).await;
    let whole = whole.unwrap_or_else(|_| panic!("it still runs after {:?}", began.elapsed())).unwrap();
    assert!(!whole, "all of it came");
}

#[tokio::test]
async fn administrators_look_after_others_and_never_after_themselves() {
    let world = world(Database::Sqlite, false).await;
    let directory = Directory::of(&world, Database::Sqlite).await;
    let mut ids = Vec::new();
    for name in ["ann", "eve", "bob", "cid", "pat"] {
        ids.push(directory.person(name).await);
    }
    let [ann, eve, bob, cid, pat] = &ids[..] else { panic!() };
    directory.group("admins", &[ann, eve]).await;
    let token_of = async |id: &str| token(&world, Database::Sqlite, "personal", Some(id)).await;
    let (anns, eves) = (token_of(ann).await, token_of(eve).await);
    let people = async |words: &[&str], token: &str| {
        let mut all = vec!["people"];
        all.extend(words);
        world.api_command(&all, token).await
    };
    let give = async |to: &str, role: &str, token: &str| {
        people(&["grant", to, "--role", role, "--env", "*", "--reason", "they need it"], token).await
    };
    let listed = people(&["list", "--search", "AN", "--json"], &anns).await.good().json();
    assert_eq!((listed["people"][0]["name"].as_str(), listed["people"].as_array().unwrap().len()), (Some("ann"), 1));
    // Not to oneself, whichever credential.
    for refused in [give(ann, "reviewer", &anns).await, give(ann, "reviewer", &token_of(ann).await).await] {
        assert!(refused.code == 1 && refused.all().contains("yourself"), "{}", refused.all());
    }
    let own = people(&["deactivate", ann, "--reason", "going home"], &anns).await;
    assert!(own.code == 1 && own.all().contains("yourself"), "{}", own.all());
    // One approver by one hand, and none by way of somebody of one's own making.
    give(bob, "reviewer", &anns).await.good();
    let second = give(cid, "reviewer", &anns).await;
    assert!(second.code == 1 && second.all().contains("no one person makes two approvers"), "{}", second.all());
    give(pat, "admin", &anns).await.good();
    let pats = token_of(pat).await;
    assert!(give(cid, "reviewer", &pats).await.all().contains("no one person makes two approvers"));
    assert!(give(ann, "reviewer", &pats).await.all().contains("made you an administrator"));
    give(cid, "reviewer", &eves).await.good();
    let long = ["grant", bob, "--role", "developer", "--env", "research", "--days", "91", "--reason", "for long"];
    assert!(people(&long, &anns).await.all().contains("1 to 90 days"));
    assert!(give(bob, "cluster", &anns).await.all().contains("People can be given"));
    // Whatever somebody is, and why.
    let bobs = token_of(bob).await;
    assert_eq!(world.get("/-/api/v1/account", &bobs).await.json()["roles"], json!(["reviewer"]));
    let shown = people(&["show", bob, "--json"], &eves).await.good().json();
    assert_eq!(
        (shown["roles"][0]["role"].as_str(), shown["roles"][0]["granted_by"].as_str()),
        (Some("reviewer"), Some("ann"))
    );
    let grant = shown["roles"][0]["grant"].as_str().unwrap();
    people(&["withdraw", bob, grant, "--reason", "no longer"], &eves).await.good();
    assert_eq!(world.get("/-/api/v1/account", &bobs).await.status, 403);
    // Out by an administrator is out for the directory too.
    let out = people(&["deactivate", cid, "--reason", "left us", "--json"], &anns).await.good().json();
    assert_eq!(out["state"], "deactivated");
    let back =
        directory.patch(&format!("/Users/{cid}"), json!({"op": "replace", "path": "active", "value": true})).await;
    assert_eq!(back.json()["active"], false);
    people(&["reactivate", cid, "--reason", "came back"], &eves).await.good();
    assert_eq!(directory.get(&format!("/Users/{cid}")).await["active"], true);
    let pipeline = world.token("ci", "research").await;
    assert_eq!(people(&["list"], &pipeline).await.code, 1);
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_code_of_the_host_lets_the_first_administrator_in_once() {
    let world = world(Database::Sqlite, false).await;
    // Nothing of the kind is there unless a command of the host made it.
    assert!(world.query_text("SELECT purpose FROM host_code").await.is_empty());
    assert!(!world.gateway.log().contains("host-code"));
    let made = world.gateway.command(&["admin", "bootstrap", "--json"], &[]).await.good().json();
    let (code, address) = (made["code"].as_str().unwrap(), made["address"].as_str().unwrap());
    assert!(address.ends_with("/-/host-code"), "{address}");
    let page = world.get("/-/host-code", "").await;
    assert!(page.status == 200 && page.text().contains("name=\"code\""));
    let typed = async |code: &str, site: &str| {
        let form = format!("code={code}");
        let request = wire::client().post(format!("{}/-/host-code", world.url())).header("sec-fetch-site", site);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let reply = request.send().await.unwrap();
        let cookie = reply.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        (reply.status().as_u16(), cookie.map(|line| line.split(';').next().unwrap().to_owned()))
    };
    assert_eq!(typed(code, "cross-site").await, (403, None));
    assert_eq!(typed("0000-0000-0000-0000-0000-0000-0000", "same-origin").await, (401, None));
    let (status, cookie) = typed(&code.to_lowercase(), "same-origin").await;
    assert_eq!(status, 303);
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("__Host-wb_sid="));
    assert_eq!(typed(code, "same-origin").await, (401, None), "a code works once");
    // Its session is an administrator's, for somebody whom the directory pushed.
    let directory = Directory::of(&world, Database::Sqlite).await;
    let (ada, bob) = (directory.person("ada").await, directory.person("bob").await);
    let get = async |path: &str| {
        wire::ask("GET", &format!("{}{path}", world.url()), "", &[("cookie", &cookie)]).await.unwrap()
    };
    assert!(get("/-/people").await.text().contains("ada"));
    let person = get(&format!("/-/people/{ada}")).await.text();
    let csrf = person.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = async |id: &str, role: &str, csrf: &str| {
        let form = format!("csrf={csrf}&role={role}&environments=*&days=30&reason=the+first+one");
        let url = format!("{}/-/people/{id}/grants", world.url());
        let request = wire::client().post(url).header("sec-fetch-site", "same-origin").header("cookie", &cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send().await.unwrap().status().as_u16()
    };
    assert_eq!(form(&ada, "admin", "another").await, 403, "a form without our own word");
    assert_eq!(form(&ada, "admin", &csrf).await, 303);
    assert_eq!(form(&ada, "reviewer", &csrf).await, 303);
    assert_eq!(form(&bob, "reviewer", &csrf).await, 403, "the host makes one approver");
    // From here on there is an administrator, and nobody else begins as one; the glass can still be broken.
    let second = world.gateway.command(&["admin", "bootstrap"], &[]).await;
    assert!(second.code == 1 && second.all().contains("administrator already"), "{}", second.all());
    assert_eq!(world.gateway.command(&["admin", "breakglass"], &[]).await.code, 3, "without a reason");
    let glass = ["admin", "breakglass", "--reason", "the provider is down", "--json"];
    let glass = world.gateway.command(&glass, &[]).await.good().json();
    assert_eq!(typed(glass["code"].as_str().unwrap(), "same-origin").await.0, 303);
    assert!(world.gateway.log().contains("the glass is broken"));
    let roles = world.query_text("SELECT roles FROM session ORDER BY id").await;
    assert_eq!(roles, ["admin", "operator,admin"]);
    let kept =
        world.query_text("SELECT CAST(body AS TEXT) FROM ledger_entry").await.join("\n") + world.gateway.log().as_str();
    for secret in [code, &code.replace('-', ""), &cookie["__Host-wb_sid=".len()..], csrf.as_str()] {
        assert!(!kept.contains(secret), "a secret is written down");
    }
    world.ledger_is_whole().await;
}

/// RFC 7643 and 7644, as somebody else reads them.
#[tokio::test]
async fn scim2_tester_passes() {
    let world = world(Database::Sqlite, false).await;
    let directory = Directory::of(&world, Database::Sqlite).await;
    let venvs = needed("WEIGHBRIDGE_TEST_VENVS", "stock clients");
    let mut command = std::process::Command::new(format!("{venvs}/scim2-tester-0.5.2/bin/python"));
    command.env("NO_PROXY", "127.0.0.1").arg("-c").arg(TESTER).arg(&directory.base).arg(&directory.token);
    let ran = run(command, Duration::from_mins(5)).await.good();
    let passed = ran.out.lines().filter(|line| line.starts_with("SUCCESS")).count();
    assert!(passed > 50, "{}", ran.all());
    world.ledger_is_whole().await;
}

const TESTER: &str = r#"
import sys
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
base, token = sys.argv[1:]
client = SyncSCIMClient(Client(base_url=base, headers={"Authorization": f"Bearer {token}"}))
bad = 0
for result in check_server(client):
    print(result.status.name, result.title, result.reason)
    bad += result.status in (Status.ERROR, Status.CRITICAL, Status.DEVIATION)
sys.exit(1 if bad else 0)
"#;

/// A provider as it is: it reads our schemas, pushes people and a group, renames one and takes one out.
#[tokio::test]
async fn canaille_pushes_people_and_groups() {
    let world = world(Database::Sqlite, false).await;
    let directory = Directory::of(&world, Database::Sqlite).await;
    let venvs = needed("WEIGHBRIDGE_TEST_VENVS", "stock clients");
    let mut command = std::process::Command::new(format!("{venvs}/canaille-0.3.6/bin/python"));
    command.env("NO_PROXY", "127.0.0.1").args(["-c", CANAILLE, &directory.base, &directory.token]);
    command.arg(world.folder.path());
    let ran = run(command, Duration::from_mins(5)).await.good();
    assert!(ran.out.contains("pushed"), "{}", ran.all());
    let people = directory.get("/Users").await;
    assert_eq!(people["totalResults"], 1, "{people}");
    let jane = &people["Resources"][0];
    assert_eq!((&jane["userName"], &jane["name"]["formatted"]), (&json!("jane"), &json!("Jane Roe")));
    let groups = directory.get("/Groups").await;
    let members = &groups["Resources"][0]["members"];
    assert_eq!((members.as_array().unwrap().len(), &members[0]["value"]), (1, &jane["id"]));
    let janes = token(&world, Database::Sqlite, "personal", jane["id"].as_str()).await;
    assert_eq!(world.get("/-/api/v1/account", &janes).await.json()["roles"], json!(["developer"]));
    world.ledger_is_whole().await;
}

const CANAILLE: &str = r#"
import datetime, sys
from canaille import create_app
base, token, folder = sys.argv[1:]
app = create_app({
    "SECRET_KEY": "a test's", "SERVER_NAME": "canaille.test", "TESTING": True,
    "CANAILLE": {"DATABASE": "sql", "LOGGING": {"version": 1}},
    "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder}/canaille.db"},
    "CANAILLE_SCIM": {"ENABLE_CLIENT": True},
    "CANAILLE_OIDC": {},
}, init_backend=True)
from canaille.app import models
now = datetime.datetime.now(datetime.timezone.utc)
with app.app_context(), app.backend.session():
    save = app.backend.save
    client = models.Client(client_id="weighbridge", client_name="Weighbridge", client_uri=base, client_secret="x")
    save(client)
    save(models.Token(token_id="t", access_token=token, subject=None, audience=[client], client=client,
                      refresh_token="r", scope=["openid", "profile"], issue_date=now, lifetime=3600))
    jane = models.User(user_name="jane", family_name="Doe", formatted_name="Jane Doe", emails=["jane@example.com"])
    john = models.User(user_name="john", family_name="Doe", formatted_name="John Doe", emails=["john@example.com"])
    save(jane)
    save(john)
    save(models.Group(display_name="ml", members=[jane, john]))
    jane.formatted_name = "Jane Roe"
    save(jane)
    app.backend.delete(john)
    print("pushed")
"#;
