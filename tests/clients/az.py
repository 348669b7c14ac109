"""The Azure command line, from its registration of a cloud to the deletion of a group.

usage: az.py all      every command that the gateway serves, logged in by hand
       az.py create   the way of a user in a hurry: `floci-az az -- ...`, which logs in by itself
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import redis

from cli import GATEWAY, URL, az, create, login, refused, run, verbatim
from steps import CA, PORT, SUBSCRIPTION, check, step, wait_for


def authenticated(cache, key):
    with redis.Redis(host="localhost", port=cache["port"], password=key) as client:
        check(client.set("from", "az"))
        check(client.get("from") == b"az")


def account():
    shown = az("account show")
    check(shown["state"] == "Enabled" and shown["environmentName"] == "Local", shown)
    check(len(az("account get-access-token")["accessToken"].split(".")) == 3)
    check(SUBSCRIPTION in [each["id"] for each in az("account list --refresh")])
    check("eastus" in [place["name"] for place in az("account list-locations")])


def providers():
    provider = az("provider show -n Microsoft.Cache")
    check(provider["registrationState"] == "Registered", provider)
    check("redis" in [kind["resourceType"].lower() for kind in provider["resourceTypes"]], provider)
    check("Microsoft.Cache" in [each["namespace"] for each in az("provider list")])
    az("provider unregister -n Microsoft.Cache")
    az("provider register -n Microsoft.Cache --wait")
    check(az("provider show -n Microsoft.Cache")["registrationState"] == "Registered")
    refused("provider show -n Microsoft.Nothing", 3, "InvalidResourceNamespace")


def groups():
    group = az("group create -n mygroup -l eastus --tags a=b")
    check(group["properties"]["provisioningState"] == "Succeeded" and group["tags"] == {"a": "b"}, group)
    check(group["id"] == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/mygroup", group)
    check(az("group show -n MYGROUP")["name"] == "mygroup")
    check(az("group exists -n mygroup") is True)
    check(az("group exists -n nothing") is False)
    check("mygroup" in [each["name"] for each in az("group list")])
    check(az("group update -n mygroup --tags c=d")["tags"] == {"c": "d"})
    check("mygroup" in [each["name"] for each in az("group list --tag c=d")])
    refused("group show -n nothing", 3, "ResourceGroupNotFound")


def caches():
    refused("redis show -g mygroup -n nothing", 3, "ResourceNotFound")
    cache = create("mygroup", "myredis", "--enable-non-ssl-port --tags env=test")
    shown = az("redis show -g mygroup -n myredis")
    check(shown["id"] == cache["id"] and shown["provisioningState"] == "Succeeded", shown)
    check(shown["accessKeys"] is None and shown["tags"] == {"env": "test"}, shown)
    check([each["name"] for each in az("redis list -g mygroup")] == ["myredis"])
    check("myredis" in [each["name"] for each in az("redis list")])

    key = verbatim("az redis list-keys -g mygroup -n myredis --query primaryKey -o tsv")
    authenticated(shown, key)
    keys = az("redis list-keys -g mygroup -n myredis")
    check(keys["primaryKey"] == key, "two answers to list-keys differ")
    fresh = az("redis regenerate-keys -g mygroup -n myredis --key-type Primary")
    check(fresh["primaryKey"] != key and fresh["secondaryKey"] == keys["secondaryKey"], "not the primary key")
    authenticated(shown, fresh["primaryKey"])

    az("redis update -g mygroup -n myredis --sku Standard --vm-size c0")
    check(settled()["sku"] == {"name": "Standard", "family": "C", "capacity": 0})
    az("redis update -g mygroup -n myredis --set tags.owner=me redisConfiguration.maxmemory-policy=allkeys-lru")
    after = settled()
    check(after["tags"] == {"env": "test", "owner": "me"}, after)
    check(after["redisConfiguration"]["maxmemoryPolicy"] == "allkeys-lru", after)
    refused("redis create -g mygroup -n no--name -l eastus --sku Basic --vm-size c0", 1, "InvalidRequestBody")


def settled():
    """`az redis update` does not wait for the update."""

    def look():
        cache = json.loads(run("redis show -g mygroup -n myredis").stdout)
        return cache if cache["provisioningState"] == "Succeeded" else None

    return wait_for("the update", look)


def resources():
    cache = az("resource list -g mygroup")[0]
    check(cache["name"] == "myredis" and cache["type"].lower() == "microsoft.cache/redis", cache)
    check(cache["provisioningState"] == "Succeeded", cache)
    for choice in ("--resource-type Microsoft.Cache/redis", "--tag owner=me", "--name myredis", "--location eastus"):
        check([each["name"] for each in az(f"resource list {choice}")] == ["myredis"], choice)
    check(az("resource list --tag owner=nobody") == [])
    check(az(f"resource show --ids {cache['id']}")["properties"]["hostName"])
    shown = az("resource show -g mygroup -n myredis --resource-type Microsoft.Cache/redis")
    check(shown["id"] == cache["id"], shown)

    az(f"tag update --resource-id {cache['id']} --operation Merge --tags a=b")
    tags = az(f"tag list --resource-id {cache['id']}")["properties"]["tags"]
    check(tags == {"env": "test", "owner": "me", "a": "b"}, tags)
    check("owner" in [tag["tagName"] for tag in az("tag list")])
    page = az(f"rest --method get --url '{URL}/subscriptions?api-version=2022-12-01'")
    check(page["value"][0]["subscriptionId"] == SUBSCRIPTION, page)
    az("rest --method get --url '/subscriptions/{subscriptionId}/resourcegroups?api-version=2024-11-01'")


def deletions():
    az("redis delete -g mygroup -n myredis -y")
    refused("redis show -g mygroup -n myredis", 3, "ResourceNotFound")
    create("mygroup", "inside")
    passing = create("mygroup", "passing")
    az(f"resource tag --ids {passing['id']} --tags a=b")
    check(az(f"resource update --ids {passing['id']} --set tags.c=d")["tags"] == {"a": "b", "c": "d"})
    az(f"resource delete --ids {passing['id']}")
    check([each["name"] for each in az("redis list")] == ["inside"])
    az("group delete -n mygroup -y")
    check(az("group exists -n mygroup") is False)
    check(az("redis list") == [])
    az("group create -n brief -l eastus")
    az("group delete -n brief -y --no-wait")
    az("group wait -n brief --deleted")


def pasted():
    """`eval "$(floci-az env)"` in a shell, and then az by itself: registered and logged in by the wrapper before."""
    wrapper = {"program": (GATEWAY, "az", "--"), "environment": dict(os.environ)}
    az("account show", **wrapper)
    az("group create -n hurry -l eastus", **wrapper)
    cache = create("hurry", "quick", "--enable-non-ssl-port", **wrapper)
    key = az("redis list-keys -g hurry -n quick", **wrapper)["primaryKey"]
    authenticated(cache, key)
    refused("redis show -g hurry -n nothing", 3, "ResourceNotFound", **wrapper)
    refused("redis show -g nothing -n quick", 3, "ResourceGroupNotFound", **wrapper)
    az("group delete -n hurry -y", **wrapper)
    with step('eval "$(floci-az env)"'):
        line = f'eval "$({shlex.quote(GATEWAY)} env)" && printf %s "$ARM_METADATA_HOSTNAME" && test -s "$REQUESTS_CA_BUNDLE"'
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
        check((done.returncode, done.stdout) == (0, f"localhost:{PORT}"), done)
    with step("floci-az ca"):
        done = subprocess.run([GATEWAY, "ca"], capture_output=True, text=True)
        check(done.stdout == pathlib.Path(CA).read_text(), done)


if sys.argv[1:] == ["all"]:
    for part in (login, account, providers, groups, caches, resources, deletions):
        part()
elif sys.argv[1:] == ["create"]:
    pasted()
else:
    raise SystemExit(__doc__)
