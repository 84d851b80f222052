//! People of a world: somebody who is signed in, in a browser and in a terminal, as rows would have it.
//!
//! The browser's session is written beside the gateway; everything after it goes through the gateway's own doors.

use serde_json::Value;
use weighbridge_simulator::Content;

use crate::{
    wire::{self, Reply},
    world::{World, WorldOptions},
};

/// Somebody, with the session of their browser.
pub struct Person {
    pub id: String,
    pub cookie: String,
    pub csrf: String,
}

/// What a terminal holds after its sign-in.
#[derive(Clone)]
pub struct Terminal {
    pub access: String,
    pub refresh: String,
}

/// A provider that is configured and never asked, and a group for each role, named as the role.
pub fn people() -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__NAME", "corp".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__ISSUER", "https://login.example.com".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__CLIENT_ID", "weighbridge".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__0__CLIENT_SECRET", SECRET.to_owned()),
    ];
    macro_rules! roles {
        ($($n:literal $role:literal),+) => { $(
            settings.push((concat!("WEIGHBRIDGE_IDENTITY__ROLES__", $n, "__GROUP"), $role.to_owned()));
            settings.push((concat!("WEIGHBRIDGE_IDENTITY__ROLES__", $n, "__ROLE"), $role.to_owned()));
            settings.push((concat!("WEIGHBRIDGE_IDENTITY__ROLES__", $n, "__ENVIRONMENTS"), "*".to_owned()));
        )+ };
    }
    roles!("0" "developer", "1" "reviewer", "2" "operator", "3" "admin");
    settings
}

impl World {
    pub async fn of_people(options: WorldOptions) -> Self {
        let settings = people().into_iter().chain(options.settings).collect();
        Self::start(WorldOptions { settings, ..options }).await
    }

    /// Somebody in these groups, who signed in just now.
    pub async fn person(&self, name: &str, groups: &[&str]) -> Person {
        let now = now();
        let (id, cookie, csrf) = (format!("P{name}"), format!("cookieOf{name}{now}"), format!("csrfOf{name}{now}"));
        self.change_row(&format!(
            "INSERT INTO person (id, issuer, subject, provider, name, made_by, groups_state, created_at, updated_at) \
             VALUES ('{id}', 'https://login.example.com', 'sub-{name}', 'corp', '{name}', 'sign-in', 'known', {now}, {now})"
        ))
        .await;
        for group in groups {
            self.change_row(&format!("INSERT INTO person_group VALUES ('{id}', '{group}', 'claim')")).await;
        }
        let hash = self.bytes_literal(Content::bytes(cookie.clone()).sha256());
        let end = now + 3_600_000_000;
        self.change_row(&format!(
            "INSERT INTO session (id, hash, person_id, kind, csrf, authenticated_at, created_at, used_at, expires_at) \
             VALUES ('S{name}', {hash}, '{id}', 'oidc', '{csrf}', {now}, {now}, {now}, {end})"
        ))
        .await;
        Person { id, cookie, csrf }
    }

    /// A code for a terminal: the whole answer.
    pub async fn device(&self) -> Value {
        let reply = self.send_form("/oauth/device", &[("client_id", CLIENT)], &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// What the person's browser sends, from our own page.
    pub async fn answer_device(&self, person: &Person, user_code: &str, answer: &str) -> Reply {
        let form = [("csrf", person.csrf.as_str()), ("user_code", user_code), ("answer", answer)];
        let cookie = format!("__Host-wb_sid={}", person.cookie);
        self.send_form("/-/device", &form, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")]).await
    }

    /// What the terminal with this code is told.
    pub async fn poll_device(&self, device_code: &str) -> Reply {
        let form = [("grant_type", DEVICE_GRANT), ("device_code", device_code), ("client_id", CLIENT)];
        self.send_form("/oauth/token", &form, &[]).await
    }

    pub async fn renew(&self, refresh: &str) -> Reply {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", CLIENT)];
        self.send_form("/oauth/token", &form, &[]).await
    }

    /// The whole sign-in of a terminal, as `hf auth login` and its reader do it.
    pub async fn terminal(&self, person: &Person) -> Terminal {
        let begun = self.device().await;
        let answered = self.answer_device(person, begun["user_code"].as_str().unwrap(), "allow").await;
        assert!(answered.status == 200 && answered.text().contains("is signed in"), "{}", answered.text());
        let taken = self.poll_device(begun["device_code"].as_str().unwrap()).await;
        assert_eq!(taken.status, 200, "{}", taken.text());
        pair(&taken)
    }

    /// As if the token's owner had just proved again who they are.
    pub async fn raise(&self, person: &Person, token: &str) {
        let id = self.get("/-/api/v1/account", token).await.json()["token_id"].as_str().unwrap().to_owned();
        self.change_row(&format!("INSERT INTO elevation VALUES ('{id}', '{}', {}, NULL)", person.id, now())).await;
        self.move_the_gate().await;
    }

    /// A change that every replica hears of: what was written beside the gateway counts from here on.
    pub async fn move_the_gate(&self) {
        let made = ["token", "create", "--name", "nobody", "--role", "auditor", "--ttl", "1h", "--json"];
        let made = self.gateway.command(&made, &[]).await.good().json();
        let token = made["token"].as_str().unwrap();
        assert_eq!(self.get("/-/api/v1/account", token).await.status, 200);
        self.gateway.command(&["token", "revoke", made["id"].as_str().unwrap()], &[]).await.good();
        // Once it has heard of this it has heard of what was written before.
        for _ in 0..600 {
            if self.get("/-/api/v1/account", token).await.status == 401 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a revoked token still works");
    }

    /// A reviewer approves for research.
    pub async fn approve_as_reviewer(&self, revision: &str) {
        let rita = self.person("rita", &["reviewer"]).await;
        let token = self.terminal(&rita).await.access;
        self.raise(&rita, &token).await;
        let words = ["approve", revision, "--reason", "looked at it", "--env", "research", "--yes"];
        self.api_command(&words, &token).await.good();
    }

    pub async fn send_form(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let mut request = wire::client().post(format!("{}{path}", self.url())).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        wire::reply(request).await
    }

    pub async fn send_json(&self, path: &str, token: &str, body: &Value) -> Reply {
        let mut request = wire::client().post(format!("{}{path}", self.url())).json(body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        wire::reply(request).await
    }

    /// What the ledger's entries of this kind say.
    pub async fn bodies(&self, kind: &str) -> Vec<Value> {
        let cast =
            if self.bytes_literal("").starts_with('X') { "CAST(body AS TEXT)" } else { "convert_from(body, 'UTF8')" };
        let all = self.query_text(&format!("SELECT {cast} FROM ledger_entry WHERE kind = '{kind}'")).await;
        all.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// How many entries of this kind the ledger has, once all that happened has its place in it.
    pub async fn entries(&self, kind: &str) -> usize {
        for _ in 0..600 {
            if self.query_text("SELECT id FROM ledger_pending LIMIT 1").await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.query_text(&format!("SELECT id FROM ledger_entry WHERE kind = '{kind}'")).await.len()
    }
}

pub fn pair(reply: &Reply) -> Terminal {
    let text = |name: &str| reply.json()[name].as_str().unwrap_or_default().to_owned();
    Terminal { access: text("access_token"), refresh: text("refresh_token") }
}

pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

pub const SECRET: &str = "the-provider-secret-that-nobody-sees";
const CLIENT: &str = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
