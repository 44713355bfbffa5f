// ethers 6: wallet, transfer, deployment, calls, revert reasons, logs, receipts, fee data, batches, WebSocket events.

import * as ethers from 'ethers';
import { chainId, check, key, reverting, story, token, url, webSocketUrl } from './network.mjs';

await story('ethers', async () => {
  const provider = new ethers.JsonRpcProvider(url);
  const wallet = new ethers.NonceManager(new ethers.Wallet(key, provider));
  const me = await wallet.getAddress();
  check((await provider.getNetwork()).chainId === BigInt(chainId), 'the chain id');

  const fees = await provider.getFeeData();
  check(fees.maxFeePerGas > 0n && fees.maxPriorityFeePerGas > 0n && fees.gasPrice > 0n, 'fee data');

  const to = ethers.Wallet.createRandom().address;
  const sent = await wallet.sendTransaction({ to, value: 12345n });
  const receipt = await sent.wait();
  check(receipt.status === 1 && receipt.gasUsed === 21000n && receipt.from === me && receipt.to === to, 'a transfer and its receipt');
  check((await provider.getBalance(to)) === 12345n, 'the balance it moved');
  const block = await provider.getBlock(receipt.blockNumber, true);
  check(block.hash === receipt.blockHash && block.prefetchedTransactions[receipt.index].hash === sent.hash, 'the block that holds it');
  check((await provider.getTransaction(sent.hash)).blockNumber === receipt.blockNumber, 'the transaction by its hash');
  // The chain may have gone on, but never back.
  check((await provider.getBlock('finalized')).number >= receipt.blockNumber, 'a block with a receipt is final');

  const legacy = await (await wallet.sendTransaction({ to, value: 1n, type: 0, gasPrice: fees.gasPrice * 2n })).wait();
  const listed = await (await wallet.sendTransaction({ to, value: 1n, type: 1, gasPrice: fees.gasPrice * 2n, accessList: [] })).wait();
  check(legacy.type === 0 && listed.type === 1, 'legacy and access-list transactions');

  const factory = new ethers.ContractFactory(token.abi, token.bytecode, wallet);
  const contract = await factory.deploy(me, 1_000_000n);
  await contract.waitForDeployment();
  const address = await contract.getAddress();
  check((await provider.getCode(address)).length > 1000, 'a deployed contract');
  check((await contract.balanceOf(me)) === 1_000_000n && (await contract.decimals()) === 6n, 'calls');

  const paid = await (await contract.transfer(to, 77n)).wait();
  const event = contract.interface.parseLog(paid.logs[0]);
  check(event.name === 'Transfer' && event.args[2] === 77n, 'an event in a receipt');
  const found = await contract.queryFilter(contract.filters.Transfer(me, to), receipt.blockNumber, 'latest');
  check(found.length === 1 && found[0].transactionHash === paid.hash, 'a log found by its topics');

  const poor = contract.connect(ethers.Wallet.createRandom().connect(provider));
  const custom = await poor.transfer.staticCall(me, 5n).catch((error) => error);
  check(custom.code === 'CALL_EXCEPTION' && custom.revert?.name === 'ERC20InsufficientBalance', 'a custom error with its name');
  const failing = await wallet.sendTransaction({ data: reverting('too late') }).then((sent) => sent.wait());
  const reason = await provider.call({ to: failing.contractAddress }).catch((error) => error);
  check(reason.reason === 'too late', 'a revert reason');
  const estimate = await wallet.estimateGas({ to: failing.contractAddress }).catch((error) => error);
  check(estimate.reason === 'too late', 'a revert reason from an estimate');
  const reverted = await wallet.sendTransaction({ to: failing.contractAddress, gasLimit: 100_000n });
  const status = await reverted.wait().catch((error) => error.receipt.status);
  check(status === 0, 'a reverted transaction has status 0');

  const stranger = ethers.Wallet.createRandom().connect(provider);
  const broke = await stranger.sendTransaction({ to, value: 1n, gasLimit: 21000n }).catch((error) => error);
  check(broke.code === 'INSUFFICIENT_FUNDS', 'insufficient funds are named');
  const again = await new ethers.Wallet(key, provider).sendTransaction({ to, nonce: 0 }).catch((error) => error);
  check(again.code === 'NONCE_EXPIRED', 'a used nonce is named');

  const several = await Promise.all([provider.getBlockNumber(), provider.getBalance(me), provider.getCode(address)]);
  check(several.length === 3, 'a batch');

  const socket = new ethers.WebSocketProvider(webSocketUrl);
  const head = new Promise((resolve) => socket.once('block', resolve));
  const listening = new ethers.Contract(address, token.abi, socket);
  const heard = new Promise((resolve) => listening.once('Transfer', (from, to, amount) => resolve(amount)));
  // A request after the subscriptions returns once the server has made them.
  await listening.listenerCount();
  await socket.getBlockNumber();
  await (await contract.transfer(to, 99n)).wait();
  check((await heard) === 99n, 'a log over a subscription');
  check(Number(await head) > 0, 'a new head over a subscription');
  await socket.destroy();
  provider.destroy();
});
