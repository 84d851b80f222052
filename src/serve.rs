//! The listener: our own accept loop, because it must be able to cut a connection, drain, and time out.
//!
//! Never looks into a request; that is the endpoint's.

mod files;
pub mod forwarded;
mod shares;
#[cfg(test)]
mod tests;
pub mod tls;
mod watched;
mod wire;

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
    forwarded::Proxies,
    shares::Shares,
    tls::{LOOK, Tls},
    watched::{Answering, Idle, Watched},
    wire::Wire,
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
    /// The same for this host itself and for each trusted proxy: everybody else may come through one of them. Half of
    /// all is left to the others whatever it does.
    pub from_a_proxy: usize,
    /// From the beginning of a connection to the end of the first request's headers, the TLS handshake included, and of
    /// each later one's.
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
            from_a_proxy: 4096,
            header_time: Duration::from_secs(10),
            quiet: Duration::from_mins(1),
            idle: Duration::from_mins(2),
        }
    }
}

/// Where connections come in, and whom they come from.
pub struct Door {
    pub listener: TcpListener,
    /// Without it, plain HTTP.
    pub tls: Option<Tls>,
    pub proxies: Proxies,
    pub limits: Limits,
}

/// What every connection needs of the door.
struct Behind {
    router: Router,
    tls: Option<Tls>,
    proxies: Proxies,
    limits: Limits,
    stopping: Stopping,
}

impl Behind {
    /// How many connections may come from there. Who asks on them is known too late to be counted: it is in the headers.
    fn most(&self, peer: IpAddr) -> usize {
        let many = peer.to_canonical().is_loopback() || self.proxies.has(peer);
        if many { self.limits.from_a_proxy } else { self.limits.from_one_address }
    }
}

/// Accepts until told to stop; then lets running answers end, up to `drain`, and cuts what is left.
pub async fn listen(door: Door, frame: Frame, stopping: Stopping, drain: Duration) -> Result<(), Fault> {
    let router = Router::new();
    #[allow(clippy::disallowed_methods, reason = "the one place where the list of endpoints meets axum")]
    let router = router.fallback(move |request: Request<Body>| dispatch(frame.clone(), request));
    files::make_room(door.limits.connections);
    if let Some(tls) = &door.tls {
        tasks::spawn(tls.clone().follow(LOOK, stopping.begun()));
    }
    accept(door, router, stopping, drain).await
}

async fn accept(door: Door, router: Router, stopping: Stopping, drain: Duration) -> Result<(), Fault> {
    let Door { listener, tls, proxies, limits } = door;
    let behind = Arc::new(Behind { router, tls, proxies, limits, stopping: stopping.clone() });
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
                let Some(share) = shares.take(peer.ip(), behind.most(peer.ip())) else {
                    crowded.tell(peer.ip());
                    continue;
                };
                let connection = connection(stream, peer, Arc::clone(&behind));
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

async fn connection(stream: TcpStream, peer: SocketAddr, behind: Arc<Behind>) {
    let _ = stream.set_nodelay(true);
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let idle = Idle::default();
    let watched = Watched { stream, idle: idle.clone() };
    if !serve(watched, peer, &behind, &idle).await {
        // The client must see a broken connection, never a clean end: reset it, and with it what the kernel still holds.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
}

/// Answers what is asked on one connection. Returns whether it ended by itself; if not, nothing more may leave on it.
async fn serve(watched: Watched, peer: SocketAddr, behind: &Arc<Behind>, idle: &Idle) -> bool {
    let Behind { limits, stopping, .. } = &**behind;
    // hyper's own limit on headers begins only when it knows which HTTP it is.
    let mut silent = pin!(idle.silent(limits.header_time));
    let mut over = pin!(stopping.is_over());
    let wire = tokio::select! {
        wire = Wire::new(watched, behind.tls.as_ref()) => wire,
        () = &mut silent => return false,
        () = &mut over => return false,
    };
    let wire = match wire {
        Ok(wire) => wire,
        Err(error) => {
            tracing::debug!(%error, "a client that does not speak our TLS was turned away");
            return true;
        }
    };
    let cut = Cut::default();
    let (handle, busy, inside) = (cut.clone(), idle.clone(), Arc::clone(behind));
    let router = TowerToHyperService::new(behind.router.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let client = inside.proxies.client(peer.ip(), request.headers());
        request.extensions_mut().insert(Peer(client));
        request.extensions_mut().insert(handle.clone());
        let (held, open, answer) = (busy.hold(), busy.begin(), router.call(request));
        async move {
            let answer = answer.await;
            drop(held);
            answer.map(|answer| answer.map(|body| Body::new(Answering { body, _open: open })))
        }
    });
    let builder = protocols(limits);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(wire), service));
    let mut stop = pin!(stopping.begun());
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
            _ = serving.as_mut() => return true,
            () = &mut stop, if !told => {
                told = true;
                serving.as_mut().graceful_shutdown();
            }
            () = &mut quiet, if !asked_to_leave => {
                asked_to_leave = true;
                serving.as_mut().graceful_shutdown();
            }
            () = &mut gone => return false,
            () = &mut silent => return false,
            () = cut.asked_for() => return false,
            () = &mut over => return false,
            () = &mut dead => return false,
        }
    }
}

fn protocols(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_headers(100);
    // hyper's own queue would add 400 KB to what each slow client holds.
    builder.http1().max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100).max_header_list_size(32 * 1024);
    builder
}
