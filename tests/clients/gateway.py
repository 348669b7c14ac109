"""A real gateway process for the clients, on ports and in a folder of its own; and the end of both."""

import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "release" / "floci-az"

# Below the ports of the Rust tests, which begin at 10000, so that both can run at the same time.
FIRST, LAST, CACHES = 5_000, 9_900, 20
next_port = FIRST + os.getpid() % 70 * 70
# The bound is only there so that a broken gateway ends the run.
START_SECONDS = 60

# Stands first on the gateway's PATH: a server that takes its time, as one does whose image is pulled.
SLOW_SERVER = """#!/bin/sh
case " $* " in *" --version "* | *" -v "*) ;; *) sleep {seconds} ;; esac
exec {server} "$@"
"""


class NotReady(Exception):
    """The gateway did not start, or its certificate is not to be had."""


class Gateway:
    """`with Gateway("fast") as gateway`: running and ready inside, gone with all that it made outside."""

    def __init__(self, name, server_delay=0, **settings):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"floci-az-clients-{name}-"))
        self.port, *caches = free_ports(1 + CACHES)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FLOCI_AZ_")}
        path = inherited.get("PATH", os.defpath)
        if server_delay:
            path = f"{slow_servers(self.folder / 'bin', server_delay)}{os.pathsep}{path}"
        self.environment = inherited | {
            "PATH": path,
            "FLOCI_AZ_PORT": str(self.port),
            "FLOCI_AZ_RUNTIME": "process",
            "FLOCI_AZ_STORAGE_PERSISTENT_PATH": str(self.folder / "data"),
            "FLOCI_AZ_SERVICES_REDIS_BASE_PORT": str(caches[0]),
            "FLOCI_AZ_SERVICES_REDIS_MAX_PORT": str(caches[-1]),
            # The last of its own range: two gateways of one machine do not want the same one.
            "FLOCI_AZ_SERVICES_REDIS_SSL_PORT": str(caches[-1]),
            **settings,
        }
        self.log = self.folder / "gateway.log"
        self.process = None

    def __enter__(self):
        try:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [PROGRAM], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while self.get("/ready")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"the gateway did not become ready:\n{self.last_lines()}")
            time.sleep(0.01)

    def get(self, path):
        """Status (0 if nobody answers) and bytes, over plain HTTP."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def certificate(self):
        """The file of the CA's certificate, as a user would fetch it."""
        file = self.folder / "ca.pem"
        status, pem = self.get("/_floci/tls-cert")
        if status != 200:
            raise NotReady(f"GET /_floci/tls-cert answered {status}: {pem[:300]!r}")
        file.write_bytes(pem)
        return file

    def last_lines(self, count=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:]) if self.log.exists() else ""

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for workload in (self.folder / "data" / "workloads").glob("*"):
            end_server(workload)
        shutil.rmtree(self.folder, ignore_errors=True)


def end_server(workload):
    """Ends what a gateway that was killed left running: the process that works in this folder, and no other."""
    try:
        pid = int((workload / "pid").read_text())
        if pathlib.Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(workload):
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass


def slow_servers(folder, seconds):
    server = shutil.which("valkey-server") or shutil.which("redis-server")
    if server is None:
        raise NotReady("neither valkey-server nor redis-server is on PATH; scripts/server.sh --program brings one")
    folder.mkdir()
    for name in ("valkey-server", "redis-server"):
        file = folder / name
        file.write_text(SLOW_SERVER.format(seconds=seconds, server=server))
        file.chmod(0o755)
    return folder


def free_ports(count):
    """`count` ports in a row that nobody listens on, and that this process has not handed out before."""
    global next_port
    while True:
        if next_port + count > LAST:
            next_port = FIRST
        ports = range(next_port, next_port + count)
        taken = [port for port in ports if not is_free(port)]
        if not taken:
            next_port = ports.stop
            return list(ports)
        next_port = taken[-1] + 1


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
            return True
        except OSError:
            return False
