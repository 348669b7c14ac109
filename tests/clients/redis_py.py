"""What an application does with a cache: usage: redis_py.py HOST PORT PRIMARY SECONDARY [CA]"""

import asyncio
import sys

import redis
import redis.asyncio

host, port, primary, secondary, *ca = sys.argv[1:]
place = {"host": host, "port": int(port)}
if ca:
    # The certificate is verified, and the name in it.
    place |= {"ssl": True, "ssl_ca_certs": ca[0], "ssl_check_hostname": True}

with redis.Redis(**place, password=primary) as client:
    assert client.set("greeting", "hello")
    assert client.get("greeting") == b"hello"
    with client.pipeline() as pipeline:
        pipeline.incr("visits").incr("visits").hset("user", mapping={"name": "a", "age": "1"})
        assert pipeline.execute() == [1, 2, 2]

# As a named user, in the newer protocol, with the other key.
with redis.Redis(**place, username="default", password=secondary, protocol=3) as client:
    assert client.hgetall("user") == {b"name": b"a", b"age": b"1"}

try:
    redis.Redis(**place, password="wrong").ping()
    raise SystemExit("a wrong password was accepted")
except redis.AuthenticationError:
    pass


async def publish_and_subscribe():
    async with redis.asyncio.Redis(**place, password=primary) as client, client.pubsub() as channel:
        await channel.subscribe("news")
        assert (await channel.get_message(timeout=10))["type"] == "subscribe"
        assert await client.publish("news", "hello") == 1
        message = await channel.get_message(timeout=10)
        assert message["data"] == b"hello", message


asyncio.run(publish_and_subscribe())
