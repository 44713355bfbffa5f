// viem 2: wallet, transfer, deployment, reads, simulations, revert reasons, logs, proofs, fee history, traces, filters, WebSocket.

import { createPublicClient, createWalletClient, defineChain, http, parseEther, webSocket, zeroAddress } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { chainId, check, key, post, reverting, story, token, url, webSocketUrl } from './network.mjs';

await story('viem', async () => {
  const nativeCurrency = { name: 'Aloft', symbol: 'ALO', decimals: 18 };
  const chain = defineChain({ id: chainId, name: 'Aloft', nativeCurrency, rpcUrls: { default: { http: [url] } } });
  const account = privateKeyToAccount(key);
  const client = createPublicClient({ chain, transport: http(url, { batch: true }), pollingInterval: 100 });
  const wallet = createWalletClient({ account, chain, transport: http(url), pollingInterval: 100 });
  const mined = (hash) => client.waitForTransactionReceipt({ hash });
  const abi = token.abi;

  check((await client.getChainId()) === chainId, 'the chain id');
  const to = privateKeyToAccount(generatePrivateKey()).address;
  const receipt = await mined(await wallet.sendTransaction({ to, value: parseEther('0.5') }));
  check(receipt.status === 'success' && receipt.type === 'eip1559', 'a transfer and its receipt');
  check((await client.getBalance({ address: to })) === parseEther('0.5'), 'the balance it moved');
  check((await client.getTransaction({ hash: receipt.transactionHash })).blockHash === receipt.blockHash, 'the transaction by its hash');
  check((await client.getTransactionCount({ address: account.address, blockTag: 'pending' })) > 0, 'the pending nonce');

  const deployed = await mined(await wallet.deployContract({ abi, bytecode: token.bytecode, args: [account.address, 1_000_000n] }));
  const address = deployed.contractAddress;
  const read = (functionName, ...args) => client.readContract({ address, abi, functionName, args });
  check((await read('balanceOf', account.address)) === 1_000_000n, 'a deployed contract, read');
  const write = { account, address, abi, functionName: 'transfer', args: [to, 5n] };
  const { request, result } = await client.simulateContract(write);
  check(result === true, 'a simulation');
  const paid = await mined(await wallet.writeContract(request));
  const logs = await client.getContractEvents({ address, abi, eventName: 'Transfer', args: { to }, fromBlock: receipt.blockNumber });
  check(logs.length === 1 && logs[0].args.value === 5n && logs[0].transactionHash === paid.transactionHash, 'a log found by its topics');

  const refused = await client.simulateContract({ ...write, account: to, args: [account.address, 6n] }).catch((error) => error);
  check(refused.walk((cause) => cause.data?.errorName)?.data.errorName === 'ERC20InsufficientBalance', 'a custom error with its name');
  const failing = await mined(await wallet.sendTransaction({ data: reverting('too late') }));
  const reason = await client.call({ to: failing.contractAddress }).catch((error) => error);
  check(reason.message.includes('too late'), 'a revert reason');
  const overridden = await client.call({ to: zeroAddress, stateOverride: [{ address: zeroAddress, code: '0x602a5f5260205ff3' }] });
  check(BigInt(overridden.data) === 42n, 'a call with overridden code');

  const history = await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [25, 75] });
  check(history.baseFeePerGas.length === history.gasUsedRatio.length + 1 && history.reward[0].length === 2, 'a fee history');
  const fees = await client.estimateFeesPerGas();
  check(fees.maxFeePerGas >= fees.maxPriorityFeePerGas, 'fees');
  const proof = await client.getProof({ address, storageKeys: [`0x${'0'.repeat(64)}`] });
  check(proof.accountProof.length > 0 && proof.storageProof.length === 1, 'a proof of state');
  const list = await client.createAccessList({ account, to: address, data: '0x18160ddd' });
  check(list.accessList.length === 1, 'an access list');

  const trial = { account, calls: [{ to: address, abi, functionName: 'transfer', args: [to, 1n] }, { to, value: 1n }] };
  const tried = await client.simulateCalls(trial);
  check(tried.results.every((one) => one.status === 'success') && tried.results[0].result === true, 'calls simulated one after another');
  const { tx } = await client.request({ method: 'eth_fillTransaction', params: [{ from: account.address, to, value: '0x1' }] });
  check(BigInt(tx.gas) === 21_000n && BigInt(tx.maxFeePerGas) > 0n, 'a transaction filled in');
  const trace = await client.request({ method: 'debug_traceTransaction', params: [paid.transactionHash, { tracer: 'callTracer' }] });
  check(trace.type === 'CALL' && trace.to === address.toLowerCase(), 'a trace of calls');

  const filter = await client.createEventFilter({ address });
  const blocks = await client.createBlockFilter();
  await mined(await wallet.writeContract({ ...write, args: [to, 7n] }));
  check((await client.getFilterChanges({ filter })).length === 1, 'a filter gives what is new');
  check((await client.getFilterChanges({ filter })).length === 0, 'and only once');
  check((await client.getFilterChanges({ filter: blocks })).length > 0, 'a block filter');
  check(await client.uninstallFilter({ filter }), 'a filter goes');

  const socket = createPublicClient({ chain, transport: webSocket(webSocketUrl) });
  const wait = (subscribe) => new Promise((resolve, reject) => subscribe(resolve, reject));
  const subscribed = await socket.transport.subscribe({ params: ['newHeads'], onData: () => {} });
  check(/^0x[0-9a-f]+$/.test(subscribed.subscriptionId), 'a subscription with a hexadecimal name');
  const events = wait((onLogs, onError) => socket.watchContractEvent({ address, abi, eventName: 'Transfer', onLogs, onError }));
  const heads = wait((onBlockNumber, onError) => socket.watchBlockNumber({ onBlockNumber, onError }));
  const arrivals = wait((onTransactions, onError) => socket.watchPendingTransactions({ onTransactions, onError }));
  await socket.getBlockNumber();
  const watched = await wallet.writeContract({ ...write, args: [to, 8n] });
  await mined(watched);
  check((await events)[0].args.value === 8n, 'a log over a subscription');
  check((await heads) > 0n, 'a head over a subscription');
  check((await arrivals).includes(watched), 'a pool transaction over a subscription');

  // What other clients send and these do not.
  const bare = await post({ jsonrpc: '2.0', id: 18_000_000_000_000_000, method: 'eth_chainId' });
  check(bare.status === 200 && bare.text.includes('"id":18000000000000000'), 'no params, and an id above 2^53 echoed unchanged');
  const unknown = await post({ jsonrpc: '2.0', id: 1, method: 'eth_noSuchMethod', params: [] });
  check(unknown.status === 200 && unknown.json.error.code === -32601, 'an unknown method is error -32601 with HTTP 200');
  const garbage = await post('{"jsonrpc":"2.0","id":1,"method":');
  check(garbage.status === 200 && garbage.json.error.code === -32700, 'what is not JSON is error -32700');
  const call = { to: failing.contractAddress };
  const raw = await post({ jsonrpc: '2.0', id: 1, method: 'eth_call', params: [call] });
  check(raw.json.error.code === 3 && raw.json.error.data.startsWith('0x08c379a0'), 'a revert is error 3 with its data');
  const wide = await post({ jsonrpc: '2.0', id: 1, method: 'eth_getLogs', params: [{ fromBlock: '0x5', toBlock: '0x1' }] });
  check(wide.status === 200 && wide.json.error.code === -32602, 'a range that ends before it begins is refused');
  const many = await post(Array.from({ length: 1001 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'eth_chainId' })));
  check(many.json.error !== undefined, 'a batch above the limit is refused');
  const cors = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://example.org', 'access-control-request-method': 'POST' } });
  check(cors.headers.get('access-control-allow-origin') === '*', 'web pages may ask');
});
