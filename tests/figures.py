"""Prints what the gateway costs, against the same servers without it, in one run.

    tests/figures.py [ROUNDS]        usage: make figures

Measured on this machine, on loopback, one after the other and interleaved: read the ratios, not the times.
Needs target/release/floci-az, a server on PATH and, for the second half, a Docker engine with the image.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 9
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GATEWAY = os.path.join(ROOT, "target", "release", "floci-az")
IMAGE = "valkey/valkey:8-alpine"
CACHE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/redis/"
BODY = json.dumps({"location": "eastus", "properties": {"sku": {"name": "Basic", "family": "C", "capacity": 0}}})
CONFIGURATION = 'appendonly yes\nappendfsync everysec\nsave ""\nrequirepass secret\nprotected-mode no\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, json.loads(text) if text else None


def until_pong(port):
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as server:
                server.sendall(b"AUTH secret\r\nPING\r\n")
                answer = b""
                while piece := server.recv(64):
                    answer += piece
                    if b"PONG" in answer:
                        return
        except OSError:
            pass
        time.sleep(0.001)


def started(folder, runtime):
    """A gateway, its port, and the seconds until it answered."""
    port, first = free_port(), 36000
    variables = {
        "FLOCI_AZ_PORT": str(port),
        "FLOCI_AZ_RUNTIME": runtime,
        "FLOCI_AZ_STORAGE_PERSISTENT_PATH": folder,
        "FLOCI_AZ_SERVICES_REDIS_BASE_PORT": str(first),
        "FLOCI_AZ_SERVICES_REDIS_MAX_PORT": str(first + 50),
    }
    begin = time.perf_counter()
    log = open(os.path.join(folder, "log"), "a")
    process = subprocess.Popen([GATEWAY], env=os.environ | variables, stdout=log, stderr=log)
    while True:
        try:
            request(port, "GET", "/health")
            return process, port, time.perf_counter() - begin
        except OSError:
            time.sleep(0.0005)


def ended(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def resident(pid):
    """Proportional set size in MiB: what the process would give back."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def created(port, number):
    """Seconds from sending the PUT to reading that its operation has succeeded."""
    path = f"{CACHE}cache-{number}?api-version=2024-11-01"
    begin = time.perf_counter()
    answer, _ = request(port, "PUT", path, BODY)
    operation = answer.getheader("azure-asyncoperation").split("/", 3)[3]
    while (status := request(port, "GET", "/" + operation)[1])["status"] == "InProgress":
        pass
    seconds = time.perf_counter() - begin
    assert status["status"] == "Succeeded", status
    request(port, "DELETE", path)
    while request(port, "GET", path)[0].status != 404:
        time.sleep(0.01)
    return seconds


def bare_process(folder):
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    port = free_port()
    data = tempfile.mkdtemp(dir=folder)
    file = os.path.join(data, "server.conf")
    with open(file, "w") as out:
        out.write(f"{CONFIGURATION}dir {data}\nbind 127.0.0.1\nport {port}\n")
    begin = time.perf_counter()
    server = subprocess.Popen([program, file], stdout=subprocess.DEVNULL)
    until_pong(port)
    seconds = time.perf_counter() - begin
    ended(server)
    return seconds


def bare_container():
    port = free_port()
    command = ["valkey-server", "--requirepass", "secret", "--appendonly", "yes", "--protected-mode", "no"]
    begin = time.perf_counter()
    run = ["docker", "run", "-d", "-p", f"127.0.0.1:{port}:6379", IMAGE] + command
    container = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
    until_pong(port)
    seconds = time.perf_counter() - begin
    subprocess.run(["docker", "rm", "-f", "-v", container], check=True, capture_output=True)
    return seconds


def line(name, values, unit, scale=1.0):
    values = [value * scale for value in values]
    print(f"{name:<52} {min(values):8.1f} {statistics.median(values):8.1f} {max(values):8.1f} {unit}")


def creation(runtime, bare):
    with tempfile.TemporaryDirectory() as folder:
        process, port, _ = started(folder, runtime)
        try:
            created(port, 0)
            pairs = [(created(port, n), bare(folder)) for n in range(1, ROUNDS + 1)]
        finally:
            ended(process)
        line(f"{runtime}: PUT to Succeeded", [ours for ours, _ in pairs], "ms", 1000)
        line(f"{runtime}: the bare server, started to PING", [theirs for _, theirs in pairs], "ms", 1000)
        line(f"{runtime}: ratio", [ours / theirs for ours, theirs in pairs], "x")


def starts():
    cold, warm, memory = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for seconds in (cold, warm):
                process, port, took = started(folder, "none")
                seconds.append(took)
                time.sleep(0.2 if seconds is cold else 2)
                if seconds is warm:
                    memory.append(resident(process.pid))
                ended(process)
    line("start to the first answer, in a new folder", cold, "ms", 1000)
    line("start to the first answer, in a used folder", warm, "ms", 1000)
    line("memory after 2 s without a request", memory, "MiB")


print(f"{'':<52} {'least':>8} {'median':>8} {'most':>8}")
starts()
creation("process", bare_process)
if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
    creation("docker", lambda _folder: bare_container())
