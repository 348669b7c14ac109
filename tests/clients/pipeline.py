"""A release pipeline that flushes a cache: by the Redis protocol over TLS, as it was done once, and by az."""

import pathlib
import subprocess

import redis

from cli import ENVIRONMENT, az, login
from steps import CA, Arm, Cache, check, step

SCRIPT = pathlib.Path(__file__).with_name("pipeline.sh")


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


main()
