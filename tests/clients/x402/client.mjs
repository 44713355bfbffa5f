// Pay for requests with the public x402 client, unmodified.
//
//   node client.mjs --url http://127.0.0.1:8000 --rpc http://127.0.0.1:8545 --model soil --key 0x… [--requests 20] [--budget 1000000]
//
// Sends paid requests, requires that each was charged no more than asked, and checks the signature of every receipt with
// another implementation of EIP-712 than the server's. With --budget it then opens a session and prints its API key.
// Prints one line of JSON and exits with 0 when everything held. The payer needs USDX, and no coin for gas.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { createPublicClient, http, hashTypedData, recoverTypedDataAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    rpc: { type: 'string' },
    model: { type: 'string' },
    key: { type: 'string' },
    requests: { type: 'string', default: '20' },
    budget: { type: 'string' },
  },
});
for (const name of ['url', 'rpc', 'model', 'key']) {
  assert(options[name], `--${name} is missing`);
}

const RECEIPT = [
  { name: 'version', type: 'uint8' },
  { name: 'service', type: 'string' },
  { name: 'modelRoot', type: 'bytes32' },
  { name: 'engineName', type: 'string' },
  { name: 'engineVersion', type: 'string' },
  { name: 'numerics', type: 'string' },
  { name: 'requestHash', type: 'bytes32' },
  { name: 'responseHash', type: 'bytes32' },
  { name: 'price', type: 'uint128' },
  { name: 'channelId', type: 'bytes32' },
  { name: 'sequence', type: 'uint64' },
  { name: 'timestampMs', type: 'uint64' },
  { name: 'verifyClass', type: 'uint8' },
];
const VERIFY_CLASSES = ['signed', 'reexecutable'];

const typedReceipt = receipt => ({
  domain: { name: 'Aloft Receipt', version: '1', chainId: receipt.chain_id },
  types: { Receipt: RECEIPT },
  primaryType: 'Receipt',
  message: {
    version: receipt.version,
    service: receipt.service,
    modelRoot: receipt.model_root,
    engineName: receipt.engine.name,
    engineVersion: receipt.engine.version,
    numerics: receipt.engine.numerics,
    requestHash: receipt.request_hash,
    responseHash: receipt.response_hash,
    price: BigInt(receipt.price),
    channelId: receipt.channel_id,
    sequence: BigInt(receipt.sequence),
    timestampMs: BigInt(receipt.timestamp_ms),
    verifyClass: VERIFY_CLASSES.indexOf(receipt.verify_class),
  },
});

const model = await (await fetch(`${options.url}/v2/models/${options.model}`)).json();
const { network, provider } = model.x_aloft;
const account = privateKeyToAccount(options.key);
const chain = createPublicClient({ transport: http(options.rpc) });
// `readContract` lets the client recover a channel it has lost count of.
const signer = { ...account, readContract: call => chain.readContract(call) };

const client = new x402Client();
// The client pays only in tokens on its own list unless told otherwise; USDX is not on it.
client.setSpendControls(false);
client.register(network, new BatchSettlementEvmScheme(signer));
const paidFetch = wrapFetchWithPayment(fetch, client);

// The same deterministic rows every time, of the model's own shapes.
const body = row => JSON.stringify({
  inputs: model.inputs.map(({ name, datatype, shape }) => {
    const sizes = shape.map(side => (side === -1 ? 1 : side));
    const count = sizes.reduce((product, side) => product * side, 1);
    const value = index => (datatype.startsWith('FP') ? (row + index) / 16 : (row + index) % 2);
    return { name, datatype, shape: sizes, data: Array.from({ length: count }, (_, index) => value(index)) };
  }),
});

let charged = 0n;
const deposits = [];
const started = performance.now();
for (let row = 0; row < Number(options.requests); row++) {
  const response = await paidFetch(`${options.url}/v2/models/${options.model}/infer`, { method: 'POST', body: body(row) });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  const payment = decodePaymentResponseHeader(response.headers.get('payment-response'));
  assert(payment.success);
  charged += BigInt(payment.extra.chargedAmount);
  assert.equal(payment.extra.channelState.chargedCumulativeAmount.length > 0, true);
  if (payment.transaction) {
    deposits.push(payment.transaction);
    assert.equal((await chain.getTransactionReceipt({ hash: payment.transaction })).status, 'success');
  }

  const id = response.headers.get('x-aloft-receipt');
  const { receipt, signature } = await (await fetch(`${options.url}/v1/receipts/${id}`)).json();
  const typed = typedReceipt(receipt);
  assert.equal(hashTypedData(typed), id, 'the receipt is not the one it was named');
  const recovered = await recoverTypedDataAddress({ ...typed, signature });
  assert.equal(recovered.toLowerCase(), provider.toLowerCase(), 'the receipt is not signed by the provider');
  assert.equal(BigInt(receipt.price), BigInt(payment.extra.chargedAmount));
}
const elapsed = performance.now() - started;
assert.equal(await chain.getTransactionCount({ address: account.address }), 0, 'the payer sent a transaction');

let session;
if (options.budget) {
  const opened = await paidFetch(`${options.url}/v1/sessions`, {
    method: 'POST',
    body: JSON.stringify({ model: options.model, budget: options.budget }),
  });
  session = await opened.json();
  assert.equal(opened.status, 201, JSON.stringify(session));
}

console.log(JSON.stringify({
  payer: account.address,
  requests: Number(options.requests),
  charged: charged.toString(),
  deposits,
  ms_per_request: Math.round((elapsed / Number(options.requests)) * 10) / 10,
  ...(session ? { api_key: session.api_key, channel_id: session.channel_id } : {}),
}));
