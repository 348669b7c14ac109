"""What Terraform's azurerm provider asks for a resource group with a cache in it, from `apply` to `destroy`.

Replays the requests of azurerm 5.2 one by one, with the checks that the provider makes of the answers: what it cannot do
without, what it parses, and what it compares with the configuration. Where the provider sleeps for 10 or 15 s, this does
not; those sleeps are added up and shown, because they are what a user waits for.

With TF_AZURERM_BIN (a provider's executable) and terraform or tofu on PATH, the real provider follows: apply, a second
plan that has to be empty, and destroy.
"""

import base64
import json
import math
import os
import pathlib
import shutil
import subprocess
import time
import urllib.parse

from steps import CA, CLIENT, PATIENCE, PORT, SUBSCRIPTION, TENANT, VERSION, Arm, cache_path, check, step

HOST = f"localhost:{PORT}"
GROUP, NAME = "terraform", "terraform-cache"
GROUP_PATH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
CACHE_PATH = cache_path(GROUP, NAME)
GROUP_VERSION = "2023-07-01"
# Of go-azure-sdk's pollers, where an answer has no Retry-After; and of the provider's own wait for a state.
POLL_SECONDS, STATE_SECONDS = 10, 15
PENDING = {"Scaling", "Updating", "Creating", "ConfiguringAAD", "UpgradingRedisServerVersion", "UpdatingManagedIdentity"}
NUMBERS = ("maxclients", "maxmemory-delta", "maxmemory-reserved", "maxfragmentationmemory-reserved")

# What the user has written, with the defaults of the provider's schema.
CONFIGURATION = {
    "location": "westeurope",
    "capacity": 1,
    "family": "C",
    "sku_name": "Standard",
    "non_ssl_port_enabled": True,
    "minimum_tls_version": "1.2",
    "public_network_access_enabled": True,
    "access_keys_authentication_enabled": True,
    "redis_version": "6",
    "tags": {"env": "test"},
    "maxmemory_policy": "allkeys-lru",
}

arm = Arm("https")
slept = []


class waits(step):
    """A step that also shows how long the provider itself would sleep more."""

    def __enter__(self):
        slept.clear()
        return super().__enter__()

    def __exit__(self, *how):
        self.remarks.append(f"and {sum(slept)} s that only the provider sleeps")
        super().__exit__(*how)


def ask(method, path, version, expected, body=None, more=""):
    answer = arm.request(method, f"{path}?api-version={version}{more}", body)
    check(answer.status in expected, f"{method} {path}: expected {expected}", answer)
    return answer


def get(path, version, expected=(200,), more=""):
    return ask("GET", path, version, expected, more=more)


def watch(every, least, done):
    """A wait of the provider that looks every so many seconds: here it looks often, and what it would sleep is noted.

    `least` is 1 if the provider sleeps before its first look.
    """
    begin = time.monotonic()
    took = 0.0
    while not done():
        time.sleep(0.02)
        took = time.monotonic() - begin
        check(took < PATIENCE, "the wait does not end")
    slept.append(every * max(least, math.ceil(took / every)))


def retry_after(answer):
    text = answer.headers.get("Retry-After", "")
    return int(text) if text.isdigit() else POLL_SECONDS


def poll(asked, answer):
    """go-azure-sdk: waits before the first poll, and takes only the path and the query of the operation's URL."""
    url = answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location")
    parsed = urllib.parse.urlsplit(url or "")
    if url:
        check(parsed.scheme == "https" and parsed.netloc == HOST, f"not an absolute URL of this gateway: {url}")
    if not url or parsed.path.lower() == asked.lower():
        return watch(POLL_SECONDS, 1, lambda: state_of(asked) == "Succeeded")
    seconds = retry_after(answer)
    check(seconds <= 1, "Retry-After", answer)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(seconds)
        polled = arm.request("GET", f"{parsed.path}?{parsed.query}")
        check(polled.status in (200, 201, 202, 204), polled)
        # What it has just been told counts, not the first answer.
        told = polled.headers.get("X-Go-Azure-Sdk-Skip-Polling-Delay") == "true"
        seconds = 0 if told else retry_after(polled)
        if polled.status == 202:
            continue
        state = (polled.body.get("properties") or {}).get("provisioningState") or polled.body.get("status")
        check(state in ("InProgress", "Succeeded"), polled)
        if state == "Succeeded":
            return None
    raise AssertionError(f"{url} does not end")


def state_of(path):
    state = get(path, VERSION if path == CACHE_PATH else GROUP_VERSION).body["properties"]["provisioningState"]
    check(state == "Succeeded" or state in PENDING, f"unexpected state {state}")
    return state


def until_succeeded():
    watch(STATE_SECONDS, 0, lambda: state_of(CACHE_PATH) == "Succeeded")


def until_gone(path, version):
    """A deletion is watched by asking for what is deleted, whatever the answer's headers say."""
    watch(POLL_SECONDS, 1, lambda: get(path, version, (200, 404)).status == 404)


def metadata():
    found = ask("GET", "/metadata/endpoints", "2022-09-01", (200,)).body
    for name in ("name", "resourceManager", "microsoftGraphResourceId"):
        check(found.get(name), f"the metadata have no {name}", found)
    check(found["authentication"]["loginEndpoint"], found)
    for name in ("storage", "keyVaultDns"):
        check(found["suffixes"].get(name), f"the metadata have no suffixes.{name}", found)
    check(urllib.parse.urlsplit(found["resourceManager"]).netloc == HOST, found)
    # As the framework half of the provider writes it, for its list of regions.
    locations = arm.request("GET", "//metadata/endpoints?api-version=2018-01-01")
    check(locations.status == 200, locations)
    return found


def token(found, resource):
    login = urllib.parse.urlsplit(found["authentication"]["loginEndpoint"])
    check(login.netloc == HOST, found)
    form = {
        "client_id": CLIENT,
        "client_secret": "any",
        "grant_type": "client_credentials",
        "scope": f"{resource}/.default",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"{login.path.rstrip('/')}/{TENANT}/oauth2/v2.0/token"
    answer = arm.request("POST", path, urllib.parse.urlencode(form), headers)
    check(answer.status == 200 and answer.body["token_type"] == "Bearer", answer)
    payload = answer.body["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    # Without these it asks Microsoft Graph.
    for name in ("oid", "tid", "appid"):
        check(claims.get(name), f"the token has no {name}", claims)
    check(int(answer.body["expires_in"]) > 0, answer)
    return answer.body["access_token"]


def providers():
    path, query, found = f"/subscriptions/{SUBSCRIPTION}/providers", "api-version=2022-09-01", {}
    while True:
        page = arm.request("GET", f"{path}?{query}")
        check(page.status == 200, page)
        found |= {each["namespace"]: each["registrationState"] for each in page.body["value"]}
        if not page.body.get("nextLink"):
            break
        following = urllib.parse.urlsplit(page.body["nextLink"])
        path, query = following.path, following.query
    check(found.get("Microsoft.Cache") == "Registered", found)
    ask("POST", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Cache/register", "2022-09-01", (200,))


def create_group():
    get(GROUP_PATH, GROUP_VERSION, (404,))
    answer = ask("PUT", GROUP_PATH, GROUP_VERSION, (200, 201), {"location": CONFIGURATION["location"], "tags": {}})
    check(answer.body["id"] == GROUP_PATH, answer)
    found = get(GROUP_PATH, GROUP_VERSION).body
    check(found["properties"]["provisioningState"] == "Succeeded", found)


def sent(configuration):
    return {
        "disableAccessKeyAuthentication": not configuration["access_keys_authentication_enabled"],
        "enableNonSslPort": configuration["non_ssl_port_enabled"],
        "minimumTlsVersion": configuration["minimum_tls_version"],
        "sku": {
            "capacity": configuration["capacity"],
            "family": configuration["family"],
            "name": configuration["sku_name"],
        },
    }


def create_cache():
    get(CACHE_PATH, VERSION, (404,))
    properties = sent(CONFIGURATION) | {
        "publicNetworkAccess": "Enabled",
        "redisConfiguration": {
            "maxmemory-policy": CONFIGURATION["maxmemory_policy"],
            "preferred-data-persistence-auth-method": "",
            "aad-enabled": "false",
        },
        "redisVersion": CONFIGURATION["redis_version"],
    }
    body = {"location": CONFIGURATION["location"], "properties": properties, "tags": CONFIGURATION["tags"]}
    answer = ask("PUT", CACHE_PATH, VERSION, (200, 201, 202), body)
    poll(CACHE_PATH, answer)
    until_succeeded()


def read():
    """What the provider puts into its state, by its own rules."""
    cache = get(CACHE_PATH, VERSION).body
    keys = ask("POST", f"{CACHE_PATH}/listKeys", VERSION, (200,)).body
    # Any failure of this one is taken for "there is none".
    schedule = arm.request("GET", f"{CACHE_PATH}/patchSchedules/default?api-version={VERSION}")
    check(schedule.status < 500, schedule)
    # Its parser of ids compares the words between the names by case, all but those of the type.
    check(cache["id"].lower() == CACHE_PATH.lower() and f"/resourceGroups/{GROUP}/providers/" in cache["id"], cache)
    properties, settings = cache["properties"], cache["properties"].get("redisConfiguration")
    check(settings is not None, "redisConfiguration is null, and the provider panics")
    for name in ("hostName", "sslPort", "provisioningState"):
        check(properties.get(name) is not None, f"{name} is null, and the provider panics", properties)
    for name in ("primaryKey", "secondaryKey"):
        check(keys.get(name), f"{name} is null, and the provider panics")
    check(all(isinstance(value, str) for value in settings.values()), "values have to be strings", settings)
    check(all(settings[name].isdigit() for name in NUMBERS if name in settings), "no numbers", settings)
    check(settings.get("aad-enabled", "false").lower() in ("true", "false"), settings)
    return {
        "location": cache["location"].replace(" ", "").lower(),
        "capacity": properties["sku"]["capacity"],
        "family": properties["sku"]["family"],
        "sku_name": properties["sku"]["name"],
        "non_ssl_port_enabled": properties["enableNonSslPort"],
        "minimum_tls_version": properties.get("minimumTlsVersion") or "1.2",
        "public_network_access_enabled": (properties.get("publicNetworkAccess") or "Enabled") == "Enabled",
        "access_keys_authentication_enabled": not properties.get("disableAccessKeyAuthentication"),
        "redis_version": properties["redisVersion"],
        "tags": cache.get("tags") or {},
        "maxmemory_policy": settings.get("maxmemory-policy"),
        "shard_count": properties.get("shardCount") or 0,
        "zones": cache.get("zones") or [],
        "hostname": properties["hostName"],
        "port": properties.get("port"),
        "ssl_port": properties["sslPort"],
        "settings": {name: settings.get(name) for name in NUMBERS},
        "keys": (keys["primaryKey"], keys["secondaryKey"]),
        "replicas": (properties.get("replicasPerMaster"), properties.get("replicasPerPrimary")),
    }


def differences(state, configuration):
    """What `plan` would show: "6" is the same as "6.0"."""
    found = state | {"redis_version": state["redis_version"].split(".")[0]}
    return {name: (found[name], wanted) for name, wanted in configuration.items() if found[name] != wanted}


def replay():
    with step("provider: metadata"):
        found = metadata()
    with step("provider: tokens for Graph and for Resource Manager"):
        token(found, found["microsoftGraphResourceId"].rstrip("/"))
        arm.token = token(found, found["resourceManager"].rstrip("/"))
    with step("provider: registrations"):
        providers()
    with step("apply: the group"):
        create_group()
    with waits("apply: the cache"):
        create_cache()
    with step("apply: what the provider reads back"):
        created = read()
        check(not differences(created, CONFIGURATION), differences(created, CONFIGURATION))
    with step("plan: nothing to do"):
        get(GROUP_PATH, GROUP_VERSION)
        again = read()
        check(again == created, "two reads differ", again, created)
    changed = CONFIGURATION | {"capacity": 2, "tags": {"env": "test", "owner": "me"}, "maxmemory_policy": "noeviction"}
    with waits("apply: a larger size, another tag, another policy"):
        body = {"properties": sent(changed), "tags": changed["tags"]}
        body["properties"]["redisConfiguration"] = {
            "maxmemory-policy": changed["maxmemory_policy"],
            "preferred-data-persistence-auth-method": "",
            "aad-enabled": "false",
            **{name: value for name, value in created["settings"].items() if value and name != "maxclients"},
        }
        ask("PATCH", CACHE_PATH, VERSION, (200, 202), body)
        until_succeeded()
        check(not differences(read(), changed), differences(read(), changed))
    with waits("destroy: the cache"):
        get(CACHE_PATH, VERSION)
        ask("DELETE", CACHE_PATH, VERSION, (200, 202, 204))
        until_gone(CACHE_PATH, VERSION)
    with waits("destroy: the group"):
        left = get(f"{GROUP_PATH}/resources", GROUP_VERSION, more="&$expand=provisioningState&$top=10").body
        check(left["value"] == [], left)
        ask("DELETE", GROUP_PATH, GROUP_VERSION, (200, 202))
        until_gone(GROUP_PATH, GROUP_VERSION)


MAIN = """
terraform {{
  required_providers {{
    azurerm = {{ source = "hashicorp/azurerm" }}
  }}
}}
provider "azurerm" {{
  features {{}}
  resource_provider_registrations = "none"
}}
resource "azurerm_resource_group" "group" {{
  name     = "{group}"
  location = "westeurope"
}}
resource "azurerm_redis_cache" "cache" {{
  name                 = "{name}"
  location             = azurerm_resource_group.group.location
  resource_group_name  = azurerm_resource_group.group.name
  capacity             = 1
  family               = "C"
  sku_name             = "Standard"
  non_ssl_port_enabled = true
  tags                 = {{ env = "test" }}
}}
"""
OVERRIDE = 'provider_installation {{\n  dev_overrides {{\n    "hashicorp/azurerm" = "{folder}"\n  }}\n  direct {{}}\n}}\n'


def real(provider, program):
    folder = pathlib.Path(os.environ["GATEWAY_SCRATCH"]) / "terraform"
    folder.mkdir()
    (folder / "plugins").mkdir()
    (folder / "plugins" / "terraform-provider-azurerm").symlink_to(pathlib.Path(provider).resolve())
    (folder / "main.tf").write_text(MAIN.format(group="real", name="real-cache"))
    (folder / "terraformrc").write_text(OVERRIDE.format(folder=folder / "plugins"))
    environment = os.environ | {
        "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        "TF_IN_AUTOMATION": "1",
        "SSL_CERT_FILE": CA,
        "ARM_METADATA_HOSTNAME": HOST,
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": TENANT,
        "ARM_CLIENT_ID": CLIENT,
        "ARM_CLIENT_SECRET": "any",
    }
    for line in (
        "apply -auto-approve -no-color -input=false",
        "plan -detailed-exitcode -no-color -input=false",
        "destroy -auto-approve -no-color -input=false",
    ):
        with step(f"{pathlib.Path(program).name} {line.split()[0]}"):
            done = subprocess.run([program, *line.split()], cwd=folder, env=environment, capture_output=True, text=True)
            check(done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}")


replay()
provider = os.environ.get("TF_AZURERM_BIN")
program = shutil.which("terraform") or shutil.which("tofu")
if provider and program:
    real(provider, program)
else:
    lacking = "TF_AZURERM_BIN names no provider" if program else "neither terraform nor tofu is on PATH"
    print(f"left out: the provider itself, because {lacking}")
