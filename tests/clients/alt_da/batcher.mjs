// What a rollup of the OP Stack asks of its DA server, request by request as op-batcher and op-node send them.
//
//   ALOFT_API=http://127.0.0.1:7777 node batcher.mjs
//
// Prints one line of JSON and exits with 0 when everything held.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

const status = await (await fetch(`${process.env.ALOFT_API}/v1/status`)).json();
const server = status.node.alt_da_url;
assert(server, 'the node says where its alt-DA server is');

/** `DAClient.setInput` of op-alt-da: the commitment, as it came. */
async function put(batch, path = '/put') {
  const answer = await fetch(server + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream' },
    body: batch,
  });
  assert.equal(answer.status, 200, `put: ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

/** `DAClient.GetInput`: the batch, or the status that refused it. */
async function get(commitment) {
  const answer = await fetch(`${server}/get/0x${commitment.toString('hex')}`);
  return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : answer.status;
}

assert.equal((await fetch(`${server}/health`)).status, 200, 'healthy');

// Derivation version 0, then frames: sizes of a quiet rollup, of one L1 transaction, and of six blobs of EIP-4844.
const sizes = [1, 1_000, 130_672, 6 * 131_072];
const batches = sizes.map((size) => Buffer.concat([Buffer.from([0]), randomBytes(size)]));
const begun = performance.now();
const commitments = [];
for (const batch of batches) {
  const commitment = await put(batch);
  // Generic commitment, this layer's byte, and what fits beside them in the calldata of one inbox transaction. One after the
  // other, each has its blob to itself.
  assert.deepEqual([...commitment.subarray(0, 2)], [0x01, 0x61]);
  assert([51, 55].includes(commitment.length));
  commitments.push(commitment);
}
const putMs = (performance.now() - begun) / batches.length;
for (const [index, commitment] of commitments.entries()) {
  assert.deepEqual(await get(commitment), batches[index], `a batch of ${batches[index].length} bytes comes back`);
}

// A batcher that was cut off asks again, at once or after a restart, by whichever path its release uses.
assert.deepEqual(await put(batches[1], '/put/'), commitments[1], 'the same batch has the same commitment');

// A batcher under load has several on their way.
const together = Array.from({ length: 8 }, () => randomBytes(50_000));
const many = await Promise.all(together.map((batch) => put(batch)));
for (const [index, commitment] of many.entries()) {
  assert.deepEqual(await get(commitment), together[index]);
}

// Small batches of several rollups share a certificate; each has its own commitment, which is four bytes longer.
const small = Array.from({ length: 20 }, () => randomBytes(1_000));
const shared = await Promise.all(small.map((batch) => put(batch)));
const roots = new Set(shared.map((commitment) => commitment.subarray(19, 51).toString('hex')));
assert(roots.size <= 3, `${roots.size} certificates for ${small.length} batches`);
for (const [index, commitment] of shared.entries()) {
  assert.deepEqual(await get(commitment), small[index]);
}
assert.deepEqual(await put(small[7]), shared[7], 'sent again, it keeps its name');

// Unknown: derivation waits. Malformed: it is told so.
const unknown = Buffer.from(commitments[0]);
unknown[50] ^= 1;
assert.equal(await get(unknown), 404, 'a root that nobody certified');
const elsewhere = Buffer.from(commitments[0]);
elsewhere[18] ^= 1;
assert.equal(await get(elsewhere), 404, 'a block that did not certify it');
for (const text of ['0x', '0x01', `0x${'zz'.repeat(51)}`, `0x00${'ab'.repeat(32)}`, 'ab']) {
  assert.equal((await fetch(`${server}/get/${text}`)).status, 400, `${text} is no commitment`);
}
const keccak = await fetch(`${server}/put/0x00${'ab'.repeat(32)}`, { method: 'POST', body: batches[0] });
assert.equal(keccak.status, 400, 'commitments are made by the server');
assert.equal((await fetch(`${server}/put`, { method: 'POST' })).status, 400, 'an empty batch');

// Too large: refused by its announced length, before it is sent.
const refused = await new Promise((resolve, reject) => {
  const headers = { 'Content-Length': 31 * 1024 * 1024, Expect: '100-continue' };
  const call = request(`${server}/put`, { method: 'POST', headers }, (answer) => resolve(answer.statusCode));
  call.on('continue', () => reject(new Error('the server asked for a batch that it cannot take')));
  call.on('error', reject);
  call.flushHeaders();
});
assert.equal(refused, 413, 'a batch beyond the limit');

console.log(JSON.stringify({ batches: batches.length + together.length + small.length, put_ms: Math.round(putMs) }));
process.exit(0);
