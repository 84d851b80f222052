//! The way in: TLS with clients that look at certificates, a certificate that is replaced, and a proxy in front.
//!
//! The authority is this world's own, made by openssl; nobody is told to look away but `wire`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use weighbridge_simulator::Content;

use crate::{
    stock::{Desk, HUBS, Ran, run},
    wire,
    world::{Folder, World, WorldOptions},
};

/// Makes an authority and a certificate for this host, and says how a gateway is told of them.
pub fn certify(folder: &Path) -> [(&'static str, String); 3] {
    let at = folder.join("tls");
    fs::create_dir(&at).unwrap();
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
                -subj '/CN=authority of a test' -days 30 -addext keyUsage=critical,keyCertSign,cRLSign";
    shell(&at, make);
    issue(&at, "host");
    let path = |name: &str| at.join(name).display().to_string();
    [
        ("WEIGHBRIDGE_TLS__CERT_FILE", path("host.pem")),
        ("WEIGHBRIDGE_TLS__KEY_FILE", path("host.key")),
        // For the commands that act through the API.
        ("SSL_CERT_FILE", path("ca.pem")),
    ]
}

fn issue(at: &Path, name: &str) {
    shell(
        at,
        &format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ),
    );
    let says = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n";
    fs::write(at.join("says"), says).unwrap();
    let sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile says";
    shell(at, &format!("openssl x509 -req -in {name}.csr {sign} -out {name}.pem"));
    fs::set_permissions(at.join(format!("{name}.key")), fs::Permissions::from_mode(0o600)).unwrap();
}

fn shell(at: &Path, command: &str) {
    let ran = Command::new("sh").args(["-c", command]).current_dir(at).output().unwrap();
    assert!(ran.status.success(), "{command}: {}: run tests/run", String::from_utf8_lossy(&ran.stderr));
}

async fn secure() -> World {
    World::start(WorldOptions { tls: true, ..WorldOptions::default() }).await
}

fn tls(world: &World) -> PathBuf {
    world.folder.path().join("tls")
}

async fn desk(world: &World) -> Desk {
    let ca = tls(world).join("ca.pem").display().to_string();
    Desk::new(world).await.variable("SSL_CERT_FILE", &ca).variable("REQUESTS_CA_BUNDLE", &ca)
}

/// What openssl says of the certificate it is shown.
async fn shown(world: &World, more: &str) -> Ran {
    let (ca, address) = (tls(world).join("ca.pem"), world.gateway.address());
    let mut command = Command::new("sh");
    let line =
        format!("openssl s_client -connect {address} -CAfile {} -verify_return_error {more} </dev/null", ca.display());
    command.args(["-c", &line]);
    run(command, Duration::from_mins(1)).await
}

#[tokio::test]
async fn clients_that_look_at_the_certificate_pull_over_tls() {
    let world = secure().await;
    world.approve("acme/tiny@main").await;
    let desk = desk(&world).await;
    let path = "/acme/tiny/resolve/main/model.safetensors";
    let ca = tls(&world).join("ca.pem").display().to_string();
    let mut sums = Vec::new();
    for (version, said) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let words = [version, "--retry", "30", "--cacert", &ca, "-f", "-o", "got", "-w", "%{http_version}"];
        assert_eq!(desk.curl(&words, path).await.good().out, said);
        sums.push(Content::bytes(fs::read(desk.home().join("got")).unwrap()).sha256().to_owned());
    }
    assert_eq!(sums[0], sums[1]);
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let seen = shown(&world, &format!("-brief -alpn h2,http/1.1 {flag}")).await.good().all();
        assert!(seen.contains(version) && seen.contains("Verification: OK"), "{seen}");
    }
    assert_ne!(shown(&world, "-tls1_1").await.code, 0, "TLS 1.1 is spoken");
    // Whoever does not know the authority is not let in by us, nor by its own caution.
    let strict = Desk::new(&world).await.curl(&["--cacert", "/etc/hostname"], path).await;
    assert_ne!(strict.code, 0);
    let plain = format!("http://{}{path}", world.gateway.address());
    assert!(wire::ask("GET", &plain, &world.developer().await, &[]).await.is_err(), "plain HTTP is answered");
}

#[tokio::test]
async fn stock_clients_pull_over_tls() {
    let world = secure().await;
    world.approve("acme/tiny@main").await;
    let steps = json!([
        { "do": "download", "repo": "acme/tiny", "file": "model.safetensors" },
        { "do": "snapshot", "repo": "acme/tiny" },
        { "do": "info", "repo": "acme/tiny" },
    ]);
    for venv in [HUBS[0], HUBS[2]] {
        let done = desk(&world).await.steps(venv, &steps).await;
        assert!(done.iter().all(|step| step.get("value").is_some()), "{venv}: {done:?}");
    }
    world.nothing_leaked();
}

#[tokio::test]
async fn a_certificate_is_replaced_under_a_running_download() {
    let world = secure().await;
    let content = Content::safetensors(7, 24 << 20);
    world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).push();
    world.approve("acme/big@main").await;
    let token = world.developer().await;
    let path = "/acme/big/resolve/main/weights.bin";
    wire::patient(&format!("{}{path}", world.url()), &token, &[("range", "bytes=0-0")]).await.unwrap();
    let fingerprint = async |world: &World| {
        let seen = shown(world, "-showcerts").await.good().all();
        seen.lines().find(|line| line.starts_with("subject=")).unwrap().to_owned()
    };
    assert!(fingerprint(&world).await.ends_with("host"));
    let desk = desk(&world).await;
    let ca = tls(&world).join("ca.pem").display().to_string();
    let words = ["--http1.1", "--cacert", &ca, "-f", "-o", "got", "--limit-rate", "2M"];
    let pulling = desk.curl(&words, path);
    let replacing = async {
        let got = desk.home().join("got");
        while !fs::metadata(&got).is_ok_and(|meta| meta.len() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        issue(&tls(&world), "next");
        for kind in ["pem", "key"] {
            fs::copy(tls(&world).join(format!("next.{kind}")), tls(&world).join(format!("host.{kind}"))).unwrap();
        }
        while !fingerprint(&world).await.ends_with("next") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (pulled, ()) = tokio::time::timeout(Duration::from_mins(3), async { tokio::join!(pulling, replacing) })
        .await
        .expect("the new certificate is shown and the download ends");
    pulled.good();
    assert_eq!(Content::bytes(fs::read(desk.home().join("got")).unwrap()).sha256(), content.sha256());
    assert!(world.gateway.log().contains("the TLS certificate was read anew"));
}

#[tokio::test]
async fn a_revoked_download_over_tls_never_looks_whole() {
    let world = secure().await;
    let content = Content::safetensors(8, 64 << 20);
    world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).push();
    world.approve("acme/big@main").await;
    let token = world.developer().await;
    let path = "/acme/big/resolve/main/weights.bin";
    wire::patient(&format!("{}{path}", world.url()), &token, &[("range", "bytes=0-0")]).await.unwrap();
    let desk = desk(&world).await;
    let ca = tls(&world).join("ca.pem").display().to_string();
    let pull = |version: &'static str, to: &'static str| {
        let (desk, ca) = (&desk, &ca);
        async move { desk.curl(&[version, "--cacert", ca, "-f", "-o", to, "--limit-rate", "1M"], path).await }
    };
    let revoking = async {
        for to in ["one", "two"] {
            while !fs::metadata(desk.home().join(to)).is_ok_and(|meta| meta.len() > 0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        world.revoke("acme/big@main").await;
    };
    let (one, two, ()) = tokio::join!(pull("--http1.1", "one"), pull("--http2", "two"), revoking);
    for (ran, to) in [(one, "one"), (two, "two")] {
        // 56: the connection was reset. 18: less came than was said.
        assert!(matches!(ran.code, 56 | 18), "{to}: {ran:?}");
        assert!(fs::metadata(desk.home().join(to)).unwrap().len() < content.len());
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_refuses_to_start() {
    let world = secure().await;
    fs::set_permissions(tls(&world).join("host.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ran = world.gateway.command(&["serve"], &[("WEIGHBRIDGE_LISTEN", "127.0.0.1:0")]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("tls.key_file") && ran.err.contains("chmod 600"), "{}", ran.err);
}

/// nginx in front of a gateway, seen by it as 127.0.0.2.
struct Proxy {
    url: String,
    child: Child,
    _folder: Folder,
}

impl Proxy {
    async fn before(world: &World) -> Self {
        let folder = Folder::new();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.path().display();
        let conf = format!(
            "master_process off; daemon off; pid {at}/pid; error_log {at}/log; events {{}}\n\
             http {{ access_log off; client_body_temp_path {at}/1; proxy_temp_path {at}/2; fastcgi_temp_path {at}/3;\n\
             uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;\n\
             server {{ listen 0.0.0.0:{port}; location / {{ proxy_pass http://{}; proxy_bind 127.0.0.2;\n\
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}",
            world.gateway.address()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, conf).unwrap();
        let nginx = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(nginx.unwrap_or("nginx"));
        command.arg("-c").arg(&file).arg("-e").arg(folder.path().join("log")).stdin(Stdio::null());
        let child = command.spawn().expect("nginx: run tests/run");
        let proxy = Self { url: format!("http://127.0.0.1:{port}"), child, _folder: folder };
        let ready = async {
            while wire::ask("GET", &format!("{}/-/healthz", proxy.url), "", &[]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), ready).await.expect("nginx answers");
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pulls a file from 127.9.0.1, saying what it likes about itself, and says where the ledger has it from.
async fn pulled_from(world: &World, url: &str, says: &[&str]) -> String {
    let grants = "SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'file.granted' ORDER BY seq";
    let before = world.query_text(grants).await.len();
    let desk = Desk::with(url, &world.developer().await);
    let mut words = vec!["--interface", "127.9.0.1", "-f", "-o", "got", "--retry", "30"];
    for header in says {
        words.extend(["-H", header]);
    }
    desk.curl(&words, "/acme/tiny/resolve/main/config.json").await.good();
    let after = world.query_text(grants).await;
    assert_eq!(after.len(), before + 1, "another address is another grant");
    let entry: Value = serde_json::from_str(after.last().unwrap()).unwrap();
    entry["source"]["net"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_client_behind_a_trusted_proxy_cannot_choose_its_address() {
    let settings = vec![("WEIGHBRIDGE_TRUSTED_PROXIES", "127.0.0.2".to_owned())];
    let world = World::start(WorldOptions { settings, ..WorldOptions::default() }).await;
    world.approve("acme/tiny@main").await;
    let proxy = Proxy::before(&world).await;
    let says = ["X-Forwarded-For: 198.51.100.7"];
    assert_eq!(pulled_from(&world, &proxy.url, &says).await, "127.9.0.0/16", "the proxy says who asks");
    // Who is no proxy is not believed, whatever it says.
    let says = ["X-Forwarded-For: 198.51.100.7, 203.0.113.9"];
    let direct = Desk::with(world.url(), &world.developer().await);
    let mut words = vec!["--interface", "127.8.0.1", "-f", "-o", "got"];
    words.extend(["-H", says[0], "-H", "Forwarded: for=203.0.113.9"]);
    direct.curl(&words, "/acme/tiny/resolve/main/config.json").await.good();
    let nets = "SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'file.granted' ORDER BY seq";
    let entries = world.query_text(nets).await;
    assert!(entries.last().unwrap().contains("127.8.0.0/16"), "{}", entries.last().unwrap());
    assert!(entries.iter().all(|entry| !entry.contains("198.51") && !entry.contains("203.0")));
    // Both headers at once: one of them is the client's own, so neither is believed.
    assert_eq!(pulled_from(&world, &proxy.url, &["Forwarded: for=203.0.113.9"]).await, "127.0.0.0/16");
    world.ledger_is_whole().await;
}
