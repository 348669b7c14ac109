// ioredis against a cache: plain, over TLS with the CA verified, subscribed, across a reboot, and in a cluster. Prints
// one line per step, as steps.py does.
//
// A .cjs file: its packages are found by NODE_PATH, in target/node, which modules do not heed.

"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { Redis, Cluster } = require("ioredis");
const { step } = require("./steps.cjs");

const port = process.env.GATEWAY_PORT ?? "4577";
const ca = fs.readFileSync(process.env.GATEWAY_CA);
const arm = `https://localhost:${port}/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ioredis`;
const version = "api-version=2024-11-01";

async function call(method, url, body) {
  const headers = { "content-type": "application/json", authorization: "Bearer any" };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return { headers: answer.headers, body: text ? JSON.parse(text) : undefined };
}

// A cache, once it is there, with its keys.
async function create(name, properties) {
  const url = `${arm}/providers/Microsoft.Cache/redis/${name}`;
  const body = { location: "eastus", properties: { enableNonSslPort: true, ...properties } };
  const { headers } = await call("PUT", `${url}?${version}`, body);
  const status = headers.get("azure-asyncoperation");
  // The status is answered when the operation ends, or after a while.
  let state = "InProgress";
  while (state === "InProgress") state = (await call("GET", status)).body.status;
  assert.equal(state, "Succeeded");
  const { body: cache } = await call("GET", `${url}?${version}`);
  const { body: keys } = await call("POST", `${url}/listKeys?${version}`);
  return { url, ...cache.properties, keys };
}

const plain = (cache) => ({ host: "localhost", port: cache.port, password: cache.keys.primaryKey });
const secure = (cache) => ({ ...plain(cache), port: cache.sslPort, tls: { ca, servername: "localhost" } });

async function roundTrip(options, value) {
  const client = new Redis({ ...options, lazyConnect: true, maxRetriesPerRequest: 1 });
  try {
    await client.connect();
    assert.equal(await client.set("from", value), "OK");
    assert.equal(await client.get("from"), value);
  } finally {
    client.disconnect();
  }
}

async function subscribed(cache) {
  const [listener, speaker] = [new Redis(secure(cache)), new Redis(secure(cache))];
  try {
    await listener.subscribe("news");
    const heard = new Promise((resolve) => listener.on("message", (_, message) => resolve(message)));
    assert.equal(await speaker.publish("news", "hello"), 1);
    assert.equal(await heard, "hello");
  } finally {
    listener.disconnect();
    speaker.disconnect();
  }
}

async function rebooted(cache) {
  const client = new Redis({ ...secure(cache), maxRetriesPerRequest: null, retryStrategy: () => 100 });
  // A connection that ends is what this step is about.
  client.on("error", () => {});
  const run = async () => /run_id:(\w+)/.exec(await client.info("server"))[1];
  try {
    await client.set("survives", "yes");
    const before = await run();
    await call("POST", `${cache.url}/forceReboot?${version}`, { rebootType: "AllNodes" });
    while ((await run()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await client.get("survives"), "yes");
  } finally {
    client.disconnect();
  }
}

async function clustered(options, prefix) {
  const { host, port, ...redisOptions } = options;
  const client = new Cluster([{ host, port }], { redisOptions, dnsLookup: (address, back) => back(null, address) });
  try {
    const numbers = Array.from({ length: 100 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => client.set(`${prefix}-${number}`, number)));
    const found = await Promise.all(numbers.map((number) => client.get(`${prefix}-${number}`)));
    assert.deepEqual(found, numbers);
    assert.equal(client.nodes("master").length, 3);
  } finally {
    client.disconnect();
  }
}

async function main() {
  const cache = await create("io-first", { sku: { name: "Basic", family: "C", capacity: 0 } });
  await step("ioredis, plain", () => roundTrip(plain(cache), "plain"));
  await step("ioredis, TLS", () => roundTrip(secure(cache), "tls"));
  await step("ioredis, TLS: subscription", () => subscribed(cache));
  await step("ioredis, TLS: across forceReboot", () => rebooted(cache));
  const premium = { name: "Premium", family: "P", capacity: 1 };
  const cluster = await create("io-cluster", { sku: premium, shardCount: 3 });
  await step("ioredis Cluster, plain", () => clustered(plain(cluster), "plain"));
  await step("ioredis Cluster, TLS", () => clustered(secure(cluster), "tls"));
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
