"""The Azure command line, as a step of its own for each command."""

import json
import os
import pathlib
import shlex
import subprocess
import time

from steps import CA, CLIENT, PORT, SUBSCRIPTION, TENANT, ReadyWatch, check, show, step

FOLDER = pathlib.Path(os.environ["GATEWAY_SCRATCH"])
GATEWAY = os.environ["GATEWAY_PROGRAM"]
ENVIRONMENT = {
    **os.environ,
    "AZURE_CONFIG_DIR": str(FOLDER / "azure"),
    "REQUESTS_CA_BUNDLE": CA,
    "AZURE_CORE_INSTANCE_DISCOVERY": "false",
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "AZURE_CORE_OUTPUT": "json",
}
URL = f"https://localhost:{PORT}"
SHOWN = 60


def run(line, program=("az",), environment=ENVIRONMENT):
    command = [*program, *shlex.split(line)]
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def az(line, **how):
    """A command that succeeds; what it prints, parsed."""
    with step(shown(line)):
        done = run(line, **how)
        check(done.returncode == 0, f"az {line}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def refused(line, code, error, **how):
    """A command that fails with this exit code, and says this."""
    with step(f"{shown(line)} -> {error}"):
        done = run(line, **how)
        check(done.returncode == code and error in done.stderr, f"exit {done.returncode}\n{done.stdout}{done.stderr}")


def shown(line):
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."


def create(group, name, options="", **how):
    """Creates a cache, and shows how long after the cache itself the command was ready."""
    line = f"redis create -g {group} -n {name} -l eastus --sku Basic --vm-size c0 {options}"
    with ReadyWatch(group, name) as watch:
        begin = time.monotonic()
        done = run(line, **how)
        end = time.monotonic()
    check(done.returncode == 0, f"az {line}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    show(shown(line), end - begin, watch.lag(end))
    cache = json.loads(done.stdout)
    check(cache["provisioningState"] == "Succeeded", cache)
    return cache


def login():
    az(f"cloud register -n Local --endpoint-resource-manager {URL}")
    az("cloud set -n Local")
    accounts = az(f"login --service-principal -u {CLIENT} -p any --tenant {TENANT}")
    check([account["id"] for account in accounts] == [SUBSCRIPTION], accounts)


def verbatim(line):
    """As it stands in every tutorial, by a shell."""
    with step(line) as remarks:
        done = subprocess.run(line, shell=True, env=ENVIRONMENT, capture_output=True, text=True)
        key = done.stdout.strip()
        check(done.returncode == 0 and len(key) > 0, done.stdout, done.stderr)
        remarks.append(f"{len(key)} characters")
    return key
