//! TLS for the listener: the certificate and its key, looked at again every few seconds.
//!
//! A pair that cannot be used never replaces one that can, and no connection ends because a certificate was replaced.
//! Never uses a key that others can read, and never prints one.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use crate::domain::refusal::Fault;

#[cfg(test)]
mod tests;

/// A certificate in use, and where it comes from. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    now: Mutex<Now>,
}

struct Now {
    config: Arc<ServerConfig>,
    /// Both files as they were when they were last read with success.
    seen: Option<Seen>,
    /// Why the files as they are now cannot be used, once that was said.
    told: Option<String>,
}

/// What tells a file from the one that was there before.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);
type Seen = [Stamp; 2];

/// What came of looking at the files.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Same,
    Replaced,
    /// They cannot be used, and why; the old pair stays.
    Kept(String),
}

impl Tls {
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, Fault> {
        let seen = seen(&certificate, &key);
        let (config, _) = read(&certificate, &key).map_err(Fault::new)?;
        let now = Mutex::new(Now { config, seen: seen.ok(), told: None });
        Ok(Self(Arc::new(Inner { certificate, key, now })))
    }

    /// What a connection that begins now is given.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&now.config))
    }

    /// Looks at the files until told to stop.
    pub(super) async fn follow(self, every: Duration, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(every) => {}
            }
            let this = self.clone();
            // The files may lie on something slow.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }

    /// Takes the pair as it is now, if it is another one and can be used.
    fn look(&self) -> Looked {
        let Inner { certificate, key, now } = &*self.0;
        let seen = seen(certificate, key);
        let lock = || now.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_ok() && lock().seen == seen.clone().ok() {
            return Looked::Same;
        }
        // What could not be used is read again each time, even if the files look alike: whoever writes them may write
        // twice within one tick of the file system's clock.
        match seen.and_then(|seen| read(certificate, key).map(|read| (read, seen))) {
            Ok(((config, fingerprint), seen)) => {
                tracing::info!(fingerprint, "the TLS certificate was read anew; connections that begin now get it");
                *lock() = Now { config, seen: Some(seen), told: None };
                Looked::Replaced
            }
            Err(why) => {
                let mut now = lock();
                now.seen = None;
                if now.told.as_ref() != Some(&why) {
                    tracing::warn!(why, "the TLS certificate was changed and cannot be used; the old one stays");
                    now.told = Some(why.clone());
                }
                Looked::Kept(why)
            }
        }
    }
}

fn seen(certificate: &Path, key: &Path) -> Result<Seen, String> {
    Ok([stamp("tls.cert_file", certificate)?, stamp("tls.key_file", key)?])
}

/// Follows links: certificates that an orchestrator mounts are replaced by turning a link elsewhere.
fn stamp(what: &str, path: &Path) -> Result<Stamp, String> {
    let meta = fs::metadata(path).map_err(|error| unreadable(what, path, &error))?;
    Ok((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()))
}

/// The pair as it can be used, and the sha256 of the certificate.
fn read(certificate: &Path, key: &Path) -> Result<(Arc<ServerConfig>, String), String> {
    let text = fs::read(certificate).map_err(|error| unreadable("tls.cert_file", certificate, &error))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("`tls.cert_file` {} is no whole PEM file", certificate.display()))?;
    let Some(first) = chain.first() else {
        return Err(format!("`tls.cert_file` {} holds no certificate in PEM", certificate.display()));
    };
    let fingerprint = digest::digest(&digest::SHA256, first);
    let fingerprint = fingerprint.as_ref().iter().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "{byte:02x}");
        all
    });
    let key = private_key(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| format!("TLS 1.2 and 1.3 cannot be offered: {error}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                "`tls.key_file` is not the key of the first certificate in `tls.cert_file`".to_owned()
            }
            error => format!("`tls.cert_file` and `tls.key_file` cannot be used together: {error}"),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), fingerprint))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let meta = fs::metadata(path).map_err(|error| unreadable("tls.key_file", path, &error))?;
    // Its group may read it: that is how systems hand keys to servers. Nobody else may, and only the owner may change it.
    if meta.mode() & 0o027 != 0 {
        return Err(format!(
            "`tls.key_file` {} can be read or changed by others: chmod 600 it (a Kubernetes secret: defaultMode 0400, or \
             0440 with fsGroup), and if others have logged in to this machine, have a new certificate made",
            path.display()
        ));
    }
    let text = fs::read(path).map_err(|error| unreadable("tls.key_file", path, &error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let shown = path.display();
        format!(
            "`tls.key_file` {shown} holds no whole private key in PEM (PKCS#8, SEC1 or PKCS#1, without a passphrase)"
        )
    })
}

fn unreadable(what: &str, path: &Path, error: &io::Error) -> String {
    format!("`{what}` {} cannot be read: {error}", path.display())
}

/// How often the files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(3);
