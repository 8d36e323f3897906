#!/usr/bin/env python3
"""Tocsin's own benchmark: prints figures and ratios; `bench/RESULTS.md` keeps the ones worth quoting.

    bench/bench.py footprint|scrape|flip|all [--seconds N]

Runs target/release/tocsin beside Debian's prometheus and prometheus-alertmanager in the same minute on the same
machine, everything on loopback in temporary directories. Only Python's standard library is needed.
"""
import argparse
import asyncio
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOCSIN = ROOT / "target/release/tocsin"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as reply:
        return reply.read()


class Program:
    """A child process in a directory of its own."""

    def __init__(self, args, url, ready="/-/ready", env=None):
        self.log = tempfile.NamedTemporaryFile(prefix="bench-", suffix=".log")
        self.url = url
        self.begun = time.perf_counter()
        self.child = subprocess.Popen(
            [str(a) for a in args], stdout=self.log, stderr=self.log, cwd=ROOT, env={**os.environ, **(env or {})}
        )
        self.ready_ms = self._wait(ready)

    def _wait(self, path):
        while time.perf_counter() - self.begun < 60:
            if self.child.poll() is not None:
                raise SystemExit(f"ended at start:\n{pathlib.Path(self.log.name).read_text()[-3000:]}")
            try:
                get(self.url + path, 1)
                return (time.perf_counter() - self.begun) * 1000
            except OSError:
                time.sleep(0.001)
        raise SystemExit(f"not ready:\n{pathlib.Path(self.log.name).read_text()[-3000:]}")

    def cpu(self):
        """CPU seconds so far, user and system."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def tocsin(directory, *args, env=None):
    port = free_port()
    return Program(
        [TOCSIN, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", directory / "tocsin", *args],
        f"http://127.0.0.1:{port}",
        env={"TOCSIN_DISCOVER": "off", "LOG_LEVEL": "warning", **(env or {})},
    )


def prometheus(directory, config):
    port = free_port()
    return Program(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'prometheus'}",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
        f"http://127.0.0.1:{port}",
    )


def alertmanager(directory, config, port):
    return Program(
        ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={directory / 'alertmanager'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"],
        f"http://127.0.0.1:{port}",
    )


def show(name, ours, theirs, unit):
    ratio = f"{theirs / ours:6.1f} x" if ours else "-"
    print(f"{name:<44} tocsin {ours:10.3f}   other {theirs:10.3f} {unit:<12} ratio {ratio}", flush=True)


# --- footprint ---------------------------------------------------------------------------------------------


def footprint(_):
    def start(make):
        with tempfile.TemporaryDirectory() as name:
            program = make(pathlib.Path(name))
            time.sleep(5)
            figures = program.ready_ms, program.rss_mb()
            program.stop()
            return figures

    def peer(directory):
        config = directory / "prometheus.yml"
        config.write_text("scrape_configs: []\n")
        return prometheus(directory, config)

    ours, theirs = [], []
    for _ in range(5):
        ours.append(start(lambda d: tocsin(d)))
        theirs.append(start(peer))
    median = lambda rows, i: statistics.median(row[i] for row in rows)
    show("ready after, median of 5", median(ours, 0), median(theirs, 0), "ms")
    show("RSS idle after 5 s, median of 5", median(ours, 1), median(theirs, 1), "MB")
    peer_size = os.path.getsize(os.path.realpath(shutil.which("prometheus")))
    show("binary", os.path.getsize(TOCSIN) / 2**20, peer_size / 2**20, "MiB")


# --- scrape ------------------------------------------------------------------------------------------------

TARGETS, SERIES, BODIES = 100, 1000, 8


def bodies():
    """Bodies of 1,000 series like a node_exporter's; 43 % of the values change from one to the next."""
    rng = random.Random(7)
    names, values = [], []
    for i in range(SERIES):
        family, kind = i // 20, i % 3
        if i % 20 == 0:
            names.append(f"# HELP bench_metric_{family}_total One of fifty families.\n# TYPE bench_metric_{family}_total counter\n")
        else:
            names.append("")
        names[-1] += f'bench_metric_{family}_total{{cpu="{i % 8}",mode="mode{i % 20}",handler="/api/v1/path{kind}",code="200"}} '
        values.append(rng.random() * 1e6)
    made = []
    for _ in range(BODIES):
        values = [v + rng.random() * 50 if rng.random() < 0.43 else v for v in values]
        made.append("".join(f"{n}{v:.6f}\n" for n, v in zip(names, values)).encode())
    return made


class Exporters:
    """A hundred targets on 127.0.1.1 to 127.0.1.100; counts the samples each scraper was served."""

    def __init__(self):
        self.served = {"Prometheus": 0, "tocsin": 0}
        self.port = free_port()
        self.bodies = bodies()
        self.hosts = [f"127.0.1.{i}" for i in range(1, TARGETS + 1)]
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait()

    async def _serve(self, started):
        server = await asyncio.start_server(self._client, self.hosts, self.port)
        started.set()
        async with server:
            await server.serve_forever()

    async def _client(self, reader, writer):
        turn = random.randrange(BODIES)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = self.bodies[turn % BODIES]
                turn += 1
                who = "Prometheus" if b"user-agent: prometheus" in head else "tocsin"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
                self.served[who] += SERIES
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def scrape(options):
    exporters = Exporters()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        config = directory / "prometheus.yml"
        targets = [f"{host}:{exporters.port}" for host in exporters.hosts]
        config.write_text(json.dumps({
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "scrape_configs": [{"job_name": "bench", "static_configs": [{"targets": targets}]}],
        }))
        ours, theirs = tocsin(directory, "--prometheus-config", config), prometheus(directory, config)
        time.sleep(20)
        start = (dict(exporters.served), ours.cpu(), theirs.cpu())
        time.sleep(options.seconds)
        end = (dict(exporters.served), ours.cpu(), theirs.cpu())
        million = lambda who: (end[0][who] - start[0][who]) / 1e6
        show("scrape CPU per million samples", (end[1] - start[1]) / million("tocsin"), (end[2] - start[2]) / million("Prometheus"), "s")
        show("RSS after the run", ours.rss_mb(), theirs.rss_mb(), "MB")
        show("samples taken", million("tocsin"), million("Prometheus"), "M")
        print(f"distance to the floor of 0.11 s per million: {(end[1] - start[1]) / million('tocsin') / 0.11:.1f} x")
        ours.stop()
        theirs.stop()


# --- flip --------------------------------------------------------------------------------------------------


class Flippers:
    """Twenty targets with one gauge each, and two webhooks that note when a flip was told."""

    def __init__(self, count):
        self.values, self.told = [0] * count, {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = f"bench_flip {outer.values[int(self.path.rsplit('/', 1)[1])]}\n".encode()
                self._reply(body)

            def do_POST(self):
                page = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in page["alerts"]:
                    if alert["status"] == "firing":
                        outer.told.setdefault((self.path, int(alert["labels"]["target"])), time.perf_counter())
                self._reply(b"ok")

            def _reply(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def flip(_):
    count = 20
    flippers = Flippers(count)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        am_port = free_port()
        (directory / "rules.yml").write_text(json.dumps({"groups": [{"name": "flip", "rules": [
            {"alert": "Flipped", "expr": "bench_flip == 1"}]}]}))
        base = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": f"flip{i}", "metrics_path": f"/metrics/{i}",
                 "static_configs": [{"targets": [flippers.address], "labels": {"target": str(i)}}]}
                for i in range(count)],
        }
        (directory / "ours.yml").write_text(json.dumps(base))
        (directory / "theirs.yml").write_text(json.dumps({**base, "alerting": {"alertmanagers": [
            {"static_configs": [{"targets": [f"127.0.0.1:{am_port}"]}]}]}}))
        for who in ("ours", "theirs"):
            (directory / f"am-{who}.yml").write_text(json.dumps({
                "route": {"receiver": "hook", "group_by": ["target"], "group_wait": "0s", "group_interval": "1s"},
                "receivers": [{"name": "hook", "webhook_configs": [{"url": f"http://{flippers.address}/{who}"}]}]}))
        ours = tocsin(directory, "--prometheus-config", directory / "ours.yml",
                      "--alertmanager-config", directory / "am-ours.yml")
        manager = alertmanager(directory, directory / "am-theirs.yml", am_port)
        theirs = prometheus(directory, directory / "theirs.yml")
        time.sleep(10)
        flipped, rng = {}, random.Random(11)
        for i in rng.sample(range(count), count):
            time.sleep(rng.random() * 1.5)
            flipped[i] = time.perf_counter()
            flippers.values[i] = 1
        time.sleep(8)
        delays = {}
        for who in ("/ours", "/theirs"):
            missing = [i for i in flipped if (who, i) not in flippers.told]
            if missing:
                raise SystemExit(f"{who}: never told of {missing}")
            delays[who] = [flippers.told[who, i] - at for i, at in flipped.items()]
        show(f"flip to webhook, mean of {count}", statistics.mean(delays["/ours"]), statistics.mean(delays["/theirs"]), "s")
        show("flip to webhook, longest", max(delays["/ours"]), max(delays["/theirs"]), "s")
        for program in (ours, theirs, manager):
            program.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["footprint", "scrape", "flip", "all"])
    parser.add_argument("--seconds", type=int, default=60, help="how long the scrape run is measured")
    options = parser.parse_args()
    if not TOCSIN.exists():
        sys.exit(f"{TOCSIN} is missing: cargo build --release")
    for bench in (footprint, scrape, flip):
        if options.what in (bench.__name__, "all"):
            print(f"--- {bench.__name__}")
            bench(options)


if __name__ == "__main__":
    main()
