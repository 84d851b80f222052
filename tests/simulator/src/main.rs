//! The simulator as a program: for tests in other languages and for the demo.
//!
//! Prints one line of JSON with its two addresses, then serves until it is stopped.

use std::process::ExitCode;

use weighbridge_simulator::{Hub, Options, load_sample};

fn main() -> ExitCode {
    match start() {
        Ok(hub) => {
            print_addresses(&hub);
            loop {
                std::thread::park();
            }
        }
        Err(message) => complain(&message),
    }
}

fn start() -> Result<Hub, String> {
    let mut options = Options::default();
    let mut sample = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name}: a value is needed"));
        match name.as_str() {
            "--sample" => sample = true,
            "--host" => options.host = parsed(&name, &value()?)?,
            "--port" => options.port = parsed(&name, &value()?)?,
            "--cdn-port" => options.cdn_port = parsed(&name, &value()?)?,
            "--public-url" => options.public_url = Some(value()?),
            "--public-cdn-url" => options.public_cdn_url = Some(value()?),
            _ => return Err(format!("{name}: unknown. {USAGE}")),
        }
    }
    let hub = Hub::start(options).map_err(|error| format!("cannot listen: {error}"))?;
    if sample {
        load_sample(&hub);
    }
    Ok(hub)
}

fn parsed<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: cannot read {text}"))
}

#[allow(clippy::print_stdout, reason = "the caller reads the addresses from the first line")]
fn print_addresses(hub: &Hub) {
    println!("{}", serde_json::json!({ "hub": hub.url(), "cdn": hub.cdn_url() }));
}

#[allow(clippy::print_stderr, reason = "a program that cannot start says why where it was started")]
fn complain(message: &str) -> ExitCode {
    eprintln!("weighbridge-simulator: {message}");
    ExitCode::FAILURE
}

const USAGE: &str = "Known: --sample, --host IP, --port N, --cdn-port N, --public-url URL, --public-cdn-url URL.";
