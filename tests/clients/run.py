"""Runs real clients against real gateways, and prints what each step took.

usage: tests/clients/run.py [CLIENT...]        usually by `make test-clients`, which brings the clients

Each client has a gateway of its own: a process with a temporary folder and free ports, that runs caches as processes.
Those called "slow" have servers that take 3 s to start, and are as strict as Azure. How much later than its
cache a client is done is shown, not asserted.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

from gateway import PROGRAM, ROOT, Gateway, NotReady

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = ROOT / "target" / "azure" / "bin" / "python"
NODE_MODULES = ROOT / "target" / "node" / "node_modules"
FAST = {}
# As slow as an image that has to be pulled, and as strict as Azure: tokens, groups and subscriptions have to be there.
SLOW = {
    "server_delay": 3,
    "FLOCI_AZ_AUTH_MODE": "strict",
    "FLOCI_AZ_ARM_STRICT_GROUPS": "true",
    "FLOCI_AZ_ARM_STRICT_SUBSCRIPTIONS": "true",
}
# The bound is only there so that a client that hangs ends.
CLIENT_SECONDS = 150


def python(script, *arguments):
    return [PYTHON, HERE / script, *arguments]


def node(script):
    return ["node", HERE / "node" / script]


CLIENTS = {
    "az": (python("az.py", "all"), FAST),
    "az, slow": (python("az.py", "create"), SLOW),
    "python, https": (python("azure_sdk.py", "https"), FAST),
    "python, http": (python("azure_sdk.py", "http"), FAST),
    "python, slow": (python("azure_sdk.py", "brief"), SLOW),
    "node": (node("sdk.cjs"), FAST),
    "node, slow": (node("sdk.cjs"), SLOW),
    "pipeline": (python("pipeline.py"), FAST),
    "az, parts": (python("az_parts.py"), FAST),
    "redis-py": (python("data_plane.py"), FAST),
    "ioredis": (node("data_plane.cjs"), FAST),
    "terraform": (python("terraform.py"), FAST),
    "terraform, slow": (python("terraform.py"), SLOW),
}


def environment(gateway):
    """What a client finds: where the gateway is, whom to trust, and a home of its own."""
    home = gateway.folder / "home"
    home.mkdir()
    certificate = gateway.certificate()
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("FLOCI_AZ_", "AZURE_", "ARM_", "REQUESTS_", "SSL_"))
    }
    return inherited | {
        "PATH": f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(home),
        "NO_PROXY": "localhost,127.0.0.1",
        "FLOCI_AZ_PORT": str(gateway.port),
        "GATEWAY_PORT": str(gateway.port),
        "GATEWAY_PROGRAM": str(PROGRAM),
        "GATEWAY_CA": str(certificate),
        "GATEWAY_SCRATCH": str(home),
        "GATEWAY_TRANSFERS": str(gateway.transfers),
        "NODE_PATH": str(NODE_MODULES),
        "NODE_EXTRA_CA_CERTS": str(certificate),
    }


def run(client):
    """Runs one client; how many steps passed, and whether it ended well."""
    command, settings = CLIENTS[client]
    passed, failed = 0, False
    with Gateway(client.replace(", ", "-"), **settings) as gateway:
        errors = gateway.folder / "client.log"
        with errors.open("wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=environment(gateway),
                cwd=gateway.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            signal.signal(signal.SIGALRM, lambda *_: cut_off(client, process))
            signal.alarm(CLIENT_SECONDS)
            try:
                for line in process.stdout:
                    passed += row(client, line.rstrip("\n"))
                failed = process.wait() != 0
            finally:
                signal.alarm(0)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if failed:
            print(f"--- {client} ended with {process.returncode}; it said:\n{errors.read_text(errors='replace')}")
            print(f"--- the gateway's last lines:\n{gateway.last_lines()}\n---", flush=True)
    return passed, failed


def cut_off(client, process):
    print(f"--- {client} is cut off after {CLIENT_SECONDS} s", flush=True)
    os.killpg(process.pid, signal.SIGKILL)


def row(client, line):
    """Prints a line of the table; 1 if it is a step that passed."""
    step, seconds, remark = (line.split("\t") + ["", ""])[:3]
    print(f"{client:<16} {step:<66} {seconds:>7} {'s' if seconds else ' '} {remark}".rstrip(), flush=True)
    return int(bool(seconds) and remark != "FAILED")


def main(names):
    unknown = [name for name in names if name not in CLIENTS]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}. The clients are: {'; '.join(CLIENTS)}")
    # So that the gateways end, and their folders go, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    passed = failed = 0
    for client in names or CLIENTS:
        try:
            steps, wrong = run(client)
        except NotReady as why:
            print(f"--- {client}: {why}\n---", flush=True)
            steps, wrong = 0, True
        passed, failed = passed + steps, failed + wrong
    print(f"all clients: {time.monotonic() - begin:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
