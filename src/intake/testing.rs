//! A gateway without a front door, for tests: the simulator as its hub, a database and a blob folder of its own.
//!
//! Never served: tests ask for jobs, run the workers, and look at the rows.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, Database, Statement};
use weighbridge_simulator::{Hub, Options};

use super::{change, worker};
use crate::{
    accounts,
    app::{Answers, App, Basis, Bells, Face, Following, Recent, Stopping, storage::Storage, vigils::Vigils},
    blobs::Blobs,
    clock,
    domain::{
        name::RepoName,
        rev::Rev,
        role::{Environment, Reach, Role},
        time::Micros,
        token::Shape,
    },
    gate::{
        Call, EnvironmentSetting, Gate, Parts,
        access::Access,
        act::{Act, CreateToken},
        admission::{Admission, DataClass},
        grant::Granted,
        object::Tokens,
    },
    jobs::{self, State, Work},
    ledger::{self, Ledger},
    store::testing::{Fresh, databases, sqlite},
    tasks,
    upstream::{Settings, Upstream},
};

pub(crate) struct Bench {
    pub(crate) app: App,
    pub(crate) hub: Hub,
    pub(crate) ledger: Ledger,
    pub(crate) fresh: Fresh,
    profile: &'static str,
}

impl Bench {
    pub(crate) async fn on_sqlite() -> Self {
        Self::on(sqlite(), "strict").await
    }

    /// One on each kind of database.
    pub(crate) async fn on_each() -> Vec<Self> {
        Self::on_each_under("strict").await
    }

    pub(crate) async fn on_each_under(profile: &'static str) -> Vec<Self> {
        let mut all = Vec::new();
        for fresh in databases().await {
            all.push(Self::on(fresh, profile).await);
        }
        all
    }

    async fn on(fresh: Fresh, profile: &'static str) -> Self {
        let hub = Hub::start(Options::default()).unwrap();
        let (app, ledger) = replica(&fresh, &hub, "a", profile).await;
        let _task = ledger.start().unwrap();
        Self { app, hub, ledger, fresh, profile }
    }

    /// Another process on the same database. SQLite takes one only.
    pub(crate) async fn another(&self) -> (App, Ledger) {
        replica(&self.fresh, &self.hub, "b", self.profile).await
    }

    /// Works until this job is over, and says how it ended.
    pub(crate) async fn done(&self, work: &Work) -> State {
        jobs::ask(&self.app, work).await.unwrap();
        let workers = Workers::start(&self.app);
        let state = self.wait_for(&work.key()).await;
        workers.stop().await;
        state
    }

    /// Waits until a job is over.
    pub(crate) async fn wait_for(&self, key: &str) -> State {
        loop {
            match jobs::look(&self.app, key).await.unwrap() {
                Some(State::UnderWay { .. }) | None => tokio::time::sleep(Duration::from_millis(20)).await,
                Some(over) => return over,
            }
        }
    }

    /// Examines until everything is listed and every sha256 is known, or something has failed.
    pub(crate) async fn examine(&self, name: &str) -> State {
        let (repo, rev) = name.split_once('@').unwrap();
        let work = Work::examine(&RepoName::parse(repo).unwrap(), &Rev::new(rev).unwrap(), "test");
        jobs::ask(&self.app, &work).await.unwrap();
        let workers = Workers::start(&self.app);
        let mut state = self.wait_for(&work.key()).await;
        if state == State::Done {
            for key in self.texts("SELECT \"key\" FROM job WHERE kind = 'digests'").await {
                state = self.wait_for(&key).await;
            }
            // What the rules say of it is not what most tests are about; it must only be over.
            for key in self.texts("SELECT \"key\" FROM job WHERE kind = 'inspect'").await {
                self.wait_for(&key).await;
            }
        }
        workers.stop().await;
        state
    }

    /// The first column of a query, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let db = Database::connect(&self.fresh.url).await.unwrap();
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let found = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        db.close().await.unwrap();
        found
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let db = Database::connect(&self.fresh.url).await.unwrap();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        let found = row.try_get_by_index(0).unwrap();
        db.close().await.unwrap();
        found
    }

    /// Changes rows behind the gateway's back, for what a test cannot wait for.
    pub(crate) async fn change(&self, sql: &str) {
        let db = Database::connect(&self.fresh.url).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Approves every revision that is listed, whatever the rules said of it.
    pub(crate) async fn approve_all(&self) {
        self.change("DELETE FROM standing").await;
        // On what decisions rest on now, so that nobody decides anew.
        let basis = self.app.basis.number();
        self.change(&format!(
            "INSERT INTO standing (revision_id, environment, repository_id, state, reason, changed_at, basis) \
             SELECT id, 'research', repository_id, 'approved', '', 1, {basis} FROM revision",
        ))
        .await;
    }

    /// A grant for a developer in research.
    pub(crate) async fn granted<A: Act>(&self, asked: A::Asked) -> Granted<A> {
        self.granted_as(Role::Developer, asked).await
    }

    pub(crate) async fn granted_as<A: Act>(&self, role: Role, asked: A::Asked) -> Granted<A> {
        let wanted = accounts::Wanted {
            name: "me".to_owned(),
            holder: accounts::Holder::Role(role),
            provider: None,
            reach: Reach::All,
            cluster: None,
            expires_at: Micros(clock::now().0 + Micros::DAY),
            shape: Shape::Own,
        };
        let may = self.app.gate.admit_host::<CreateToken>("test", Tokens).unwrap();
        let made = accounts::create(may, wanted).await.unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {}", made.text).parse().unwrap());
        let actor = self.app.gate.identify(&headers, &Call::default()).await.unwrap();
        self.app.gate.admit(actor, asked, &Call::default()).await.unwrap()
    }

    /// The bodies of the ledger's entries of this kind, oldest first.
    pub(crate) async fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        while self.number("SELECT CAST(count(*) AS BIGINT) FROM ledger_pending").await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let db = Database::connect(&self.fresh.url).await.unwrap();
        let sql = format!("SELECT body FROM ledger_entry WHERE kind = '{kind}' ORDER BY shard, seq");
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let body = |row: &sea_orm::QueryResult| row.try_get_by_index::<Vec<u8>>(0).unwrap();
        let found = rows.iter().map(|row| serde_json::from_slice(&body(row)).unwrap()).collect();
        db.close().await.unwrap();
        found
    }
}

/// The workers of one process, until they are stopped as a signal would stop them.
pub(crate) struct Workers {
    app: App,
    task: tokio::task::JoinHandle<()>,
}

impl Workers {
    pub(crate) fn start(app: &App) -> Self {
        let app = App { stopping: Stopping::default(), ..app.clone() };
        let task = tasks::spawn(worker::run(app.clone(), "test".to_owned()));
        Self { app, task }
    }

    pub(crate) async fn stop(self) {
        self.app.stopping.begin();
        self.task.await.unwrap();
        // What was under way is put back by its own task.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn replica(fresh: &Fresh, hub: &Hub, name: &str, profile: &str) -> (App, Ledger) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
    let store = fresh.store().await;
    let folder = fresh.folder.path().to_owned();
    let settings = ledger::Settings { data_dir: folder.clone(), replica: name.to_owned() };
    let ledger = Ledger::open(store.clone(), settings).await.unwrap();
    let upstream = Upstream::new(Settings {
        url: url::Url::parse(hub.url()).unwrap(),
        token: None,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        allow_private_addresses: true,
        reserved_namespaces: vec![],
    });
    let upstream = upstream.unwrap();
    let research = Environment::new("research").unwrap();
    let gate = Gate::new(Parts {
        identity: crate::gate::Identity::default(),
        store: store.clone(),
        ledger: ledger.clone(),
        access: Access::built_in().await.unwrap(),
        upstream: upstream.clone(),
        environments: vec![EnvironmentSetting {
            name: research,
            production: false,
            data_class: DataClass::Unstated,
            stream_unverified: true,
        }],
        admission: Admission::built_in(profile).await.unwrap(),
        public_url: "http://gateway.test".to_owned(),
    });
    let blobs = Blobs::open(&format!("file://{}/blobs", folder.display()), &folder).await.unwrap();
    let face =
        Face { public_url: "http://gateway.test".to_owned(), prefix: String::new(), hold: Duration::from_secs(8) };
    let words = change::basis::words(&gate, &crate::app::Publishers::default());
    let app = App {
        gate,
        blobs,
        upstream,
        chores: store.chores(),
        bells: Arc::new(Bells::default()),
        face: Arc::new(face),
        stopping: Stopping::default(),
        answers: Answers::default(),
        recent: Recent::default(),
        sandbox: crate::sandbox::testing::sandbox(crate::sandbox::Limits::default()),
        publishers: Arc::default(),
        basis: Basis::of(words),
        following: Arc::new(Following::default()),
        whole_file_limit: 20 << 30,
        storage: Storage::default(),
        vigils: Vigils::default(),
        providers: crate::app::providers::Providers::default(),
        tries: Arc::default(),
        directories: Arc::default(),
        in_background: false,
    };
    change::basis::settle(&app, name).await.unwrap();
    (app, ledger)
}
