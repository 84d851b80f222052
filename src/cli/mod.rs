//! The commands: what they take, and what they end with.
//!
//! Exit codes: 0 done, 1 refused or failed, 3 wrong use, 4 a step-up is needed; `scan` has its own. Commands of the host (`serve`, `token`,
//! …) use the configuration; the others go through the API like anybody's client.

mod admin;
mod api;
mod assembly;
mod demo;
mod doctor;
mod jobs;
mod my_token;
mod out;
mod people;
mod prefetch;
mod review;
mod scan;
mod schema;
mod serve;
mod sign_in;
mod terms;
mod token;
mod upstream_credential;
mod workload;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::{
    config::{self, Config},
    domain::refusal::{Fault, Refusal},
    logs, sandbox,
};

/// The checkpoint between a company and the public model hub.
#[derive(Debug, Parser)]
#[command(name = "weighbridge", version, disable_help_subcommand = true)]
struct Cli {
    /// The configuration file [default: weighbridge.toml in this folder, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway and, unless --no-work, its workers
    Serve {
        /// Leave the workers to others
        #[arg(long)]
        no_work: bool,
    },
    /// Run workers only
    Work,
    /// See all of it at work: a gateway and a sample hub on this machine, and the lines to paste
    Demo(demo::DemoArgs),
    /// Bring the database's schema up to date
    Migrate,
    /// Make, list and end tokens, on the gateway's own host
    #[command(subcommand)]
    Token(token::Command),
    /// Read the terms of a gated repository, and accept them on record
    #[command(subcommand)]
    Terms(terms::Command),
    /// Keep, list and take away tokens of the hub for what is gated or private there
    #[command(subcommand)]
    UpstreamCredential(upstream_credential::Command),
    /// Make, list, renew and end the tokens that you hold yourself
    #[command(subcommand)]
    MyToken(my_token::Command),
    /// Stop tokens of other issuers
    #[command(subcommand)]
    Workload(workload::Command),
    /// See who is known here, put somebody out, or give a role by hand
    #[command(subcommand)]
    People(people::Command),
    /// Come in as an administrator with a one-use code, from this machine
    #[command(subcommand)]
    Admin(admin::Command),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask for a revision, or see what was asked for
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Request(review::RequestArgs),
    /// Approve a revision in an environment
    Approve(review::ApproveArgs),
    /// Stop a revision or a whole repository
    Revoke(review::RevokeArgs),
    /// Point main, or another branch, at an approved commit where no approval moves it
    Pin(review::PinArgs),
    /// See what the gateway is at work on, or have something tried again
    #[command(args_conflicts_with_subcommands = true)]
    Jobs(jobs::JobsArgs),
    /// Have revisions taken in and their files fetched before anybody pulls them
    Prefetch(prefetch::PrefetchArgs),
    /// Find out why something does not work
    Doctor(doctor::DoctorArgs),
    /// Scan files and folders on this machine for what would run when they are loaded
    Scan(scan::ScanArgs),
    /// What the gateway starts to scan in: of no use to anybody else
    #[command(name = sandbox::COMMAND, hide = true)]
    ScanningChild,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration, with secrets hidden and where each setting comes from
    Check(Json),
}

/// For scripts.
#[derive(Clone, Copy, Debug, Args)]
struct Json {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Why a command did not do what it was told to.
#[derive(Debug)]
enum Failure {
    /// Refused, or broken: exit 1.
    Failed(String),
    /// Not understood: exit 3.
    Usage(String),
    /// Somebody has to prove again who they are: exit 4.
    StepUp(String),
    /// Everything was said already.
    Said,
    /// A scan found nothing, but could not look at everything: exit 2. Everything was said already.
    Unjudged,
}

impl From<Fault> for Failure {
    /// Whoever runs a command on the host may see what broke.
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.line())
    }
}

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    // Before anything starts a thread: what the child gives up binds only the threads that come after.
    if matches!(cli.command, Command::ScanningChild) {
        return scanning_child();
    }
    let usual = match &cli.command {
        Command::Serve { .. } | Command::Work => "info",
        // What a loaded machine does to somebody's first look is not for them to read.
        Command::Demo(_) => "error",
        _ => "warn",
    };
    if let Err(why) = logs::start(config::log_filter().as_deref(), usual) {
        out::tell(why);
    }
    // Both TLS users take the same library; a second installation of it is no error.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::tell(format!("Starting failed: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(Box::pin(run(cli)));
    // What was worth waiting for has been waited for; whatever still holds a thread has had its time.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (text, code) = match failure {
                Failure::Failed(text) => (text, ExitCode::FAILURE),
                Failure::Usage(text) => (text, ExitCode::from(USAGE)),
                Failure::StepUp(text) => (text, ExitCode::from(STEP_UP)),
                Failure::Said => (String::new(), ExitCode::FAILURE),
                Failure::Unjudged => (String::new(), ExitCode::from(UNJUDGED)),
            };
            if !text.is_empty() {
                out::tell(text);
            }
            code
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let path = cli.config;
    match cli.command {
        Command::Serve { no_work } => {
            serve::run(&configuration(path)?, serve::Parts { listen: true, work: !no_work }).await
        }
        Command::Work => serve::run(&configuration(path)?, serve::Parts { listen: false, work: true }).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Migrate => schema::migrate(&configuration(path)?).await,
        Command::Token(command) => token::run(&configuration(path)?, command).await,
        Command::Terms(command) => terms::run(command).await,
        Command::UpstreamCredential(command) => upstream_credential::run(&configuration(path)?, command).await,
        Command::MyToken(command) => my_token::run(command).await,
        Command::Workload(command) => workload::run(&configuration(path)?, command).await,
        Command::People(command) => people::run(command).await,
        Command::Admin(command) => admin::run(&configuration(path)?, command).await,
        Command::Config(ConfigCommand::Check(Json { json })) => check(&configuration(path)?, json),
        Command::Request(args) => review::request(args).await,
        Command::Approve(args) => review::approve(args).await,
        Command::Pin(args) => review::pin(args).await,
        Command::Revoke(args) => review::revoke(args).await,
        Command::Jobs(args) => jobs::run(args).await,
        Command::Prefetch(args) => prefetch::run(args).await,
        Command::Doctor(args) => doctor::run(path, args).await,
        Command::Scan(args) => scan::run(&args),
        Command::ScanningChild => Err(Failure::Said),
    }
}

fn scanning_child() -> ExitCode {
    if std::io::stdin().is_terminal() {
        out::tell("This is what the gateway starts to scan in. To scan files here: weighbridge scan PATH");
        return ExitCode::from(USAGE);
    }
    sandbox::child()
}

/// The configuration of a command of the host. What is odd about it is said once, here.
fn configuration(path: Option<PathBuf>) -> Result<Config, Failure> {
    let config = Config::load(path).map_err(Failure::Usage)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

fn check(config: &Config, json: bool) -> Result<(), Failure> {
    crate::upstream::Upstream::new(config.upstream_settings()).map_err(|fault| Failure::Usage(fault.to_string()))?;
    if json {
        out::say_json(&config.to_json());
    } else {
        out::say(config.to_toml().trim_end());
    }
    Ok(())
}

const UNJUDGED: u8 = 2;
const USAGE: u8 = 3;
const STEP_UP: u8 = 4;
