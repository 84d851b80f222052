//! `serve` and `work`: everything put together, run, and taken down in order.
//!
//! A stop has two steps: readiness says no while the listener still accepts, so that balancers can notice; then it
//! closes, running answers end, and the ledger gets its last entry. A second signal ends the process at once.

use std::{
    io::{self, IsTerminal as _},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::Either;
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{Failure, admin, assembly::Host, out};
use crate::{
    accounts::host_codes::Purpose,
    accounts::sign_in::mapping,
    app::App,
    config::Config,
    domain::refusal::{Fault, Refusal},
    endpoint::Frame,
    gate::{
        self,
        act::{Act, ChangeRoles, StartGateway, StopGateway},
        object::Gateway,
        tx::Change,
    },
    intake::{change, evict, worker},
    routes,
    serve::{Door, Limits, forwarded::Proxies, listen, tls::Tls},
    tasks,
};

/// What this process is for.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    pub listen: bool,
    pub work: bool,
}

pub async fn run(config: &Config, parts: Parts) -> Result<(), Failure> {
    let signals = Signals::new()?;
    run_until(config, parts, signals, async |host, public_url| {
        if parts.listen {
            welcome(config, public_url);
            first_code(config, host, public_url).await?;
        }
        Ok(())
    })
    .await
}

/// The same with signals that somebody listens for already, and with something else to do once it is ready.
pub async fn run_until(
    config: &Config,
    parts: Parts,
    mut signals: Signals,
    ready: impl AsyncFnOnce(&Host, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let endpoints = routes::all().map_err(Failure::Failed)?;
    let files = config.tls.as_ref().filter(|_| parts.listen);
    let tls = files.map(|files| Tls::load(files.cert_file.clone(), files.key_file.clone())).transpose()?;
    let listener = if parts.listen { Some(bind(config).await?) } else { None };
    let public_url = address(config, listener.as_ref());
    let host = Host::open(config, &public_url, true).await?;
    let app = host.app(config, &public_url).await?;
    let _sequencer = host.ledger.start()?;
    note::<StartGateway>(&host).await?;
    mapping::settle(&host.gate, host.gate.admit_host::<ChangeRoles>("serve", Gateway)?).await?;
    change::basis::settle(&app, &config.replica).await?;
    tasks::spawn(change::watch::run(app.clone(), config.replica.clone()));
    tasks::spawn(gate::record::keep(host.gate.clone(), app.stopping.begun()));
    tasks::spawn(evict::note_uses(app.clone()));
    if parts.work {
        tasks::spawn(worker::run(app.clone(), config.replica.clone()));
    }
    if parts.listen {
        tracing::info!(version = VERSION, listen = %config.listen, public_url, replica = config.replica, "weighbridge is ready");
    } else {
        tracing::info!(version = VERSION, replica = config.replica, "weighbridge works");
    }
    ready(&host, &public_url).await?;
    let frame = Frame { app: app.clone(), endpoints: Arc::new(endpoints) };
    until_told(config, &app, frame, (listener, tls), &mut signals).await?;
    tokio::select! {
        () = end(host) => Ok(()),
        _ = signals.next() => Err(at_once()),
    }
}

/// Answers until a signal comes and what runs has ended.
async fn until_told(
    config: &Config,
    app: &App,
    frame: Frame,
    (listener, tls): (Option<TcpListener>, Option<Tls>),
    signals: &mut Signals,
) -> Result<(), Failure> {
    let stopping = &app.stopping;
    let listens = listener.is_some();
    let answering = match listener {
        Some(listener) => {
            let proxies = Proxies::new(config.trusted_proxies.clone());
            let door = Door { listener, tls, proxies, limits: Limits::default() };
            Either::Left(listen(door, frame, stopping.clone(), config.drain_timeout))
        }
        None => Either::Right(async {
            stopping.begun().await;
            Ok(())
        }),
    };
    let mut answering = pin!(answering);
    let told = tokio::select! {
        ended = &mut answering => return Ok(ended?),
        told = signals.next() => told,
    };
    tracing::info!("told to stop: not ready any more");
    stopping.announce();
    // Nobody balances between workers, nor between gateways that somebody started by hand.
    if listens && told == Told::Terminate && !io::stdin().is_terminal() {
        tokio::select! {
            () = tokio::time::sleep(config.drain_delay) => {}
            ended = &mut answering => return Ok(ended?),
            _ = signals.next() => return Err(at_once()),
        }
    }
    stopping.begin();
    tokio::select! {
        ended = answering => Ok(ended?),
        _ = signals.next() => Err(at_once()),
    }
}

/// What has ended by now is written down, then the ledger closes, then the database.
async fn end(host: Host) {
    if !tasks::drain(LAST_WORK).await {
        tracing::warn!("some work was still under way and goes on elsewhere, or at the next start");
    }
    host.gate.write_out(true).await;
    if let Err(refusal) = note::<StopGateway>(&host).await {
        tracing::error!(why = refusal.line(), "the stop could not be recorded");
    }
    host.ledger.stop().await;
    host.store.close().await;
    tracing::info!("weighbridge has stopped");
}

/// A start or a stop, with what a reader of the ledger needs to judge what lies between them.
async fn note<A: Act<Asked = Gateway, Found = Gateway>>(host: &Host) -> Result<(), Refusal> {
    let may = host.gate.admit_host::<A>("serve", Gateway)?;
    let detail = json!({"version": VERSION, "vkey": host.ledger.vkey(), "policy": host.gate.policy_rev()});
    Ok(may.begin().await?.commit(may, Change::new(detail)).await?)
}

async fn bind(config: &Config) -> Result<TcpListener, Fault> {
    let failed = |e| Fault::because(format!("listening on {} (`listen`)", config.listen), e);
    TcpListener::bind(config.listen).await.map_err(failed)
}

/// With port 0 the system chooses one, and only then is our own address known.
fn address(config: &Config, listener: Option<&TcpListener>) -> String {
    let chosen = listener
        .and_then(|l| l.local_addr().ok())
        .filter(|_| config.listen.port() == 0 && config.is_default("public_url"));
    match chosen {
        Some(local) => config.public_url.replacen(":0", &format!(":{}", local.port()), 1),
        None => config.public_url.clone(),
    }
}

fn welcome(config: &Config, public_url: &str) {
    let file = config.named_file().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
    out::say(format!("Weighbridge is ready. Console: {public_url}/-/"));
    out::say("For the tools that use the hub:");
    out::say(format!("export HF_ENDPOINT={public_url}"));
    if config.identity.providers.is_empty() {
        out::say(format!("export HF_TOKEN=$(weighbridge{file} token create --name me --role developer)"));
    } else {
        out::say("hf auth login");
    }
}

/// On the very first start with no configuration at all, for whoever sits at this terminal: a code for the first
/// administrator. Nobody else could read it, and nobody else could reach the gateway.
async fn first_code(config: &Config, host: &Host, public_url: &str) -> Result<(), Failure> {
    let alone = config.listen.ip().is_loopback() && io::stdout().is_terminal() && config.is_bare();
    if !alone || !admin::is_first(host).await? {
        return Ok(());
    }
    let made = admin::make(host, Purpose::Bootstrap, "the first start, at a terminal").await?;
    out::say(format!("To sign in as the first administrator, type {} at {public_url}/-/host-code", made.text));
    out::say(format!("It works once, until {}.", made.ends.to_minute_text()));
    Ok(())
}

fn at_once() -> Failure {
    Failure::Failed("Stopped at once, because of a second signal; what was being sent is cut.".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Interrupt,
    Terminate,
}

pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// That the terminal was closed, for who has something to put away then.
    hang_up: Option<Signal>,
}

impl Signals {
    pub fn new() -> Result<Self, Fault> {
        Ok(Self {
            interrupt: caught(SignalKind::interrupt())?,
            terminate: caught(SignalKind::terminate())?,
            hang_up: None,
        })
    }

    pub fn with_hang_up() -> Result<Self, Fault> {
        Ok(Self { hang_up: Some(caught(SignalKind::hangup())?), ..Self::new()? })
    }

    async fn next(&mut self) -> Told {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Told::Interrupt,
            _ = self.terminate.recv() => Told::Terminate,
            _ = hang_up => Told::Interrupt,
        }
    }
}

fn caught(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|e| Fault::because("listening for signals", e))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long jobs and counters have to come to their end.
const LAST_WORK: Duration = Duration::from_secs(10);
