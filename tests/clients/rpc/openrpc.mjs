// Runs a client against a node and checks every answer that it gets by the OpenRPC document of Ethereum's JSON-RPC.
//
//   node openrpc.mjs COMMAND [ARGUMENT..]    the command sees RPC_URL changed to this program's
//   node openrpc.mjs --sweep                 asks for everything that the document has and a node answers
//
// The document is the one that MetaMask publishes, made of ethereum/execution-apis. Requests over WebSocket pass unseen.
// Exits with a code other than zero when an answer is not of its schema, or the command failed.

import document from '@metamask/api-specs';
import Ajv from 'ajv/dist/2019.js';
import { spawn } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { url } from './network.mjs';

/** Adds what the standard got since the document was published, and mends what no answer could keep. */
function update({ Block, Log, FilterResults, TransactionInfo }) {
  // EIP-7685; and the blocks' times, as the standard's own recorded answers have them.
  Block.properties.requestsHash = { $ref: '#/components/schemas/hash32' };
  for (const dated of [Log, TransactionInfo.allOf[0]]) dated.properties.blockTimestamp = { $ref: '#/components/schemas/uint' };
  // A transaction that waits for a block has no place yet: every client of Ethereum says null.
  const { properties } = TransactionInfo.allOf[0];
  for (const place of ['blockHash', 'blockNumber', 'transactionIndex']) properties[place] = { anyOf: [properties[place], { type: 'null' }] };
  // An empty list is of both kinds of results.
  FilterResults.anyOf = FilterResults.oneOf;
  delete FilterResults.oneOf;
  // One part of a transaction forbids what the others have.
  delete TransactionInfo.allOf[0].unevaluatedProperties;
  TransactionInfo.unevaluatedProperties = false;
}

// Methods of the document that a wallet answers, not a node.
const OF_WALLETS = /^(wallet_|personal_)|^eth_(requestAccounts|accounts|sendTransaction|signTypedData_v4|decrypt|getEncryptionPublicKey|coinbase)$/;

/** Checks results, by method. */
class Checker {
  constructor(openrpc) {
    const schema = { $id: 'openrpc', components: openrpc.components };
    update(schema.components.schemas);
    const ajv = new Ajv({ strict: false, allErrors: true });
    ajv.addSchema(schema);
    this.validators = new Map();
    for (const method of openrpc.methods) {
      if (OF_WALLETS.test(method.name) || method.result === undefined) continue;
      const text = JSON.stringify(method.result.schema).replaceAll('"#/components', '"openrpc#/components');
      this.validators.set(method.name, ajv.compile(JSON.parse(text)));
    }
    this.checked = new Map();
    this.wrong = [];
  }

  check(request, response) {
    const validate = this.validators.get(request?.method);
    if (validate === undefined || response?.error !== undefined) return;
    this.checked.set(request.method, (this.checked.get(request.method) ?? 0) + 1);
    if (validate(response.result)) return;
    const errors = validate.errors.slice(0, 4).map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
    this.wrong.push(`${JSON.stringify(request).slice(0, 300)}\n  -> ${JSON.stringify(response.result).slice(0, 600)}\n  ${errors.join('\n  ')}`);
  }

  /** A request, or a batch, with its answer; answers of a batch come in any order. */
  exchange(sent, received) {
    if (!Array.isArray(sent)) return this.check(sent, received);
    const requests = new Map(sent.map((request) => [request.id, request]));
    for (const response of Array.isArray(received) ? received : []) this.check(requests.get(response.id), response);
  }

  /** Prints what was checked, and what was wrong; whether nothing was. */
  report() {
    const counts = [...this.checked].sort().map(([method, count]) => `${method} ${count}`);
    console.log(`answers checked by the OpenRPC document: ${counts.join(', ') || 'none'}`);
    for (const wrong of this.wrong) console.error(`not of its schema: ${wrong}`);
    return this.wrong.length === 0 && this.checked.size > 0;
  }
}

/** Passes requests on to the node, and shows the checker what came back. */
async function proxy(checker) {
  const { hostname, port } = new URL(url);
  const server = http.createServer(async (incoming, outgoing) => {
    const sent = [];
    for await (const chunk of incoming) sent.push(chunk);
    const body = Buffer.concat(sent);
    const headers = { ...incoming.headers, host: `${hostname}:${port}` };
    const passed = http.request({ hostname, port, path: incoming.url, method: incoming.method, headers }, async (answer) => {
      const received = [];
      for await (const chunk of answer) received.push(chunk);
      const text = Buffer.concat(received);
      try {
        checker.exchange(JSON.parse(body), JSON.parse(text));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
      const { 'transfer-encoding': _, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode, { ...kept, 'content-length': text.length });
      outgoing.end(text);
    });
    passed.on('error', () => outgoing.destroy());
    passed.end(body);
  });
  server.on('upgrade', (request, socket, head) => {
    const through = net.connect(port, hostname, () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
      through.write(`${lines.join('\r\n')}\r\n\r\n`);
      through.write(head);
      socket.pipe(through).pipe(socket);
    });
    for (const end of [through, socket]) end.on('error', () => (through.destroy(), socket.destroy()));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server;
}

/** Asks for everything of the document once or more, about blocks and transactions that there are. */
async function sweep(checker) {
  let id = 0;
  const ask = async (method, ...params) => {
    const request = { jsonrpc: '2.0', id: ++id, method, params };
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) });
    const response = await answer.json();
    if (response.error !== undefined) throw new Error(`${JSON.stringify(request)}: ${JSON.stringify(response.error)}`);
    checker.check(request, response);
    return response.result;
  };
  const nothing = `0x${'00'.repeat(31)}01`;
  const head = Number(await ask('eth_blockNumber'));
  // A block with a transaction, and one with a log, not far back.
  let block, logs = [];
  for (let number = head; number >= 0 && number > head - 5_000 && (block === undefined || logs.length === 0); number--) {
    const found = await ask('eth_getBlockByNumber', `0x${number.toString(16)}`, true);
    if (found.transactions.length === 0) continue;
    block ??= found;
    logs = await ask('eth_getLogs', { blockHash: found.hash });
  }
  if (block === undefined || logs.length === 0) throw new Error('no recent block has a transaction and a log: run another client first');
  const [transaction] = block.transactions;
  const account = transaction.from;
  const logging = { fromBlock: logs[0].blockNumber, toBlock: logs[0].blockNumber, address: logs[0].address, topics: [logs[0].topics[0] ?? null] };

  for (const method of ['web3_clientVersion', 'eth_chainId', 'eth_gasPrice', 'eth_syncing']) await ask(method);
  for (const tag of ['earliest', 'latest', 'safe', 'finalized', 'pending']) {
    await ask('eth_getBlockByNumber', tag, false);
    await ask('eth_getBalance', account, tag);
  }
  for (const [full, hash] of [[true, block.hash], [false, block.hash], [false, nothing]]) await ask('eth_getBlockByHash', hash, full);
  for (const [by, of] of [['Hash', block.hash], ['Number', block.number]]) {
    await ask(`eth_getBlockTransactionCountBy${by}`, of);
    await ask(`eth_getUncleCountByBlock${by}`, of);
    await ask(`eth_getTransactionByBlock${by}AndIndex`, of, '0x0');
  }
  for (const hash of [transaction.hash, logs[0].transactionHash, nothing]) {
    await ask('eth_getTransactionByHash', hash);
    await ask('eth_getTransactionReceipt', hash);
  }
  await ask('eth_getTransactionCount', account, 'latest');
  await ask('eth_getCode', logs[0].address, 'latest');
  await ask('eth_getStorageAt', logs[0].address, '0x0', 'latest');
  await ask('eth_getProof', logs[0].address, ['0x0'], 'latest');
  await ask('eth_call', { to: account }, 'latest');
  await ask('eth_estimateGas', { from: account, to: account });
  await ask('eth_feeHistory', '0x4', 'latest', [25, 75]);
  const blocks = await ask('eth_newBlockFilter');
  const pending = await ask('eth_newPendingTransactionFilter');
  const matching = await ask('eth_newFilter', logging);
  for (const filter of [blocks, pending, matching]) await ask('eth_getFilterChanges', filter);
  await ask('eth_getFilterLogs', matching);
  for (const filter of [blocks, pending, matching]) await ask('eth_uninstallFilter', filter);

  const left = [...checker.validators.keys()].filter((method) => !checker.checked.has(method));
  console.log(`of the document, but not asked for: ${left.join(', ') || 'nothing'}`);
}

const checker = new Checker(document.default ?? document);
const [command, ...rest] = process.argv.slice(2);
if (command === '--sweep') {
  await sweep(checker);
  process.exit(checker.report() ? 0 : 1);
}
const server = await proxy(checker);
const env = { ...process.env, RPC_URL: `http://127.0.0.1:${server.address().port}` };
const client = spawn(command, rest, { env, stdio: 'inherit' });
const code = await new Promise((ended) => client.on('exit', (code) => ended(code ?? 1)));
server.closeAllConnections();
server.close();
process.exit(checker.report() && code === 0 ? 0 : 1);
