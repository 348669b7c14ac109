"""Prints what the gateway's TLS costs, against the same server's own TLS, in one run.

    tests/bench_data.py [ROUNDS]        usage: make bench-data

One cache, whose server listens on a TLS port of its own besides, with the gateway's certificate: the same server, data
and keys by two ways, one round of each in turn. Times differ from machine to machine and from round to round: read
the ratios, which are medians over the rounds. Nothing is asserted.

Needs target/release/floci-az, a server on PATH, and redis-benchmark or valkey-benchmark that speaks TLS.
"""

import csv
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GATEWAY = os.environ.get("BENCH_GATEWAY", os.path.join(ROOT, "target", "release", "floci-az"))
CACHE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/redis/bench"
VERSION = "api-version=2024-11-01"
# Large enough for 20,000 clients.
BODY = {"location": "eastus", "properties": {"sku": {"name": "Standard", "family": "C", "capacity": 6}}}
# Clients, commands at a time, and requests in a round.
LOADS = [(1, 1, 10_000), (1, 16, 100_000), (50, 1, 60_000), (50, 16, 400_000)]
IDLE = 5_000


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def until(condition, what):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.02)
    return found


def is_ready(port):
    try:
        return request(port, "GET", "/ready")[0] == 200
    except OSError:
        return False


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def packed(words):
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def measured(benchmark, port, key, ca, clients, pipeline, requests):
    """Requests per second, p50 and p99 in ms, by test."""
    line = [benchmark, "-h", "localhost", "-p", str(port), "--tls", "--cacert", ca, "--sni", "localhost", "-a", key]
    line += ["-t", "set,get", "-c", str(clients), "-P", str(pipeline), "-n", str(requests), "-d", "64", "--csv"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    rows = [row for row in csv.reader(done.stdout.splitlines()) if len(row) >= 8 and row[0] in ("SET", "GET")]
    return {row[0]: (float(row[1]), float(row[4]), float(row[6])) for row in rows}


def resident(process):
    """Bytes."""
    with open(f"/proc/{process}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Rss:"))


def idle(port, key, ca, processes):
    """Bytes for each idle connection, by process."""
    context = ssl.create_default_context(cafile=ca)
    before = [resident(process) for process in processes]
    clients = []
    for _ in range(IDLE):
        client = context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")
        client.sendall(packed(["AUTH", key]))
        assert client.recv(5) == b"+OK\r\n"
        clients.append(client)
    after = [resident(process) for process in processes]
    for client in clients:
        client.close()
    return [(one - other) / IDLE for one, other in zip(after, before)]


def main():
    benchmark = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if benchmark is None or "--tls" not in subprocess.run([benchmark, "--help"], capture_output=True, text=True).stdout:
        raise SystemExit("valkey-benchmark or redis-benchmark with TLS is not on PATH: install valkey-tools or redis-tools")
    raise_limit()
    folder = tempfile.mkdtemp(prefix="floci-az-bench-")
    port, first, gateway_tls, own_tls = free_ports(4)
    variables = {
        "FLOCI_AZ_PORT": port,
        "FLOCI_AZ_RUNTIME": "process",
        "FLOCI_AZ_STORAGE_PERSISTENT_PATH": os.path.join(folder, "data"),
        "FLOCI_AZ_SERVICES_REDIS_BASE_PORT": first,
        "FLOCI_AZ_SERVICES_REDIS_MAX_PORT": first,
        "FLOCI_AZ_SERVICES_REDIS_SSL_PORT": gateway_tls,
    }
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    with open(os.path.join(folder, "log"), "w") as log:
        gateway = subprocess.Popen([GATEWAY], env=environment, cwd=folder, stdout=log, stderr=log)
    own = None
    try:
        until(lambda: is_ready(port), "the gateway")
        request(port, "PUT", f"{CACHE}?{VERSION}", BODY)
        until(lambda: b'"Succeeded"' in request(port, "GET", f"{CACHE}?{VERSION}")[1], "the cache")
        key = json.loads(request(port, "POST", f"{CACHE}/listKeys?{VERSION}")[1])["primaryKey"]
        tls = os.path.join(folder, "data", "tls")
        ca, leaf, secret = (os.path.join(tls, name) for name in ("ca.pem", "leaf.pem", "leaf.key"))
        # Configured as the cache's server is, and the same program.
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        options = {"port": 0, "tls-port": own_tls, "tls-cert-file": leaf, "tls-key-file": secret, "tls-ca-cert-file": ca}
        options |= {"tls-auth-clients": "no", "requirepass": key, "maxclients": 20_000, "dir": folder}
        options |= {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        own = subprocess.Popen([program, *words], cwd=folder, stdout=subprocess.DEVNULL)
        until(lambda: listens(own_tls), "the server with its own TLS")
        [workload] = os.listdir(os.path.join(folder, "data", "workloads"))
        with open(os.path.join(folder, "data", "workloads", workload, "pid")) as file:
            server = int(file.read())
        show(benchmark, (gateway_tls, own_tls), key, ca, gateway.pid, server, own.pid)
    finally:
        if own is not None:
            own.terminate()
            own.wait()
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()
        shutil.rmtree(folder, ignore_errors=True)


def show(benchmark, ports, key, ca, gateway, server, own):
    print(f"{os.path.basename(benchmark)}, values of 64 bytes, {ROUNDS} rounds, {os.cpu_count()} cores; gateway / server's own TLS")
    print(f"{'clients':>7} {'-P':>3} {'test':>4} {'gateway/s':>10} {'own/s':>10} {'ratio':>6}   {'p50 ms':>13} {'p99 ms':>15} {'ratio':>6}")
    for clients, pipeline, requests in LOADS:
        rounds = []
        for number in range(ROUNDS):
            # Which of them is first changes, too.
            order = (0, 1) if number % 2 == 0 else (1, 0)
            found = {way: measured(benchmark, ports[way], key, ca, clients, pipeline, requests) for way in order}
            rounds.append((found[0], found[1]))
        for test in ("SET", "GET"):
            of = lambda way, what: statistics.median(each[way][test][what] for each in rounds)
            ratio = lambda what: statistics.median(each[0][test][what] / each[1][test][what] for each in rounds)
            print(
                f"{clients:>7} {pipeline:>3} {test:>4} {of(0, 0):>10,.0f} {of(1, 0):>10,.0f} {ratio(0):>6.2f}   "
                f"{of(0, 1):>6.3f}/{of(1, 1):<6.3f} {of(0, 2):>7.3f}/{of(1, 2):<7.3f} {ratio(2):>6.2f}",
                flush=True,
            )
    own = idle(ports[1], key, ca, [own])
    through = idle(ports[0], key, ca, [gateway, server])
    print(
        f"{IDLE:,} idle connections, bytes each: gateway {through[0]:,.0f} and server {through[1]:,.0f}; "
        f"server with its own TLS {own[0]:,.0f}"
    )


def raise_limit():
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


main()
