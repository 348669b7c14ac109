"""What the clients' files share: a line for each step, plain ARM requests, and the moment at which a cache was ready.

A step is a line `name <tab> seconds <tab> remark` on stdout, which run.py puts into its table. Nothing is asserted on
time: the seconds are shown.
"""

import http.client
import json
import os
import ssl
import threading
import time
import urllib.parse

PORT = int(os.environ.get("GATEWAY_PORT", "4577"))
CA = os.environ.get("GATEWAY_CA", "")
# Who works in which subscription: what the gateway has from the start.
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"
CLIENT = "00000000-0000-0000-0000-000000000003"
VERSION = "2024-11-01"
# The bound is only there so that a broken gateway ends the run.
PATIENCE = 60


class step:
    """`with step("delete") as remarks`: what is appended to `remarks` is shown beside the seconds."""

    def __init__(self, name):
        self.name, self.remarks = name, []

    def __enter__(self):
        self.begin = time.monotonic()
        return self.remarks

    def __exit__(self, failure, *_):
        show(self.name, time.monotonic() - self.begin, *(["FAILED"] if failure else self.remarks))


def show(name, seconds, *remarks):
    print(name, f"{seconds:.2f}", "; ".join(remarks), sep="\t", flush=True)


def check(condition, *found):
    """An assertion that also holds with python -O, and shows what it has found."""
    if not condition:
        raise AssertionError(*found)


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        check(time.monotonic() < deadline, f"waited in vain for {what}")
        time.sleep(0.05)
    return found


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        self.body = json.loads(text) if text and "json" in headers.get("content-type", "") else None

    def __repr__(self):
        return f"{self.status} {self.text[:2000]!r}"


class Arm:
    """Requests without a client library, over one connection that is kept: https with the CA, or http."""

    def __init__(self, scheme="https", token=None):
        self.token = token
        if scheme == "https":
            context = ssl.create_default_context(cafile=CA)
            self.connection = http.client.HTTPSConnection("localhost", PORT, timeout=PATIENCE, context=context)
        else:
            self.connection = http.client.HTTPConnection("localhost", PORT, timeout=PATIENCE)

    def request(self, method, path, body=None, headers=()):
        sent = {"Content-Type": "application/json", **dict(headers)}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        self.connection.request(method, path, data, sent)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())

    def login(self):
        """A token for this gateway, as a service principal gets it."""
        form = urllib.parse.urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": CLIENT,
                "client_secret": "any",
                "scope": f"https://localhost:{PORT}/.default",
            }
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.request("POST", f"/{TENANT}/oauth2/v2.0/token", form, headers)
        check(answer.status == 200, answer)
        self.token = answer.body["access_token"]
        return self


def cache_path(group, name):
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Cache/redis/{name}"


class Cache:
    """A cache that is made by plain requests, for what is done with it afterwards."""

    def __init__(self, arm, group, name, **properties):
        self.arm, self.name, self.path = arm, name, cache_path(group, name)
        sku = properties.pop("sku", {"name": "Basic", "family": "C", "capacity": 0})
        self.put("", {"location": "eastus", "properties": {"sku": sku, "enableNonSslPort": True, **properties}})

    def call(self, method, below="", body=None):
        return self.arm.request(method, f"{self.path}{below}?api-version={VERSION}", body)

    def put(self, below, body):
        """Put, and what it is when that is done."""
        return self.done(self.call("PUT", below, body), below)

    def done(self, answer, below=""):
        """Waits for the end of an operation; what the resource is then."""
        check(answer.status in (200, 201, 202), answer)
        status = answer.headers.get("azure-asyncoperation")
        if status:
            path = urllib.parse.urlsplit(status)
            asked = f"{path.path}?{path.query}"
            # Asked and awaited in one: the answer comes when the operation ends, or after a while.
            ended = wait_for(below or self.name, lambda: ended_operation(self.arm.request("GET", asked)))
            check(ended.body["status"] == "Succeeded", ended)
        return self.call("GET", below).body

    def properties(self):
        return self.call("GET").body["properties"]

    def keys(self):
        return self.call("POST", "/listKeys").body


def ended_operation(answer):
    check(answer.status in (200, 202), answer)
    return answer if answer.body["status"] != "InProgress" else None


class ReadyWatch:
    """Looks every 10 ms, beside a client that creates a cache, for the moment at which the cache is ready.

    `with ReadyWatch(group, name) as watch: ...`, then `watch.lag(end)`: by how much the client's end was later.
    """

    def __init__(self, group, name):
        self.path = f"{cache_path(group, name)}?api-version={VERSION}"
        self.ready = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        arm = Arm("http").login()
        while not self.over.is_set():
            answer = arm.request("GET", self.path)
            if answer.status == 200 and answer.body["properties"]["provisioningState"] == "Succeeded":
                self.ready = time.monotonic()
                return
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        if self.thread.is_alive():
            # A client can be told of the end before the next look.
            self.thread.join(1)
            self.over.set()

    def lag(self, end):
        check(self.ready is not None, f"never Succeeded: {self.path}")
        return f"{end - self.ready:+.2f} s after the cache was ready"
