//! The listener: our own accept loop, because it must be able to cut a connection, drain, and time out.
//!
//! Never looks into a request; that is the endpoint's.

mod files;
mod shares;
#[cfg(test)]
mod tests;
mod watched;

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use self::{
    shares::Shares,
    watched::{Answering, Idle, Watched},
};
use crate::{
    app::Stopping,
    domain::refusal::Fault,
    endpoint::{Frame, Peer, dispatch, file::Cut},
    tasks,
};

/// Limits that no client can talk us out of.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// Of those, how many one IPv4 address or IPv6 /64 may have: nobody shall take them all alone.
    pub from_one_address: usize,
    /// The same for this host itself. Sidecars, tests and above all a proxy in front of us come from there, and then
    /// everybody does; half of all is left to the others whatever it does.
    pub from_this_host: usize,
    /// From the beginning of a connection to the end of the first request's headers, and of each later one's.
    pub header_time: Duration,
    /// How long a connection is kept on which nothing is asked. HTTP/1 is held to `header_time` between requests.
    pub quiet: Duration,
    /// How long a connection may neither send nor take anything.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            from_one_address: 256,
            from_this_host: 4096,
            header_time: Duration::from_secs(10),
            quiet: Duration::from_mins(1),
            idle: Duration::from_mins(2),
        }
    }
}

impl Limits {
    fn of(&self, peer: IpAddr) -> usize {
        if peer.to_canonical().is_loopback() { self.from_this_host } else { self.from_one_address }
    }
}

/// Accepts until told to stop; then lets running answers end, up to `drain`, and cuts what is left.
pub async fn listen(
    listener: TcpListener,
    frame: Frame,
    limits: Limits,
    stopping: Stopping,
    drain: Duration,
) -> Result<(), Fault> {
    let router = Router::new();
    #[allow(clippy::disallowed_methods, reason = "the one place where the list of endpoints meets axum")]
    let router = router.fallback(move |request: Request<Body>| dispatch(frame.clone(), request));
    files::make_room(limits.connections);
    accept(listener, router, limits, stopping, drain).await
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopping: Stopping,
    drain: Duration,
) -> Result<(), Fault> {
    let seats = Arc::new(Semaphore::new(limits.connections));
    let (shares, mut crowded) = (Shares::default(), Crowded::default());
    let mut stop = pin!(stopping.begun());
    loop {
        let seat = tokio::select! {
            () = &mut stop => break,
            seat = Arc::clone(&seats).acquire_owned() => seat.map_err(|e| Fault::because("waiting for a free connection", e))?,
        };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(share) = shares.take(peer.ip(), limits.of(peer.ip())) else {
                    crowded.tell(peer.ip());
                    continue;
                };
                let connection = connection(stream, peer, router.clone(), limits, stopping.clone());
                tasks::spawn(async move {
                    connection.await;
                    drop((share, seat));
                });
            }
            // Out of file descriptors, or a client that was gone before we looked: neither ends the gateway.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(drain, seats.acquire_many(all)).await.is_err() {
        tracing::warn!("some answers were still running after the drain time and are cut");
        stopping.cut();
        // Each cut stream still has to say how many bytes it sent.
        let _ = tokio::time::timeout(Duration::from_secs(5), seats.acquire_many(all)).await;
    }
    Ok(())
}

/// Says now and then that somebody has too many connections: a log must not be filled from outside.
#[derive(Default)]
struct Crowded {
    told: Option<Instant>,
    refused: u64,
}

impl Crowded {
    fn tell(&mut self, address: IpAddr) {
        self.refused += 1;
        if self.told.is_none_or(|told| told.elapsed() > Duration::from_mins(1)) {
            let refused = std::mem::take(&mut self.refused);
            tracing::warn!(%address, refused, "connections are closed at once: one address has too many");
            self.told = Some(Instant::now());
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits, stopping: Stopping) {
    let _ = stream.set_nodelay(true);
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let cut = Cut::default();
    let idle = Idle::default();
    let watched = Watched { stream, idle: idle.clone() };
    let handle = cut.clone();
    let router = TowerToHyperService::new(router);
    let busy = idle.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        request.extensions_mut().insert(handle.clone());
        let (held, open, answer) = (busy.hold(), busy.begin(), router.call(request));
        async move {
            let answer = answer.await;
            drop(held);
            answer.map(|answer| answer.map(|body| Body::new(Answering { body, _open: open })))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_headers(100);
    // hyper's own queue would add 400 KB to what each slow client holds.
    builder.http1().max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100).max_header_list_size(32 * 1024);
    let serving = builder.serve_connection(TokioIo::new(watched), service);
    let mut serving = pin!(serving);
    let mut stop = pin!(stopping.begun());
    let mut over = pin!(stopping.is_over());
    // hyper's own limit on headers begins only when it knows which HTTP it is.
    let mut silent = pin!(idle.silent(limits.header_time));
    let mut quiet = pin!(idle.quiet(limits.quiet));
    let mut dead = pin!(idle.over(limits.idle));
    // Asked to leave, a client may still be asking something; after that it has to go.
    let mut gone = pin!(async {
        idle.quiet(limits.quiet).await;
        tokio::time::sleep(limits.header_time).await;
        idle.quiet(limits.header_time).await;
    });
    let mut told = false;
    let mut asked_to_leave = false;
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = &mut stop, if !told => {
                told = true;
                serving.as_mut().graceful_shutdown();
            }
            () = &mut quiet, if !asked_to_leave => {
                asked_to_leave = true;
                serving.as_mut().graceful_shutdown();
            }
            () = &mut gone => break,
            () = &mut silent => break,
            () = cut.asked_for() => break,
            () = &mut over => break,
            () = &mut dead => break,
        }
    }
    // The client must see a broken connection, never a clean end: reset it, and with it what the kernel still holds.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}
