"""A release pipeline that flushes a cache: by the Redis protocol over TLS, as it was done once, by az, and in the console."""

import pathlib
import subprocess

import redis

from cli import ENVIRONMENT, GATEWAY, az, login
from steps import CA, Arm, Cache, check, step

SCRIPT = pathlib.Path(__file__).with_name("pipeline.sh")


def console(*words, typed=None):
    command = [GATEWAY, "redis", "-n", "myredis", *words]
    return subprocess.run(command, env=ENVIRONMENT, input=typed, capture_output=True, text=True, timeout=60)


def main():
    login()
    cache = Cache(Arm("https").login(), "mygroup", "myredis")
    port = cache.properties()["sslPort"]
    with redis.Redis(host="localhost", port=port, password=cache.keys()["primaryKey"], ssl=True, ssl_ca_certs=CA) as client:
        client.set("greeting", "hello")
        with step("az redis list-keys, and AUTH and FLUSHALL into ncat --ssl"):
            done = subprocess.run([SCRIPT, str(port)], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
            check(done.stdout.split() == ["+OK", "+OK"], done)
            check(client.dbsize() == 0)
        client.set("greeting", "hello")
        az("redis flush -g mygroup -n myredis -y")
        with step("nothing is left"):
            check(client.dbsize() == 0)
        with step("floci-az redis: a command, one that fails, and lines"):
            done = console("set", "greeting", "hello world")
            check((done.returncode, done.stdout) == (0, "OK\n"), done)
            done = console("nonsense")
            check(done.returncode == 1 and "unknown command" in done.stdout + done.stderr, done)
            done = console(typed="get greeting\nflushall\ndbsize\n")
            check(done.returncode == 0 and done.stdout.split("\n")[:3] == ["hello world", "OK", "0"], done)


main()
