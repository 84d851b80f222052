//! `demo`: a gateway and a sample hub behind it, in this process, with the lines to paste and what they show.
//!
//! The gateway is the one that `serve` runs, put together from a configuration file in a folder of its own; only the hub
//! behind it is made up. Both answer on loopback alone, and whatever ends the demo, its folder goes with it. Nothing
//! else of the program knows the sample hub: no switch and no setting of `serve` leads here.

mod folder;
mod guide;
mod people;
mod steps;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::sync::oneshot;
use weighbridge_simulator::{Hub, Options, Showcase, load_showcase};

use self::{folder::Folder, people::People, steps::Place};
use super::{Failure, out, serve};
use crate::{
    config::{self, Config},
    domain::refusal::Fault,
    ledger::verify,
    store::Store,
};

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the gateway listens: an address that only this machine reaches, with port 0 for a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Print the steps as a shell script, which ends the demo when it is through: weighbridge demo --script | sh
    #[arg(long)]
    script: bool,
    /// When the sample hub gets its malicious push
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    push_after: u64,
}

/// What the gateway's start tells the rest of the demo.
struct Started {
    url: String,
    people: People,
}

pub async fn run(args: DemoArgs) -> Result<(), Failure> {
    let began = Instant::now();
    if !args.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "--listen {}: other machines could reach that, and the demo shows its tokens. Take 127.0.0.1 and a port.",
            args.listen
        )));
    }
    // Before there is anything to put away: from here on no signal ends this process without putting it away.
    let signals = serve::Signals::with_hang_up()?;
    let folder = Folder::new()?;
    let hub = Hub::start(Options::default()).map_err(|e| Fault::because("starting the sample hub", e))?;
    let showcase = load_showcase(&hub);
    let config = configure(&folder, &hub, args.listen)?;
    let (mut vkey, (tell, told)) = (String::new(), oneshot::channel());
    let gateway = serve::run_until(&config, serve::Parts { listen: true, work: true }, signals, async |host, url| {
        vkey = host.ledger.vkey();
        let _ = tell.send(Started { url: url.to_owned(), people: people::invite(host).await? });
        Ok(())
    });
    let beside = async {
        let Ok(started) = told.await else { return std::future::pending().await };
        show(&args, &started, &folder, &hub, &showcase).await?;
        out::tell(format!("Ready after {:.1} s. Ctrl-C ends it.", began.elapsed().as_secs_f32()));
        tokio::time::sleep(Duration::from_secs(args.push_after)).await;
        showcase.hijack();
        out::tell("At the sample hub, somebody has just pushed malware to the main of acme/hijacked.");
        std::future::pending::<Result<(), Failure>>().await
    };
    tokio::select! {
        ended = Box::pin(gateway) => ended?,
        failed = Box::pin(beside) => failed?,
    }
    check_ledger(&config, &vkey).await
}

/// An ordinary configuration, in the folder for whoever wants to read it.
#[allow(clippy::disallowed_methods, reason = "the demo keeps its files in its folder and nowhere else")]
fn configure(folder: &Folder, hub: &Hub, listen: SocketAddr) -> Result<Config, Failure> {
    let file = folder.path().join("weighbridge.toml");
    let data = toml::Value::from(folder.path().join("data").display().to_string());
    let text = format!(
        "# The whole configuration of this demo.\n\
        listen = \"{listen}\"\n\
        data_dir = {data}\n\
        drain_delay_seconds = 0\n\
        drain_timeout_seconds = 2\n\
        \n\
        [admission]\n\
        profile = \"guarded\"\n\
        \n\
        [upstream]\n\
        url = \"{}\"\n\
        allow_hosts = [\"127.0.0.1\"]\n\
        allow_private_addresses = true\n",
        hub.url()
    );
    std::fs::write(&file, text).map_err(|e| Fault::because(format!("writing {}", file.display()), e))?;
    Config::load_only(file).map_err(Failure::Failed)
}

/// Lets happen what happened before, and prints the steps.
async fn show(
    args: &DemoArgs,
    started: &Started,
    folder: &Folder,
    hub: &Hub,
    showcase: &Showcase,
) -> Result<(), Failure> {
    let history = people::remember(&started.people, &started.url).await?;
    let variables = config::variables();
    let program = std::env::current_exe().ok().and_then(|program| program.parent().map(|at| at.display().to_string()));
    let place = Place {
        url: started.url.clone(),
        hub: hub.url().to_owned(),
        folder: folder.path().display().to_string(),
        programs: program.unwrap_or_default(),
        tokens: started.people.roles.iter().map(|(role, token)| (*role, token.expose().to_owned())).collect(),
        decision: history.decision,
        good: showcase.good.clone(),
        bad: Showcase::BAD.to_owned(),
        has_hf: steps::has_program(&variables, "hf"),
        push_after: args.push_after,
        variables,
    };
    out::say(if args.script { guide::script(&place, std::process::id()) } else { guide::text(&place) });
    Ok(())
}

/// What an auditor would do: rebuild the ledger from its first entry.
async fn check_ledger(config: &Config, vkey: &str) -> Result<(), Failure> {
    let store = Store::open(&config.database_url, false).await?;
    let report = verify::all(store.reader(), vkey).await?;
    store.close().await;
    if let Some(problem) = report.problems.first() {
        return Err(Failure::Failed(format!("The demo's ledger is not whole: {problem}")));
    }
    out::tell(format!(
        "The ledger of this demo was rebuilt from its {} entries: every signature and every hash is right.",
        report.entries
    ));
    out::tell("The demo has ended and has left nothing behind.");
    Ok(())
}
