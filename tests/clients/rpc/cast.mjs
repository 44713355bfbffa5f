// foundry's cast: balance, send, receipt, deployment, call, run, logs, revert reason.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { check, key, reverting, story, token, url } from './network.mjs';

const { platform, arch } = process;
const binary = createRequire(import.meta.url).resolve(`@foundry-rs/cast-${platform}-${arch === 'x64' ? 'amd64' : arch}/bin/cast`);

/** Runs cast; its output. What it says on failure is in the error's `stderr`. */
const cast = (...args) =>
  execFileSync(binary, args, { env: { ...process.env, ETH_RPC_URL: url, NO_COLOR: '1' }, encoding: 'utf8', stdio: 'pipe' }).trim();
const send = (...args) => JSON.parse(cast('send', '--json', '--private-key', key, ...args));

await story('cast', async () => {
  check(cast('chain-id') === '16602', 'the chain id');
  const me = cast('wallet', 'address', key);
  check(BigInt(cast('balance', me)) > 0n, 'a balance');
  const to = cast('wallet', 'address', `0x${'07'.repeat(32)}`);
  const before = BigInt(cast('balance', to));
  const sent = send(to, '--value', '12345');
  check(sent.status === '0x1' && BigInt(cast('balance', to)) === before + 12345n, 'a transfer');
  check(JSON.parse(cast('receipt', '--json', sent.transactionHash)).blockHash === sent.blockHash, 'its receipt');
  check(cast('tx', sent.transactionHash, 'nonce') !== '', 'the transaction by its hash');
  check(Number(cast('block', 'latest', '--field', 'number')) >= Number(sent.blockNumber), 'the latest block');
  check(send(to, '--value', '1', '--legacy').type === '0x0', 'a legacy transaction');

  const supply = cast('abi-encode', 'f(address,uint256)', me, '1000').slice(2);
  const deployed = send('--create', token.bytecode + supply);
  const address = deployed.contractAddress;
  check(cast('call', address, 'balanceOf(address)(uint256)', me) === '1000', 'a deployed contract, called');
  const paid = send(address, 'transfer(address,uint256)', to, '3');
  check(paid.logs.length === 1, 'an event in a receipt');
  check(cast('run', paid.transactionHash).includes('successfully executed'), 'a transaction run again, from the state it met');
  const logs = cast('logs', '--json', '--address', address, '--from-block', `${Number(deployed.blockNumber)}`, 'Transfer(address indexed,address indexed,uint256)');
  check(JSON.parse(logs).length === 2, 'logs');
  check(BigInt(cast('estimate', '--from', me, address, 'transfer(address,uint256)', to, '1')) > 21000n, 'an estimate');
  check(cast('storage', address, '2').startsWith('0x'), 'storage');

  const failing = send('--create', reverting('too late')).contractAddress;
  let said = '';
  try { cast('call', failing, 'f()'); } catch (error) { said = error.stderr; }
  check(said.includes('too late'), 'a revert reason');
  check(Number(cast('gas-price')) > 0 && Number(cast('base-fee')) > 0, 'prices');
});
