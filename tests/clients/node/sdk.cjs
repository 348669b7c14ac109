// @azure/arm-rediscache, @azure/arm-resources and ioredis, as an application uses them: over https, with a service
// principal of @azure/identity. Prints one line per step, as steps.py does.
//
// A .cjs file: its packages are found by NODE_PATH, in target/node, which modules do not heed.

"use strict";

const assert = require("node:assert/strict");
const { RedisManagementClient } = require("@azure/arm-rediscache");
const { ResourceManagementClient } = require("@azure/arm-resources");
const { ClientSecretCredential } = require("@azure/identity");
const { Redis } = require("ioredis");
const { now, show, step } = require("./steps.cjs");

const port = process.env.GATEWAY_PORT ?? "4577";
const secure = `https://localhost:${port}`;
const subscription = "00000000-0000-0000-0000-000000000001";
const tenant = "00000000-0000-0000-0000-000000000002";
const principal = "00000000-0000-0000-0000-000000000003";
const scope = `${secure}/.default`;
const group = "node";
const name = "node-cache";
const cacheBody = {
  location: "eastus",
  sku: { name: "Basic", family: "C", capacity: 0 },
  enableNonSslPort: true,
  tags: { env: "test" },
};

async function all(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

const notFound = (code) => (error) => error.statusCode === 404 && error.code === code;

// The moment at which the cache is ready, looked for every 10 ms beside the client.
async function readyMoment(credential, over) {
  const path = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Cache/redis/${name}`;
  const { token } = await credential.getToken(scope);
  const headers = { authorization: `Bearer ${token}` };
  while (!over.aborted) {
    const answer = await fetch(`http://localhost:${port}${path}?api-version=2024-11-01`, { headers });
    const cache = await answer.json();
    if (answer.status === 200 && cache.properties.provisioningState === "Succeeded") return now();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the cache was never seen ready");
}

async function connect(port, password) {
  const client = new Redis({ host: "localhost", port, password, lazyConnect: true, maxRetriesPerRequest: 1 });
  try {
    await client.connect();
    assert.equal(await client.set("from", "node"), "OK");
    assert.equal(await client.get("from"), "node");
  } finally {
    client.disconnect();
  }
}

async function main() {
  const credential = new ClientSecretCredential(tenant, principal, "any", {
    authorityHost: secure,
    disableInstanceDiscovery: true,
  });
  // The generated clients write their URLs with $host, and ask for their tokens with endpoint.
  const options = { endpoint: secure, $host: secure, credentialScopes: [scope] };
  const { redis } = new RedisManagementClient(credential, subscription, options);
  const { resourceGroups, resources } = new ResourceManagementClient(credential, subscription, options);

  await step("resourceGroups.createOrUpdate, get, list", async () => {
    await resourceGroups.createOrUpdate(group, { location: "eastus" });
    assert.equal((await resourceGroups.get(group)).properties.provisioningState, "Succeeded");
    assert.ok((await all(resourceGroups.list())).some((each) => each.name === group));
  });
  await step("get of what is not there -> ResourceNotFound", () =>
    assert.rejects(redis.get(group, name), notFound("ResourceNotFound")),
  );

  const over = new AbortController();
  const ready = readyMoment(credential, over.signal);
  ready.catch(() => {});
  const begin = now();
  const cache = await redis.beginCreateAndWait(group, name, cacheBody);
  const end = now();
  setTimeout(() => over.abort(), 1000).unref();
  const lag = end - (await ready);
  show("beginCreateAndWait", end - begin, `${lag < 0 ? "" : "+"}${lag.toFixed(2)} s after the cache was ready`);
  assert.equal(cache.provisioningState, "Succeeded");
  assert.deepEqual(cache.tags, { env: "test" });

  const keys = await step("listKeys", () => redis.listKeys(group, name));
  await step("SET and GET by ioredis", () => connect(cache.port, keys.primaryKey));
  await step("get, listBySubscription, listByResourceGroup", async () => {
    assert.equal((await redis.get(group, name)).id, cache.id);
    assert.deepEqual((await all(redis.listBySubscription())).map((each) => each.id), [cache.id]);
    assert.deepEqual((await all(redis.listByResourceGroup(group))).map((each) => each.id), [cache.id]);
  });
  await step("beginUpdateAndWait of tags and sku", async () => {
    const sku = { name: "Standard", family: "C", capacity: 0 };
    const changed = await redis.beginUpdateAndWait(group, name, { tags: { owner: "me" }, sku });
    assert.equal(changed.provisioningState, "Succeeded");
    assert.deepEqual([changed.tags, changed.sku], [{ owner: "me" }, sku]);
  });
  const fresh = await step("regenerateKey", () => redis.regenerateKey(group, name, { keyType: "Primary" }));
  assert.notEqual(fresh.primaryKey, keys.primaryKey);
  assert.equal(fresh.secondaryKey, keys.secondaryKey);
  await step("SET and GET with the new key", () => connect(cache.port, fresh.primaryKey));
  await step("a body that is wrong -> 400", () =>
    assert.rejects(
      redis.beginCreate(group, "wrong", { ...cacheBody, sku: { name: "Basic", family: "C", capacity: 9 } }),
      (error) => error.statusCode === 400 && Boolean(error.code),
    ),
  );

  await redis.beginCreateAndWait(group, "second", cacheBody);
  await step("resources.list with filter, and pages of one", async () => {
    const filter = "resourceType eq 'Microsoft.Cache/redis'";
    const found = await all(resources.list({ filter, expand: "createdTime,changedTime,provisioningState" }));
    assert.deepEqual(found.map((each) => each.name).sort(), [name, "second"].sort());
    const pages = await all(resources.listByResourceGroup(group, { top: 1 }).byPage());
    assert.deepEqual(pages.flat().map((each) => each.name).sort(), [name, "second"].sort());
    assert.ok(pages.every((page) => page.length <= 1));
  });

  await step("beginDeleteAndWait", async () => {
    await redis.beginDeleteAndWait(group, name);
    await assert.rejects(redis.get(group, name), notFound("ResourceNotFound"));
  });
  await step("resourceGroups.beginDeleteAndWait, a cache inside", async () => {
    await resourceGroups.beginDeleteAndWait(group);
    assert.equal((await resourceGroups.checkExistence(group)).body, false);
    assert.deepEqual(await all(redis.listBySubscription()), []);
  });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
