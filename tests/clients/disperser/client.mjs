// What a client of 0G's data availability does, with the interface files and a gRPC library that is not ours.
//
//   ALOFT_API=http://127.0.0.1:7777 node client.mjs
//
// Prints one line of JSON and exits with 0 when everything held.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const DATA_BYTES_MAX = 32_505_852;

const status = await (await fetch(`${process.env.ALOFT_API}/v1/status`)).json();
const address = new URL(status.node.disperser_url).host;

const file = (name) => fileURLToPath(new URL(`../../../crates/api/proto/${name}.proto`, import.meta.url));
const options = { keepCase: true, longs: Number, enums: String, defaults: true };
const { disperser, retriever } = grpc.loadPackageDefinition(
  loader.loadSync([file('disperser'), file('retriever')], options),
);
const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const credentials = grpc.credentials.createInsecure();
const clients = {
  disperser: new disperser.Disperser(address, credentials, limits),
  retriever: new retriever.Retriever(address, credentials, limits),
};

/** Calls a unary method. */
const call = (service, method, message) =>
  new Promise((resolve, reject) => {
    clients[service][method](message, (error, reply) => (error ? reject(error) : resolve(reply)));
  });

/** The status code of a call that fails. */
const code = (promise) =>
  promise.then(
    () => grpc.status.OK,
    (error) => error.code,
  );

/** Disperses and polls, as 0G's clients do; the blob's header. */
async function publish(data) {
  const reply = await call('disperser', 'DisperseBlob', { data });
  assert.equal(reply.result, 'PROCESSING');
  for (;;) {
    const { status, info } = await call('disperser', 'GetBlobStatus', { request_id: reply.request_id });
    if (status === 'FINALIZED') {
      assert.equal(info.blob_header.storage_root.length, 32);
      return info.blob_header;
    }
    assert.equal(status, 'PROCESSING');
    await pause(50);
  }
}

const sizes = [1, 1_000, 300_000, DATA_BYTES_MAX];
const seconds = [];
let header;
for (const size of sizes) {
  const data = randomBytes(size);
  const begun = performance.now();
  header = await publish(data);
  seconds.push((performance.now() - begun) / 1000);
  for (const service of ['disperser', 'retriever']) {
    const { data: found } = await call(service, 'RetrieveBlob', header);
    assert(found.equals(data), `${size} bytes come back from the ${service}`);
  }
}

// Eight clients at once.
const many = Array.from({ length: 8 }, () => randomBytes(100_000));
const headers = await Promise.all(many.map(publish));
for (const [index, each] of headers.entries()) {
  assert((await call('disperser', 'RetrieveBlob', each)).data.equals(many[index]));
}

// A hundred small ones share a certificate, or a few, and come back one by one.
const small = Array.from({ length: 100 }, () => randomBytes(1_000));
const shared = await Promise.all(small.map(publish));
const roots = new Set(shared.map((each) => each.storage_root.toString('hex')));
assert(roots.size <= 10, `${roots.size} certificates for ${small.length} blobs`);
for (const [index, each] of shared.entries()) {
  assert((await call('retriever', 'RetrieveBlob', each)).data.equals(small[index]));
}

const nobody = randomBytes(32);
const { NOT_FOUND, INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED } = grpc.status;
assert.equal(await code(call('disperser', 'GetBlobStatus', { request_id: randomBytes(120) })), NOT_FOUND);
assert.equal(await code(call('disperser', 'GetBlobStatus', { request_id: nobody })), INVALID_ARGUMENT);
assert.equal(await code(call('disperser', 'RetrieveBlob', { ...header, storage_root: nobody })), NOT_FOUND);
assert.equal(await code(call('retriever', 'RetrieveBlob', { ...header, epoch: header.epoch + 1 })), NOT_FOUND);
assert.equal(await code(call('disperser', 'RetrieveBlob', { ...header, storage_root: Buffer.from('short') })), INVALID_ARGUMENT);
assert.equal(await code(call('disperser', 'DisperseBlob', { data: Buffer.alloc(0) })), INVALID_ARGUMENT);
assert.equal(await code(call('disperser', 'DisperseBlob', { data: Buffer.alloc(DATA_BYTES_MAX + 1) })), INVALID_ARGUMENT);
assert.equal(await code(call('disperser', 'DisperseBlob', { data: Buffer.alloc(DATA_BYTES_MAX + 1000) })), OUT_OF_RANGE);
const missing = new Promise((resolve, reject) => {
  const same = (buffer) => buffer;
  clients.disperser.makeUnaryRequest('/disperser.Disperser/Nothing', same, same, Buffer.alloc(0), (error) =>
    error ? reject(error) : resolve(),
  );
});
assert.equal(await code(missing), UNIMPLEMENTED);

const rounded = seconds.map((each) => Number(each.toFixed(2)));
console.log(JSON.stringify({ blobs: sizes.length + many.length + small.length, certificates_of_100_small: roots.size, sizes, finalized_after_s: rounded }));
process.exit(0);
