//! An S3 server for tests: `weighbridge-s3-server <folder>`, where each folder inside is a bucket.
//!
//! Prints its url, serves the key `test` with the secret `test-secret`, and ends when its standard input ends, so that
//! it cannot outlive the test that started it. Never a store for anything that matters.

#![allow(clippy::disallowed_methods, reason = "a test server drains nothing")]

mod strict;

use std::io::{self, Write};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: weighbridge-s3-server <folder>")?;
    let mut service = S3ServiceBuilder::new(strict::Strict::open(folder).map_err(|error| format!("{error:?}"))?);
    service.set_auth(SimpleAuth::from_single("test", "test-secret"));
    let service = service.build();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    io::stdout().flush()?;

    let serving = async move {
        loop {
            let (socket, _) = listener.accept().await?;
            let service = service.clone();
            tokio::spawn(async move {
                // A client that goes away is no failure of ours.
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    };
    let ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()));
    tokio::select! {
        failed = serving => failed,
        _ = ended => Ok(()),
    }
}
