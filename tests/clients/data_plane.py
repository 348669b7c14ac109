"""What applications and people do with a cache's data: redis-py, plain and asyncio and in a cluster, and redis-cli.

Over the plain port, over TLS with the CA verified, across a rotated key, a reboot, and with a token of the gateway's.
"""

import asyncio
import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import urllib.parse

import redis
import redis.asyncio
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from steps import CA, CLIENT, TENANT, Arm, Cache, check, step, wait_for

PREMIUM = {"name": "Premium", "family": "P", "capacity": 1}
ENTRA = "https://redis.azure.com/.default"
# Of a cluster: enough for each of three shards to have some.
KEYS = 300


def secure(cache, password, kind=redis.Redis, **options):
    port = cache.properties()["sslPort"]
    return kind(host="localhost", port=port, password=password, ssl=True, ssl_ca_certs=CA, **options)


def plain(cache, password, kind=redis.Redis, **options):
    return kind(host="localhost", port=cache.properties()["port"], password=password, **options)


def both_ports(cache):
    keys = cache.keys()
    with step("redis-py, plain and TLS: one server, either key, RESP 2 and 3"):
        with plain(cache, keys["primaryKey"]) as client:
            check(client.set("greeting", "hello"))
        with secure(cache, keys["secondaryKey"], protocol=3) as client:
            check(client.get("greeting") == b"hello")
        with secure(cache, keys["primaryKey"], username="default") as client, client.pipeline() as pipeline:
            pipeline.incr("visits").incr("visits").hset("user", mapping={"name": "a"})
            check(pipeline.execute() == [1, 2, 1])
    with step("a wrong key, and a CA that is not trusted, are refused"):
        try:
            secure(cache, "wrong").ping()
            raise AssertionError("a wrong key was accepted")
        except redis.AuthenticationError:
            pass
        try:
            redis.Redis(host="localhost", port=cache.properties()["sslPort"], ssl=True).ping()
            raise AssertionError("an unknown CA was accepted")
        except redis.ConnectionError as error:
            check("CERTIFICATE_VERIFY_FAILED" in str(error), error)


def a_value_of_100_megabytes(cache):
    value = os.urandom(1 << 20) * 100
    with step("100 MB there and back, over TLS"), secure(cache, cache.keys()["primaryKey"]) as client:
        client.set("large", value)
        check(client.get("large") == value, "another value came back")
        client.delete("large")


async def events(cache):
    key = cache.keys()["primaryKey"]
    async with (
        secure(cache, key, redis.asyncio.Redis) as client,
        secure(cache, key, redis.asyncio.Redis) as other,
        client.pubsub() as channel,
    ):
        await channel.subscribe("news")
        check((await channel.get_message(timeout=10))["type"] == "subscribe")
        check(await other.publish("news", "hello") == 1)
        check((await channel.get_message(timeout=10))["data"] == b"hello")
        waiting = asyncio.create_task(client.blpop("queue", timeout=20))
        blocked = lambda found: int(found["blocked_clients"]) == 1
        while not blocked(await other.info("clients")):
            await asyncio.sleep(0.01)
        await other.rpush("queue", "job")
        check(await waiting == (b"queue", b"job"))


def names(cache):
    """By the names that a real cache has, which a client sends in its TLS handshake."""
    properties, key = cache.properties(), cache.keys()["primaryKey"]
    context = ssl.create_default_context(cafile=CA)
    for host in (f"{cache.name}.redis.cache.windows.net", f"{cache.name}.localhost"):
        with step(f"TLS as {host}"):
            with socket.create_connection(("localhost", properties["sslPort"]), 20) as tcp:
                with context.wrap_socket(tcp, server_hostname=host) as tls, tls.makefile("rwb") as stream:
                    stream.write(b"PING\r\nAUTH " + key.encode() + b"\r\nPING\r\n")
                    stream.flush()
                    answers = [stream.readline() for _ in range(3)]
            check(answers[0].startswith(b"-NOAUTH") and answers[1:] == [b"+OK\r\n", b"+PONG\r\n"], answers)


def command_line(cache):
    program = shutil.which("valkey-cli") or shutil.which("redis-cli")
    port, key = cache.properties()["sslPort"], cache.keys()["primaryKey"]
    command = [program, "--tls", "--cacert", CA, "-h", "localhost", "-p", str(port), "--no-auth-warning"]
    environment = {**os.environ, "REDISCLI_AUTH": key}
    with step(f"{os.path.basename(program)} --tls --cacert"):
        for words, expected in ((["SET", "from", "cli"], "OK"), (["GET", "from"], "cli")):
            done = subprocess.run(command + words, env=environment, capture_output=True, text=True, timeout=30)
            check(done.stdout.strip() == expected, done)


def one_port_for_all(arm, first):
    with step("two caches on one TLS port, told apart by their keys"):
        second = Cache(arm, "data", "data-second")
        check(second.properties()["sslPort"] == first.properties()["sslPort"])
        with secure(first, first.keys()["primaryKey"]) as one, secure(second, second.keys()["primaryKey"]) as two:
            one.set("whose", "first")
            two.set("whose", "second")
            check((one.get("whose"), two.get("whose")) == (b"first", b"second"))


def rotation(cache):
    before = cache.keys()
    with step("a rotated key: open connections stay, the old key is refused"):
        with secure(cache, before["primaryKey"]) as client:
            client.set("kept", "1")
            after = cache.call("POST", "/regenerateKey", {"keyType": "Primary"}).body
            check(after["primaryKey"] != before["primaryKey"])
            check(client.get("kept") == b"1")
        try:
            secure(cache, before["primaryKey"]).ping()
            raise AssertionError("the old key was accepted")
        except redis.AuthenticationError:
            pass
        for connect in (secure, plain):
            with connect(cache, after["primaryKey"]) as client:
                check(client.get("kept") == b"1")


def reboot(cache):
    retry = Retry(ConstantBackoff(0.1), 100)
    errors = [redis.ConnectionError, redis.TimeoutError]
    with step("across forceReboot, with a client that tries again"):
        with secure(cache, cache.keys()["primaryKey"], retry=retry, retry_on_error=errors) as client:
            client.set("survives", "yes")
            run = client.info("server")["run_id"]
            answer = cache.call("POST", "/forceReboot", {"rebootType": "AllNodes"})
            check(answer.status == 200 and answer.body["message"], answer)
            wait_for("another run of the server", lambda: client.info("server")["run_id"] != run)
            check(client.get("survives") == b"yes")


def firewall(cache):
    key = cache.keys()["primaryKey"]
    with step("a firewall rule shuts out this machine, on both ports; a second one lets it in"):
        rule = {"properties": {"startIP": "192.0.2.1", "endIP": "192.0.2.9"}}
        check(cache.call("PUT", "/firewallRules/elsewhere", rule).status == 201)
        for connect in (secure, plain):
            try:
                connect(cache, key, retry=None).ping()
                raise AssertionError(f"{connect.__name__}: not shut out")
            except redis.RedisError:
                pass
        rule = {"properties": {"startIP": "127.0.0.0", "endIP": "127.0.0.255"}}
        check(cache.call("PUT", "/firewallRules/here", rule).status == 201)
        for connect in (secure, plain):
            with connect(cache, key) as client:
                check(client.ping())
        for name in ("elsewhere", "here"):
            check(cache.call("DELETE", f"/firewallRules/{name}").status == 200)
        with plain(cache, key) as client:
            check(client.ping())


def token(arm):
    """Of a service principal, for the data of a cache; and whom it is for."""
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "any", "scope": ENTRA}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = arm.request("POST", f"/{TENANT}/oauth2/v2.0/token", urllib.parse.urlencode(form), headers)
    token = answer.body["access_token"]
    claims = token.split(".")[1]
    return token, json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"]


def with_a_token(arm):
    cache = Cache(arm, "data", "data-entra", redisConfiguration={"aad-enabled": "true"})
    password, user = token(arm)
    with step("a token is refused before its user is assigned"):
        try:
            secure(cache, password, username=user).ping()
            raise AssertionError("it was accepted")
        except redis.AuthenticationError:
            pass
    with step("a token as password: Data Reader reads, and does not write"):
        secure(cache, cache.keys()["primaryKey"]).set("greeting", "hello")
        assigned = {"objectId": user, "objectIdAlias": "somebody", "accessPolicyName": "Data Reader"}
        cache.put("/accessPolicyAssignments/somebody", {"properties": assigned})
        with secure(cache, password, username=user) as client:
            check(client.get("greeting") == b"hello")
            try:
                client.set("greeting", "changed")
                raise AssertionError("a reader wrote")
            except redis.exceptions.NoPermissionError:
                pass
            # Clients send a new token over the connection that they have.
            check(client.execute_command("AUTH", user, token(arm)[0]))
            check(client.get("greeting") == b"hello")
    with step("and not after the assignment is gone"):
        cache.done(cache.call("DELETE", "/accessPolicyAssignments/somebody"), "/accessPolicyAssignments/somebody")
        try:
            secure(cache, password, username=user).ping()
            raise AssertionError("it was accepted")
        except redis.AuthenticationError:
            pass


def cluster(arm):
    cache = Cache(arm, "data", "data-cluster", sku=PREMIUM, shardCount=3)
    key = cache.keys()["primaryKey"]
    for connect in (plain, secure):
        with step(f"RedisCluster, {connect.__name__}: {KEYS} keys over 3 shards"):
            with connect(cache, key, redis.RedisCluster) as client:
                check(len(client.get_primaries()) == 3, client.get_nodes())
                for number in range(KEYS):
                    client.set(f"{connect.__name__}-{number}", number)
                found = [client.get(f"{connect.__name__}-{number}") for number in range(KEYS)]
                check(found == [str(number).encode() for number in range(KEYS)], found)
                sizes = [client.dbsize(target_nodes=node) for node in client.get_primaries()]
                check(all(sizes), sizes)
    asyncio.run(asynchronously(cache, key))


async def asynchronously(cache, key):
    with step("redis.asyncio.RedisCluster, TLS"):
        async with secure(cache, key, redis.asyncio.RedisCluster) as client:
            check(await client.get("secure-7") == b"7")


def main():
    arm = Arm("https").login()
    cache = Cache(arm, "data", "data-first")
    both_ports(cache)
    with step("asyncio over TLS: subscription, and a command that blocks"):
        asyncio.run(events(cache))
    a_value_of_100_megabytes(cache)
    names(cache)
    command_line(cache)
    one_port_for_all(arm, cache)
    rotation(cache)
    reboot(cache)
    firewall(cache)
    with_a_token(arm)
    cluster(arm)


main()
