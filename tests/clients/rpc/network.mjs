// What every client script needs: where the network is, who pays, and contracts to deploy.
//
//   RPC_URL   JSON-RPC over HTTP and WebSocket, http://127.0.0.1:8545 unless given
//   RPC_KEY   private key of a funded account; the first development account's unless given

import { readFileSync } from 'node:fs';

export const url = process.env.RPC_URL ?? 'http://127.0.0.1:8545';
export const webSocketUrl = url.replace(/^http/, 'ws');
export const key = process.env.RPC_KEY ?? '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
export const chainId = 16602;

const artifact = new URL('../../../contracts/artifacts/USDX.json', import.meta.url);
/** The test token: an ERC-20 whose constructor takes who gets the supply, and the supply. */
export const token = JSON.parse(readFileSync(artifact));

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const word = (number) => number.toString(16).padStart(64, '0');

/** Creation code of a contract of at most 255 bytes: copies what follows and returns it. */
const creation = (runtime) => {
  const length = (runtime.length / 2).toString(16).padStart(2, '0');
  return `0x60${length}8060095f395ff3${runtime}`;
};

/** Creation code of a contract that answers every call with a revert for this reason, as Solidity's `require` gives it. */
export const reverting = (reason) => {
  const text = hex(Buffer.from(reason)).padEnd(64, '0');
  // CODECOPY the 100 bytes behind this code to memory, REVERT with them.
  return creation(`6064600a5f3960645ffd08c379a0${word(32)}${word(reason.length)}${text}`);
};

/** Fails the script unless `condition` holds. */
export const check = (condition, what) => {
  if (!condition) throw new Error(`expected: ${what}`);
  console.log(`  ${what}`);
};

/** One JSON-RPC request as raw as it gets; the parsed answer and the HTTP status. */
export const post = async (body) => {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, text, json: text ? JSON.parse(text) : undefined };
};

/** Runs a client's story; the exit code says whether it held. */
export const story = async (name, tell, against = url) => {
  console.log(`${name} against ${against}`);
  const late = setTimeout(() => { console.error(`${name}: no end after 120 s`); process.exit(1); }, 120_000);
  try {
    await tell();
  } catch (error) {
    console.error(`${name}:`, error);
    process.exit(1);
  }
  clearTimeout(late);
  console.log(`${name}: passed`);
  process.exit(0);
};
