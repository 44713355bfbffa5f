// Random transactions on a development chain and on foundry's anvil: receipts, logs, roots, traces and what is left behind must be the same.
//
//   ALOFT      the binary that starts the development chain
//   SEED       which transactions; 1 unless given
//   BLOCKS     how many blocks of them; 40 unless given
//
// Not compared: hashes of blocks and roots of the whole state, since this chain's first block has contracts that anvil's lacks; and what contracts may
// know of those (BLOCKHASH, PREVRANDAO).

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import net from 'node:net';
import { gunzipSync } from 'node:zlib';
import { concatHex, getContractAddress, keccak256, numberToHex, toHex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { check, chainId, story, token } from './network.mjs';

const seed = Number(process.env.SEED ?? 1);
const blocks = Number(process.env.BLOCKS ?? 40);
const GWEI = 10n ** 9n;

/** Numbers that the seed fixes (mulberry32). */
let state = seed >>> 0;
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
const below = (count) => Math.floor(random() * count);
const pick = (list) => list[below(list.length)];
const byte = (value) => value.toString(16).padStart(2, '0');

/** A chain, and how to ask it. */
class Chain {
  constructor(name, at) {
    Object.assign(this, { name, at, id: 0 });
  }

  async ask(method, ...params) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.id, method, params });
    const answer = await (await fetch(this.at, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
    if (answer.error !== undefined) throw new Error(`${this.name}: ${method}: ${JSON.stringify(answer.error).slice(0, 300)}`);
    return answer.result;
  }
}

/** Starts a program that ends with this one. */
function start(program, ...settings) {
  const child = spawn(program, settings.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill());
  return child;
}

/** Starts a development chain of ours on a free port. */
async function startOurs() {
  const child = start(process.env.ALOFT ?? 'aloft', '--json', 'up', '--dev', '--port', 0);
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes('\n')) break;
  }
  return new Chain('ours', JSON.parse(said).rpc_url);
}

/** Starts anvil on a free port. */
async function startAnvil(gasLimit) {
  const { platform, arch } = process;
  const binary = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${platform}-${arch === 'x64' ? 'amd64' : arch}/bin/anvil`);
  const port = await new Promise((found) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
  const settings = ['--port', port, '--chain-id', chainId, '--gas-limit', gasLimit, '--hardfork', 'prague'];
  start(binary, ...settings, '--order', 'fifo', '--steps-tracing', '--silent');
  const anvil = new Chain('anvil', `http://127.0.0.1:${port}`);
  for (let tries = 0; ; tries++) {
    try {
      await anvil.ask('eth_chainId');
      return anvil;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((later) => setTimeout(later, 100));
    }
  }
}

/** Instructions, with what they take from the stack and put there. Left out: what depends on the chain's past, and jumps, which random code misses. */
const INSTRUCTIONS = [
  ...[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b, 0x1c, 0x1d].map((code) => [code, 2, 1]),
  ...[0x08, 0x09].map((code) => [code, 3, 1]),
  ...[0x15, 0x19].map((code) => [code, 1, 1]),
  // ADDRESS, ORIGIN, CALLER, CALLVALUE, CALLDATASIZE, CODESIZE, GASPRICE, RETURNDATASIZE, COINBASE, TIMESTAMP, NUMBER, GASLIMIT, CHAINID, SELFBALANCE, BASEFEE, PC, MSIZE, GAS
  ...[0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x45, 0x46, 0x47, 0x48, 0x58, 0x59, 0x5a].map((code) => [code, 0, 1]),
  // BALANCE, CALLDATALOAD, EXTCODESIZE, EXTCODEHASH, MLOAD of small places, SLOAD, TLOAD
  ...[0x31, 0x35, 0x3b, 0x3f, 0x54, 0x5c].map((code) => [code, 1, 1]),
  // SSTORE, TSTORE, twice as often as others
  ...[0x55, 0x5d, 0x55].map((code) => [code, 2, 0]),
  [0x50, 1, 0],
];

/** Code of at most 250 bytes: things on the stack, memory at small places, logs, calls of `others`, creations, an end of some kind. */
function randomCode(others) {
  let code = '';
  let depth = 0;
  const push = (value, bytes = 1) => {
    code += byte(0x5f + bytes) + BigInt(value).toString(16).padStart(2 * bytes, '0').slice(-2 * bytes);
    depth++;
  };
  const small = () => push(below(96));
  const length = 40 + below(140);
  while (code.length / 2 < length) {
    const kind = random();
    if (kind < 0.3 || depth < 3) {
      if (random() < 0.7) push(below(256));
      else push(BigInt(keccak256(toHex(below(1e9)))), 32);
    } else if (kind < 0.72) {
      const [instruction, takes, gives] = pick(INSTRUCTIONS);
      if (depth < takes && random() < 0.97) continue;
      code += byte(instruction);
      depth += gives - takes;
    } else if (kind < 0.78) {
      // MSTORE, MSTORE8, MLOAD, KECCAK256, CALLDATACOPY, CODECOPY, MCOPY
      const which = below(7);
      if (which < 2) (small(), (code += byte(0x52 + which)), (depth -= 2));
      else if (which === 2) (small(), (code += '51'));
      else if (which === 3) (small(), small(), (code += '20'), (depth -= 1));
      else (small(), small(), small(), (code += byte([0x37, 0x39, 0x5e][which - 4])), (depth -= 3));
    } else if (kind < 0.84) {
      // DUP and SWAP
      const reach = 1 + below(Math.min(depth, 16));
      code += byte(0x7f + reach);
      depth++;
      if (depth > reach) code += byte(0x8f + Math.min(reach, depth - 1));
    } else if (kind < 0.9) {
      // LOG0 to LOG4
      const topics = below(5);
      for (let topic = 0; topic < topics; topic++) push(below(256));
      (small(), small());
      code += byte(0xa0 + topics);
      depth -= topics + 2;
    } else if (kind < 0.98 && others.length > 0) {
      // CALL, CALLCODE, DELEGATECALL, STATICCALL, of contracts, precompiles and nobody
      const which = pick([0xf1, 0xf1, 0xf2, 0xf4, 0xfa]);
      (small(), small(), small(), small());
      if (which < 0xf4) push(random() < 0.7 ? 0 : below(256));
      const target = random();
      if (target < 0.7) push(BigInt(pick(others)), 20);
      else push(target < 0.95 ? 1 + below(17) : below(1e6), 20);
      push(20_000 + below(200_000), 3);
      code += byte(which);
      depth -= which < 0xf4 ? 6 : 5;
    } else {
      // CREATE of what memory happens to hold, CREATE2
      const salted = random() < 0.5;
      if (salted) push(below(256));
      (small(), small(), push(random() < 0.8 ? 0 : below(256)));
      code += byte(salted ? 0xf5 : 0xf0);
      depth -= salted ? 3 : 2;
    }
  }
  const end = random();
  if (end < 0.35) code += '00';
  else if (end < 0.6) code += `60${byte(below(96))}5ff3`;
  else if (end < 0.8) code += `60${byte(below(96))}5ffd`;
  else if (end < 0.88) code += 'fe';
  else if (end < 0.96 && others.length > 0) code += `73${pick(others).slice(2)}ff`;
  return code;
}

/** Creation code that returns `code`. */
const creating = (code) => `0x60${byte(code.length / 2)}80600b6000396000f3${code}`;

/** Fails unless both found the same. */
function same(ours, theirs, what) {
  const [mine, other] = [JSON.stringify(ours), JSON.stringify(theirs)];
  if (mine === other) return;
  let at = 0;
  while (mine?.[at] === other?.[at]) at++;
  const around = (text) => text?.slice(Math.max(0, at - 200), at + 200);
  throw new Error(`seed ${seed}: ${what} differs\n  ours  ${around(mine)}\n  anvil ${around(other)}`);
}

const chosen = (from, names) => Object.fromEntries(names.map((name) => [name, from[name] ?? null]));
const RECEIPT = ['transactionHash', 'transactionIndex', 'type', 'status', 'from', 'to', 'contractAddress', 'gasUsed', 'cumulativeGasUsed', 'effectiveGasPrice', 'logsBloom'];
const LOG = ['address', 'topics', 'data', 'logIndex', 'transactionIndex', 'transactionHash', 'blockNumber'];
const BLOCK = ['number', 'timestamp', 'gasUsed', 'gasLimit', 'baseFeePerGas', 'miner', 'transactionsRoot', 'receiptsRoot', 'logsBloom', 'transactions', 'withdrawalsRoot', 'requestsHash'];
const receiptOf = (receipt) => ({ ...chosen(receipt, RECEIPT), logs: receipt.logs.map((log) => chosen(log, LOG)) });

/**
 * A call as the tracer shows it. Words for what went wrong are each implementation's own; that something did is not. The outermost has the transaction's
 * gas, as geth has it, and used what its receipt says; anvil takes off what a transaction costs before its first instruction, and adds what those before it
 * used.
 */
const callOf = (call, depth = 0) => ({
  ...chosen(call, ['type', 'from', 'to', 'value', 'input', 'output']),
  gas: depth === 0 ? null : [call.gas, call.gasUsed],
  failed: call.error !== undefined,
  calls: (call.calls ?? []).map((inner) => callOf(inner, depth + 1)),
});
const stepsOf = (trace) => trace.structLogs.map((step) => [step.pc, step.op, step.gas, step.gasCost, step.depth, step.stack]);

/** The accounts of a dump, which is hexadecimal, and compressed or not. */
function dumped(dump) {
  const bytes = Buffer.from(dump.slice(2), 'hex');
  const text = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  return JSON.parse(text).accounts;
}
const isZero = (word) => BigInt(word) === 0n;
/** An account, alike whether its zeros are kept or not. */
const accountOf = (account) => ({
  nonce: Number(account?.nonce ?? 0),
  balance: BigInt(account?.balance ?? 0).toString(),
  code: account?.code ?? '0x',
  storage: Object.entries(account?.storage ?? {}).filter(([, word]) => !isZero(word)).sort(),
});

await story('anvil', async () => {
  const ours = await startOurs();
  const first = await ours.ask('eth_getBlockByNumber', 'latest', false);
  const theirs = await startAnvil(Number(first.gasLimit));
  const both = (method, ...params) => Promise.all([ours.ask(method, ...params), theirs.ask(method, ...params)]);
  await both('evm_setAutomine', false);
  // The first block's fee is each one's own; from then on it follows.
  await both('anvil_setNextBlockBaseFeePerGas', toHex(GWEI));

  const system = Object.entries(dumped(await theirs.ask('anvil_dumpState'))).filter(([, account]) => account.code !== '0x');
  const accounts = [0, 1, 2, 3, 4].map((index) => mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex: index }));
  const typed = {
    types: { EIP712Domain: [{ name: 'chainId', type: 'uint256' }], Part: [{ name: 'of', type: 'bytes32[]' }], Whole: [{ name: 'parts', type: 'Part[2]' }, { name: 'note', type: 'string' }] },
    primaryType: 'Whole',
    domain: { chainId },
    message: { parts: [{ of: [keccak256('0x01')] }, { of: [] }], note: `seed ${seed}` },
  };
  const [signature, theirSignature] = await both('eth_signTypedData_v4', accounts[0].address, typed);
  same(signature, theirSignature, 'a signature of typed data');
  const nonces = accounts.map(() => 0);
  const contracts = [];
  const touched = new Set(accounts.map(({ address }) => address.toLowerCase()));
  const counts = { transactions: 0, failed: 0, logs: 0, steps: 0, delegations: 0, creations: 0 };
  let timestamp = Number(first.timestamp) + 1_000_000;

  const transaction = async (index, price) => {
    const account = accounts[index];
    const base = { chainId, nonce: nonces[index]++, gas: BigInt(60_000 + below(900_000)) };
    const fees =
      random() < 0.25
        ? { type: 'legacy', gasPrice: price }
        : { type: 'eip1559', maxFeePerGas: 2n * price, maxPriorityFeePerGas: price - 10n * GWEI };
    const accessList = contracts.length > 0 && random() < 0.3 ? [{ address: pick(contracts), storageKeys: [0, 1].map(() => numberToHex(below(256), { size: 32 })) }] : undefined;
    if (accessList) fees.type = fees.type === 'legacy' ? 'eip2930' : fees.type;
    const kind = random();
    const value = random() < 0.6 ? 0n : BigInt(below(1e9));
    if (contracts.length < 3 || kind < 0.25) {
      counts.creations++;
      const address = getContractAddress({ from: account.address, nonce: BigInt(base.nonce) }).toLowerCase();
      const data = contracts.length === 0 ? concatHex([token.bytecode, numberToHex(BigInt(account.address), { size: 32 }), numberToHex(10n ** 12n, { size: 32 })]) : creating(randomCode(contracts));
      const gas = contracts.length === 0 ? 4_000_000n : base.gas;
      contracts.push(address);
      touched.add(address);
      return account.signTransaction({ ...base, ...fees, accessList, gas, data, value: contracts.length === 1 ? 0n : value });
    }
    if (kind < 0.33) {
      // An account lets a contract act as it (EIP-7702): one that sends nothing else in this block, or its own nonce would be used up.
      counts.delegations++;
      const authorizer = accounts[4];
      const authorization = await authorizer.signAuthorization({ chainId, contractAddress: random() < 0.8 ? pick(contracts) : `0x${'00'.repeat(20)}`, nonce: nonces[4]++ });
      const { gasPrice, ...rest } = fees;
      return account.signTransaction({ ...base, ...rest, maxFeePerGas: price, maxPriorityFeePerGas: price, type: 'eip7702', to: authorizer.address, authorizationList: [authorization], gas: base.gas + 50_000n, data: toHex(below(1e9)) });
    }
    const to = kind < 0.4 ? accounts[below(5)].address : kind < 0.45 ? contracts[0] : pick(contracts);
    // The token's `transfer`, now and then; else anything.
    const data = to === contracts[0] ? concatHex(['0xa9059cbb', numberToHex(BigInt(accounts[below(5)].address), { size: 32 }), numberToHex(below(1e12), { size: 32 })]) : numberToHex(BigInt(keccak256(toHex(below(1e9)))), { size: 32 });
    return account.signTransaction({ ...base, ...fees, accessList, to, data, value: to === contracts[0] ? 0n : value });
  };

  for (let block = 1; block <= blocks; block++) {
    const raws = [];
    // One of each sender, by falling tips: one chain orders by them, the other as they come.
    const senders = [0, 1, 2, 3].sort(() => random() - 0.5);
    for (const [place, sender] of senders.entries()) raws.push(await transaction(sender, GWEI * BigInt(200 - 20 * place)));
    for (const raw of raws) same(...(await both('eth_sendRawTransaction', raw)), 'the hash of a transaction');
    timestamp += 1 + below(20);
    await both('evm_setNextBlockTimestamp', timestamp);
    await both('evm_mine');
    const [mine, other] = await both('eth_getBlockByNumber', numberToHex(block), false);
    same(mine.transactions, other.transactions, `the order in block ${block}`);
    for (const hash of mine.transactions) {
      const [receipt, theirReceipt] = await both('eth_getTransactionReceipt', hash);
      same(receiptOf(receipt), receiptOf(theirReceipt), `the receipt of ${hash} in block ${block}`);
      for (const log of receipt.logs) touched.add(log.address);
      const [call, theirCall] = await both('debug_traceTransaction', hash, { tracer: 'callTracer' });
      same(callOf(call), callOf(theirCall), `the calls of ${hash} in block ${block}`);
      same(call.gasUsed, receipt.gasUsed, `the gas used by ${hash}, by its trace and by its receipt,`);
      const [steps, theirSteps] = await both('debug_traceTransaction', hash, {});
      same(stepsOf(steps), stepsOf(theirSteps), `the steps of ${hash} in block ${block}`);
      counts.transactions++;
      counts.failed += receipt.status === '0x0';
      counts.logs += receipt.logs.length;
      counts.steps += steps.structLogs.length;
      const collect = (call) => (touched.add(call.to ?? call.from), (call.calls ?? []).forEach(collect));
      collect(call);
    }
    same(chosen(mine, BLOCK), chosen(other, BLOCK), `block ${block}`);
  }
  const [accountsLeft, theirAccountsLeft] = (await both('anvil_dumpState')).map(dumped);
  let roots = 0;
  const left = new Set([...touched, ...Object.keys(theirAccountsLeft)]);
  // Contracts of the protocol hold hashes of blocks.
  for (const [address] of system) left.delete(address);
  for (const address of left) {
    const account = theirAccountsLeft[address];
    same(accountOf(accountsLeft[address]), accountOf(account), `what is left of ${address}`);
    // Anvil's tries hold zeros, too.
    if (account === undefined || Object.values(account.storage).some(isZero)) continue;
    const [proof, theirProof] = await both('eth_getProof', address, [], 'latest');
    same(proof.storageHash, theirProof.storageHash, `the root of the storage of ${address}`);
    roots++;
  }
  check(counts.transactions > blocks && counts.failed > 0 && counts.logs > 0 && counts.steps > 1_000 && roots > 0, `seed ${seed}: ${JSON.stringify({ blocks, roots, ...counts })}`);
}, 'a development chain of ours');
