// foundry's forge: create, script with broadcast, from a compiler that is in this folder already.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readFileSync, rmSync } from 'node:fs';

const url = process.env.RPC_URL;
const key = process.env.RPC_KEY;
const { platform, arch } = process;
const binary = createRequire(import.meta.url).resolve(`@foundry-rs/forge-${platform}-${arch === 'x64' ? 'amd64' : arch}/bin/forge`);
const folder = new URL('.', import.meta.url).pathname;

/** Runs forge; its output. */
const forge = (command, ...args) =>
  execFileSync(binary, [...command, '--rpc-url', url, '--private-key', key, '--offline', ...args], {
    cwd: folder, env: { ...process.env, NO_COLOR: '1', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'],
  });
const rpc = async (method, ...params) => {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  const { result, error } = await answer.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
};
const check = (holds, what) => { if (!holds) throw new Error(`forge: ${what}`); };

rmSync(new URL('cache/broadcast', import.meta.url), { recursive: true, force: true });
const unlock = Number((await rpc('eth_getBlockByNumber', 'latest', false)).timestamp) + 86_400;
const created = JSON.parse(forge(['create', 'contracts/Lock.sol:Lock'], '--json', '--broadcast', '--value', '5', '--constructor-args', `${unlock}`));
check(BigInt(await rpc('eth_getBalance', created.deployedTo, 'latest')) === 5n, 'a created contract with its value');
check((await rpc('eth_getTransactionReceipt', created.transactionHash)).status === '0x1', 'its receipt');

forge(['script', 'script/Deploy.s.sol:Deploy'], '--broadcast');
const chain = Number(await rpc('eth_chainId'));
const run = JSON.parse(readFileSync(new URL(`cache/broadcast/Deploy.s.sol/${chain}/run-latest.json`, import.meta.url)));
check(run.receipts.length === 2 && run.receipts.every(({ status }) => status === '0x1'), 'both transactions of a script');
for (const [index, wei] of [10n ** 18n, 2n * 10n ** 18n].entries()) {
  const { contractAddress } = run.transactions[index];
  check(BigInt(await rpc('eth_getBalance', contractAddress, 'latest')) === wei, 'a contract of the script');
}
console.log('forge: create and script work');
