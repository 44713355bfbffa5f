// What 0G's load tool (evmchainbench) asks of a node, request by request: senders funded and counted, transactions in batches, heads over WebSocket, and for
// each head its block and its logs. A bucket of allowances is refilled by what each block takes.

import { concatHex, getContractAddress, numberToHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import WebSocket from 'ws';
import { check, chainId, key, post, story, token, webSocketUrl } from './network.mjs';

const SENDERS = 4;
const EACH = 150;
const BATCH = 50;
const ALLOWED = 200;
const TRANSFER = '0xa9059cbb';

let id = 0;
const request = (method, ...params) => ({ jsonrpc: '2.0', id: ++id, method, params });
/** One call over HTTP. */
const ask = async (method, ...params) => {
  const { json } = await post(request(method, ...params));
  if (json.error) throw new Error(`${method}: ${JSON.stringify(json.error)}`);
  return json.result;
};
const aMoment = () => new Promise((later) => setTimeout(later, 50));
const included = async (hash) => {
  for (;;) {
    const receipt = await ask('eth_getTransactionReceipt', hash);
    if (receipt) return receipt;
    await aMoment();
  }
};

/** A WebSocket that answers calls and hands on notices. */
async function connect(onNotice) {
  const socket = new WebSocket(webSocketUrl);
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.method === 'eth_subscription') onNotice(message.params.result);
    else waiting.get(message.id)?.(message);
  };
  await new Promise((opened, failed) => Object.assign(socket, { onopen: opened, onerror: failed }));
  const ask = (method, ...params) =>
    new Promise((answered, failed) => {
      const sent = request(method, ...params);
      waiting.set(sent.id, ({ result, error }) => (error ? failed(new Error(`${method}: ${JSON.stringify(error)}`)) : answered(result)));
      socket.send(JSON.stringify(sent));
    });
  return { ask, close: () => socket.close() };
}

await story('load tool', async () => {
  check(Number(await ask('eth_chainId')) === chainId, 'the chain id');
  const payer = privateKeyToAccount(key);
  const senders = Array.from({ length: SENDERS }, () => privateKeyToAccount(generatePrivateKey()));
  const gasPrice = BigInt(await ask('eth_gasPrice')) * 4n;
  let nonce = Number(await ask('eth_getTransactionCount', payer.address, 'pending'));
  const paid = async (fields) => {
    const gas = await ask('eth_estimateGas', { from: payer.address, ...fields, value: fields.value && numberToHex(fields.value) });
    const raw = await payer.signTransaction({ type: 'legacy', chainId, nonce: nonce++, gasPrice, gas: (BigInt(gas) * 5n) / 4n, ...fields });
    return ask('eth_sendRawTransaction', raw);
  };

  const contract = getContractAddress({ from: payer.address, nonce: BigInt(nonce) });
  const supply = [numberToHex(BigInt(payer.address), { size: 32 }), numberToHex(10n ** 9n, { size: 32 })];
  check((await included(await paid({ data: concatHex([token.bytecode, ...supply]) }))).status === '0x1', 'a token');
  const word = (value) => numberToHex(value, { size: 32 });
  let last;
  for (const { address } of senders) {
    await paid({ to: address, value: 10n ** 17n });
    last = await paid({ to: contract, data: concatHex([TRANSFER, word(BigInt(address)), word(BigInt(EACH))]) });
  }
  check((await included(last)).status === '0x1', 'senders with funds');
  const counts = await Promise.all(senders.map(({ address }) => ask('eth_getTransactionCount', address, 'latest')));
  check(counts.every((count) => count === '0x0'), 'senders that sent nothing yet');

  const raws = [];
  for (let index = 0; index < EACH; index++) {
    for (const sender of senders) {
      const data = concatHex([TRANSFER, word(BigInt(payer.address)), word(1n)]);
      raws.push(await sender.signTransaction({ type: 'legacy', chainId, nonce: index, gasPrice, gas: 80_000n, to: contract, data }));
    }
  }

  const blocks = [];
  let [allowed, transactions, logs, seen] = [ALLOWED, 0, 0, 0];
  let looks = Promise.resolve();
  const socket = await connect((head) => {
    // One after the other, in the order of heads.
    looks = looks.then(async () => {
      const block = await socket.ask('eth_getBlockByNumber', head.number, false);
      const found = await socket.ask('eth_getLogs', { fromBlock: head.number, toBlock: head.number, address: contract });
      if (block.hash !== head.hash) throw new Error(`head ${head.hash} is block ${block.hash}`);
      blocks.push(block);
      transactions += block.transactions.length;
      logs += found.length;
      allowed += block.transactions.length;
      seen += found.filter((log) => log.topics[2] === word(BigInt(payer.address)).toLowerCase()).length;
    });
  });
  await socket.ask('eth_subscribe', 'newHeads');
  for (let sent = 0; sent < raws.length; sent += BATCH) {
    // A look that fails ends the wait.
    while (allowed < BATCH) await Promise.all([looks, aMoment()]);
    allowed -= BATCH;
    const { json } = await post(raws.slice(sent, sent + BATCH).map((raw) => request('eth_sendRawTransaction', raw)));
    const refused = json.find(({ error }) => error);
    if (refused) throw new Error(`a transaction was refused: ${JSON.stringify(refused)}`);
  }
  while (seen < raws.length) await Promise.all([looks, aMoment()]);
  socket.close();

  const numbers = blocks.map(({ number }) => Number(number));
  check(numbers.every((number, at) => at === 0 || number === numbers[at - 1] + 1), `each of ${blocks.length} heads, in order`);
  check(blocks.every((block, at) => at === 0 || Number(block.timestamp) >= Number(blocks[at - 1].timestamp)), 'times that do not go back');
  check(seen === raws.length && logs >= seen && transactions >= seen, `a log of each of ${raws.length} transfers`);
});
