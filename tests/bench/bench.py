"""Benchmarks of the gateway beside nginx and beside the hub itself, in one run on one machine.

Prints a table of figures and ratios. Reads no clock but the monotonic one and asserts nothing: a slow machine is not a
wrong program. Usage: tests/bench/run [--gib N]
"""

import argparse, json, os, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

# Knows the certificate of a run with TLS.
TRUST = ssl.create_default_context()

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

def wait_for(url, seconds=30):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            with urllib.request.urlopen(url, timeout=1, context=TRUST) as answer:
                if answer.status == 200:
                    return time.monotonic() - began
        except OSError:
            time.sleep(0.01)
    sys.exit(f"nothing answers at {url}")

def cpu_seconds(pids):
    tick, total = os.sysconf("SC_CLK_TCK"), 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / tick

def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024

def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

class Bench:
    def __init__(self, binaries, gib):
        self.bin, self.gib = Path(binaries), gib
        self.dir = Path(tempfile.mkdtemp(prefix="weighbridge-bench-"))
        self.procs = []

    def start(self, args, env=None, **kw):
        out = open(self.dir / f"{Path(args[0]).name}-{len(self.procs)}.log", "w")
        proc = subprocess.Popen(args, stdout=kw.get("stdout", out), stderr=out, env={**os.environ, **(env or {})}, text=True)
        self.procs.append(proc)
        return proc

    def hub(self):
        proc = self.start([str(self.bin / "weighbridge-simulator"), "--sample"], stdout=subprocess.PIPE)
        said = json.loads(proc.stdout.readline())
        self.hub_url = said["hub"]
        self.model("bench/big", 7)

    def model(self, repo, seed):
        self.sim("/-sim/repos", {"kind": "models", "id": repo})
        self.sim("/-sim/commit", {"kind": "models", "id": repo, "title": "big", "files": [
            {"path": "model.safetensors", "safetensors": {"seed": seed, "len": int(self.gib * (1 << 30))}},
            {"path": "config.json", "text": "{}" + " " * 1000}]})

    def sim_json(self, path, body):
        return json.loads(self.sim(path, body))

    def sim(self, path, body):
        request = urllib.request.Request(self.hub_url + path, json.dumps(body).encode(), {"content-type": "application/json"})
        return urllib.request.urlopen(request).read()

    def gateway(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.env = {"WEIGHBRIDGE_LISTEN": f"127.0.0.1:{port}", "WEIGHBRIDGE_DATA_DIR": str(self.dir / "data"),
                    "WEIGHBRIDGE_UPSTREAM__URL": self.hub_url, "WEIGHBRIDGE_UPSTREAM__ALLOW_HOSTS": "127.0.0.1",
                    "WEIGHBRIDGE_UPSTREAM__ALLOW_PRIVATE_ADDRESSES": "true"}
        self.gw = self.start([str(self.bin / "weighbridge"), "serve"], self.env)
        self.started = wait_for(self.url + "/-/readyz")
        time.sleep(1)
        self.idle = resident_mib(self.gw.pid)
        self.token = self.run("token", "create", "--name", "bench", "--role", "developer")
        self.reviewer = self.run("token", "create", "--name", "rev", "--role", "reviewer")
        self.run("approve", "bench/big@main", "--reason", "benchmark", "--env", "research", "--yes",
                 env={"WEIGHBRIDGE_URL": self.url, "WEIGHBRIDGE_TOKEN": self.reviewer})

    def run(self, *args, env=None):
        done = subprocess.run([str(self.bin / "weighbridge"), *args], env={**os.environ, **self.env, **(env or {})},
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"weighbridge {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def nginx(self):
        port, root = free_port(), self.dir / "www"
        root.mkdir()
        self.tls_port, self.cert, self.key = free_port(), self.dir / "host.pem", self.dir / "host.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(self.key), "-out", str(self.cert)],
                       check=True, capture_output=True)
        TRUST.load_verify_locations(self.cert)
        blob = max((self.dir / "data/blobs").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
        os.symlink(blob, root / "model.safetensors")
        (root / "config.json").write_text("{}" + " " * 1000)
        os.chmod(self.dir, 0o755)
        conf = self.dir / "nginx.conf"
        conf.write_text(f"""
user root; worker_processes 2; daemon off; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx.err;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2;
  fastcgi_temp_path {self.dir}/t3; uwsgi_temp_path {self.dir}/t4; scgi_temp_path {self.dir}/t5;
  server {{ listen 127.0.0.1:{port} reuseport; root {root}; }}
  server {{ listen 127.0.0.1:{self.tls_port} ssl reuseport; root {root}; ssl_certificate {self.cert}; ssl_certificate_key {self.key};
    ssl_protocols TLSv1.3; ssl_buffer_size 16k; }} }}""")
        self.ng = self.start([shutil.which("nginx"), "-c", str(conf)])
        self.ng_url = f"http://127.0.0.1:{port}"
        wait_for(self.ng_url + "/config.json")

    def fetch(self, url, clients, token=None):
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        began = time.monotonic()
        secure = ["--cacert", str(self.cert), "--http1.1"] if url.startswith("https") else []
        procs = [subprocess.Popen(["curl", "-sf", *secure, *header, "-o", "/dev/null", url]) for _ in range(clients)]
        if any(p.wait() for p in procs):
            sys.exit(f"a download of {url} failed")
        return time.monotonic() - began

    def warm(self, clients):
        """Medians of five for each, taken in turns so that a busy neighbour hits both."""
        ours_url = f"{self.url}/bench/big/resolve/main/model.safetensors"
        rows = {"gateway": [], "nginx": []}
        for _ in range(5):
            for name, url, token, pids in (("nginx", self.ng_url + "/model.safetensors", None, children(self.ng.pid)),
                                           ("gateway", ours_url, self.token, [self.gw.pid])):
                before = cpu_seconds(pids)
                took = self.fetch(url, clients, token)
                gb = clients * self.gib * (1 << 30) / 1e9
                rows[name].append((gb / took, (cpu_seconds(pids) - before) / gb))
        median = {name: [statistics.median(column) for column in zip(*row)] for name, row in rows.items()}
        (ours, our_cpu), (theirs, their_cpu) = median["gateway"], median["nginx"]
        how = " over TLS" if self.url.startswith("https") else ""
        self.say(f"warm GET{how}, {clients} client{'s' if clients > 1 else ''}", f"{ours:.2f} GB/s", f"{theirs:.2f} GB/s", ours / theirs)
        self.say("  server CPU per GB", f"{our_cpu:.3f} s", f"{their_cpu:.3f} s", our_cpu / their_cpu)

    def secure(self):
        """The same gateway again with TLS, and nginx with the same certificate."""
        self.gw.send_signal(signal.SIGKILL)
        self.gw.wait()
        self.procs.remove(self.gw)
        self.url = self.env["WEIGHBRIDGE_PUBLIC_URL"] = self.url.replace("http:", "https:")
        self.env |= {"WEIGHBRIDGE_TLS__CERT_FILE": str(self.cert), "WEIGHBRIDGE_TLS__KEY_FILE": str(self.key)}
        self.gw = self.start([str(self.bin / "weighbridge"), "serve"], self.env)
        wait_for(self.url + "/-/readyz")
        self.ng_url = f"https://127.0.0.1:{self.tls_port}"
        self.warm(1)
        self.warm(8)

    def heads(self):
        # wrk cannot do HEAD (it waits for the body that Content-Length speaks of); ab can.
        def head(url):
            out = subprocess.run(["ab", "-q", "-i", "-k", "-c", "64", "-n", "60000", "-H", f"Authorization: Bearer {self.token}", url],
                                 capture_output=True, text=True).stdout
            per_second = float(next(l for l in out.splitlines() if "Requests per second" in l).split()[3])
            p99 = next(l for l in out.splitlines() if l.strip().startswith("99%")).split()[1] + " ms"
            if "Non-2xx" in out:
                sys.exit(out)
            return per_second, p99
        script = self.dir / "get.lua"
        def rate(url):
            out = subprocess.run(["wrk", "-t2", "-c64", "-d5s", "--latency", "-s", str(script), url], capture_output=True, text=True).stdout
            per_second = float(next(l for l in out.splitlines() if "Requests/sec" in l).split()[1])
            p99 = next(l for l in out.splitlines() if l.strip().startswith("99%")).split()[1]
            if "Non-2xx" in out:
                sys.exit(out)
            return per_second, p99
        ng, ng99 = head(self.ng_url + "/config.json")
        ours, ours99 = head(f"{self.url}/bench/big/resolve/main/config.json")
        self.say(f"HEAD resolve, 64 connections (p99 {ours99}, nginx {ng99})", f"{ours:,.0f}/s", f"{ng:,.0f}/s", ours / ng)
        script.write_text(f'wrk.headers["Authorization"] = "Bearer {self.token}"\n')
        ng, _ = rate(self.ng_url + "/config.json")
        info, info99 = rate(f"{self.url}/api/models/bench/big")
        self.say(f"model info, 64 connections (p99 {info99})", f"{info:,.0f}/s", f"{ng:,.0f}/s", info / ng)

    def cold(self, rounds, bandwidth):
        """Medians over rounds in turns; every round is a model of its own, so that each pull is the first. The hub sends as
        fast as it can, or as a network of this speed would let it."""
        sim = lambda n: f"bench/cold-{bandwidth}-{n}"
        fault = bandwidth and self.sim_json("/-sim/faults", {"kind": "bandwidth", "bytes_per_second": bandwidth, "side": "cdn"})
        direct, through, first = [], [], []
        for n in range(rounds):
            self.model(sim(n), 100 + 10 * n + (bandwidth or 0) % 7)
            path = f"/{sim(n)}/resolve/main/model.safetensors"
            self.judged(sim(n))
            began = time.monotonic()
            subprocess.run(["curl", "-sfL", "-o", "/dev/null", self.hub_url + path], check=True)
            direct.append(time.monotonic() - began)
            began = time.monotonic()
            done = subprocess.run(["curl", "-sf", "--retry", "60", "-H", f"Authorization: Bearer {self.token}", "-o", "/dev/null",
                                   "-w", "%{time_starttransfer}", self.url + path], check=True, capture_output=True, text=True)
            through.append(time.monotonic() - began)
            first.append(float(done.stdout))
            # Nobody asks for it again, and the next round needs its room.
            for blob in (self.dir / "data/blobs").rglob("*"):
                if blob.is_file() and blob.stat().st_size > 1 << 20:
                    blob.unlink()
        if fault:
            urllib.request.urlopen(urllib.request.Request(f"{self.hub_url}/-sim/faults/{fault['id']}", method="DELETE")).read()
        ours, theirs = statistics.median(through), statistics.median(direct)
        how = f"{bandwidth / 125e6:g} Gbit/s" if bandwidth else "loopback"
        self.say(f"cold pull of {self.gib} GiB over {how}, against the hub itself (time)", f"{ours:.2f} s", f"{theirs:.2f} s", ours / theirs)
        print(f"|   its first byte after | {statistics.median(first) * 1000:.0f} ms | - | - |", flush=True)

    def pull(self):
        subprocess.run(["curl", "-sf", "--retry", "60", "-H", f"Authorization: Bearer {self.token}", "-o", "/dev/null",
                        f"{self.url}/bench/big/resolve/main/model.safetensors"], check=True)

    def judged(self, repo):
        """Asked for once, as a client does first, so that its rules have decided: what is measured is bytes."""
        request = urllib.request.Request(f"{self.url}/api/models/{repo}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def say(self, what, ours, theirs, ratio):
        print(f"| {what} | {ours} | {theirs} | {ratio:.2f} |", flush=True)

    def stop(self):
        for proc in reversed(self.procs):
            proc.send_signal(signal.SIGKILL if proc is not self.procs[-1] else signal.SIGTERM)
            proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries")
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", type=lambda text: [int(float(n) * 125e6) for n in text.split(",")], default=[0, 125_000_000, 1_250_000_000],
                        help="speeds of the hub in Gbit/s, 0 for as fast as it can")
    parser.add_argument("--only-cold", action="store_true")
    parser.add_argument("--only-tls", action="store_true")
    asked = parser.parse_args()
    bench = Bench(asked.binaries, asked.gib)
    try:
        bench.hub()
        bench.gateway()
        print("| figure | gateway | peer | ratio |\n|---|---|---|---|")
        for bandwidth in [] if asked.only_tls else asked.cold:
            bench.cold(asked.rounds, bandwidth)
        if asked.only_cold:
            return
        bench.pull()
        bench.nginx()
        if asked.only_tls:
            bench.secure()
            return
        bench.warm(1)
        bench.warm(8)
        bench.heads()
        print(f"| start until ready | {bench.started * 1000:.0f} ms | - | - |")
        print(f"| resident when idle | {bench.idle:.0f} MiB | - | - |")
        print(f"| resident after all of this | {resident_mib(bench.gw.pid):.0f} MiB | - | - |")
        bench.secure()
    finally:
        bench.stop()

if __name__ == "__main__":
    main()
