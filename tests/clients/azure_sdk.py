"""azure-mgmt-redis and azure-mgmt-resource, as an application uses them.

usage: azure_sdk.py https     a service principal of azure-identity, and the CA
       azure_sdk.py http      a token that the caller has; the clients are told that it may travel without TLS
       azure_sdk.py brief     https, and only the way of one cache: for a server that takes its time
"""

import asyncio
import sys
import time

import redis
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.mgmt.redis import RedisManagementClient
from azure.mgmt.redis.aio import RedisManagementClient as AsyncRedisManagementClient
from azure.mgmt.resource import ResourceManagementClient

from steps import CA, CLIENT, PORT, SUBSCRIPTION, TENANT, Arm, ReadyWatch, check, show, step

SECURE = f"https://localhost:{PORT}"
PRINCIPAL = {
    "tenant_id": TENANT,
    "client_id": CLIENT,
    "client_secret": "any",
    "authority": SECURE,
    "disable_instance_discovery": True,
    "connection_verify": CA,
}
OPTIONS = {"base_url": SECURE, "credential_scopes": [f"{SECURE}/.default"], "connection_verify": CA}
CACHE = {
    "location": "eastus",
    "sku": {"name": "Basic", "family": "C", "capacity": 0},
    "enable_non_ssl_port": True,
    "tags": {"env": "test"},
}


class GivenToken:
    """A credential whose token was fetched beforehand."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_scopes, **_options):
        return AccessToken(self.token, int(time.time()) + 3600)


class SendsToken(SansIOHTTPPolicy):
    """The libraries' own policy refuses to send a token without TLS."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


def clients(way):
    if way == "http":
        token = Arm("http").login().token
        options = {"base_url": f"http://localhost:{PORT}", "authentication_policy": SendsToken(token)}
        credential = GivenToken(token)
    else:
        options, credential = OPTIONS, ClientSecretCredential(**PRINCIPAL)
    return (
        RedisManagementClient(credential, SUBSCRIPTION, **options),
        ResourceManagementClient(credential, SUBSCRIPTION, **options),
    )


def refused(error, code, call):
    try:
        call()
    except error as caught:
        check(caught.error.code == code, caught)
    else:
        raise AssertionError(f"{code} was expected")


def create(caches, group, name):
    """Creates a cache, and shows how long after the cache itself the poller was done."""
    with ReadyWatch(group, name) as watch:
        begin = time.monotonic()
        cache = caches.redis.begin_create(group, name, CACHE).result()
        end = time.monotonic()
    show("begin_create().result()", end - begin, watch.lag(end))
    check(cache.provisioning_state == "Succeeded", cache.provisioning_state)
    check(cache.type == "Microsoft.Cache/Redis" and cache.tags == {"env": "test"}, cache.as_dict())
    return cache


def connect(cache, key):
    with step("SET and GET by redis-py"), redis.Redis(host="localhost", port=cache.port, password=key) as client:
        check(client.set("from", "sdk"))
        check(client.get("from") == b"sdk")


def life_of_a_cache(caches, group, name):
    with step("get of what is not there -> ResourceNotFound"):
        refused(ResourceNotFoundError, "ResourceNotFound", lambda: caches.redis.get(group, name))
    cache = create(caches, group, name)
    with step("list_keys"):
        keys = caches.redis.list_keys(group, name)
        check(keys.primary_key and keys.secondary_key and keys.primary_key != keys.secondary_key, "no two keys")
    connect(cache, keys.primary_key)
    return cache, keys


def changes(caches, group, name, cache, keys):
    with step("get, list, list_by_resource_group"):
        check(caches.redis.get(group, name).access_keys is None, "a GET shows keys")
        check([each.id for each in caches.redis.list_by_subscription()] == [cache.id])
        check([each.id for each in caches.redis.list_by_resource_group(group)] == [cache.id])
    with step("begin_update of tags"):
        changed = caches.redis.begin_update(group, name, {"tags": {"owner": "me"}}).result()
        check(changed.tags == {"owner": "me"} and changed.provisioning_state == "Succeeded", changed.as_dict())
    with step("begin_update of sku"):
        sku = {"name": "Standard", "family": "C", "capacity": 0}
        changed = caches.redis.begin_update(group, name, {"sku": sku}).result()
        check(changed.sku.as_dict() == sku and changed.provisioning_state == "Succeeded", changed.as_dict())
    with step("regenerate_key"):
        fresh = caches.redis.regenerate_key(group, name, {"key_type": "Primary"})
        check(fresh.primary_key != keys.primary_key and fresh.secondary_key == keys.secondary_key, "wrong key")
    connect(cache, fresh.primary_key)
    with step("a body that is wrong -> HttpResponseError"):
        wrong = {**CACHE, "sku": {"name": "Basic", "family": "C", "capacity": 9}}
        try:
            caches.redis.begin_create(group, "wrong", wrong)
        except HttpResponseError as error:
            check(error.status_code == 400 and error.error.code and error.error.message, error)
        else:
            raise AssertionError("capacity 9 was taken")


def lists(caches, resources, group, name):
    caches.redis.begin_create(group, "second", CACHE).result()
    with step("resources.list with filter and expand"):
        kind = "resourceType eq 'Microsoft.Cache/redis'"
        found = list(resources.resources.list(filter=kind, expand="createdTime,changedTime,provisioningState"))
        check(sorted(each.name for each in found) == sorted([name, "second"]), found)
        check(all(each.provisioning_state == "Succeeded" and each.created_time for each in found), found)
        tagged = list(resources.resources.list(filter="tagName eq 'owner' and tagValue eq 'me'"))
        check([each.name for each in tagged] == [name], tagged)
    with step("pages of one follow nextLink") as remarks:
        pages = [list(page) for page in resources.resources.list_by_resource_group(group, top=1).by_page()]
        names = sorted(each.name for page in pages for each in page)
        check(names == sorted([name, "second"]) and max(len(page) for page in pages) == 1, pages)
        remarks.append(f"{len(pages)} pages")
    with step("providers.get, list"):
        check(resources.providers.get("Microsoft.Cache").registration_state == "Registered")
        check("Microsoft.Cache" in [each.namespace for each in resources.providers.list()])


def deletions(caches, resources, group, name):
    with step("begin_delete().result()"):
        caches.redis.begin_delete(group, name).result()
        refused(ResourceNotFoundError, "ResourceNotFound", lambda: caches.redis.get(group, name))
    with step("resource_groups.begin_delete().result(), a cache inside"):
        resources.resource_groups.begin_delete(group).result()
    check(list(caches.redis.list_by_subscription()) == [], "caches outlive their group")
    check(not resources.resource_groups.check_existence(group), "the group outlives its deletion")


async def at_once(group, names):
    """Several caches from one event loop."""
    async with (
        AsyncClientSecretCredential(**PRINCIPAL) as credential,
        AsyncRedisManagementClient(credential, SUBSCRIPTION, **OPTIONS) as caches,
    ):

        async def live(name):
            poller = await caches.redis.begin_create(group, name, CACHE)
            check((await poller.result()).provisioning_state == "Succeeded", name)
            check((await caches.redis.list_keys(group, name)).primary_key, name)
            await (await caches.redis.begin_delete(group, name)).result()

        await asyncio.gather(*map(live, names))
        check([each.name async for each in caches.redis.list_by_resource_group(group)] == [], "not deleted")


def main(way):
    caches, resources = clients(way)
    group, name = f"sdk-{way}", f"sdk-{way}"
    with step("resource_groups.create_or_update, get, list"):
        made = resources.resource_groups.create_or_update(group, {"location": "eastus", "tags": {"a": "b"}})
        check(made.properties.provisioning_state == "Succeeded" and made.tags == {"a": "b"}, made.as_dict())
        check(resources.resource_groups.get(group).id == made.id)
        check(group in [each.name for each in resources.resource_groups.list()])
    cache, keys = life_of_a_cache(caches, group, name)
    if way != "brief":
        changes(caches, group, name, cache, keys)
        lists(caches, resources, group, name)
    deletions(caches, resources, group, name)
    if way == "https":
        resources.resource_groups.create_or_update(group, {"location": "eastus"})
        with step("five caches from one event loop: create, list_keys, delete"):
            asyncio.run(at_once(group, [f"async-{number}" for number in range(5)]))
        resources.resource_groups.begin_delete(group).result()


if sys.argv[1:] not in (["https"], ["http"], ["brief"]):
    raise SystemExit(__doc__)
main(sys.argv[1])
