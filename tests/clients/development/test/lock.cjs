// hardhat: deploy, time travel, snapshots by fixtures, impersonation, accounts changed by hand.

const assert = require('node:assert/strict');
const { ethers } = require('hardhat');
const helpers = require('@nomicfoundation/hardhat-network-helpers');

const DAY = 86_400;
const COIN = ethers.parseEther('1');

/** That a call reverts with a contract's error of this name. */
const reverts = (call, contract, name) =>
  assert.rejects(call, (error) => String(error.data?.data ?? error.data).startsWith(contract.interface.getError(name).selector));

describe('Lock', () => {
  async function deployed() {
    const [owner, other] = await ethers.getSigners();
    const unlockTime = (await helpers.time.latest()) + 365 * DAY;
    const lock = await ethers.deployContract('Lock', [unlockTime], { value: COIN });
    await lock.waitForDeployment();
    return { lock, owner, other, unlockTime };
  }

  it('is deployed with its coins', async () => {
    const { lock, owner, unlockTime } = await helpers.loadFixture(deployed);
    assert.equal(await lock.unlockTime(), BigInt(unlockTime));
    assert.equal(await lock.owner(), owner.address);
    assert.equal(await ethers.provider.getBalance(lock), COIN);
  });

  it('refuses before its time, with the error by name', async () => {
    const { lock } = await helpers.loadFixture(deployed);
    await reverts(lock.withdraw(), lock, 'TooEarly');
  });

  it('pays once time has gone by', async () => {
    const { lock, owner, unlockTime } = await helpers.loadFixture(deployed);
    await helpers.time.increaseTo(unlockTime);
    const before = await ethers.provider.getBalance(owner);
    const receipt = await (await lock.withdraw()).wait();
    assert.equal(await ethers.provider.getBalance(owner), before + COIN - receipt.fee);
    assert.equal(receipt.logs.length, 1);
  });

  it('is as it was when the fixture is loaded again', async () => {
    const { lock } = await helpers.loadFixture(deployed);
    assert.equal(await ethers.provider.getBalance(lock), COIN);
    await reverts(lock.withdraw(), lock, 'TooEarly');
  });

  it('pays in the very block whose time was set', async () => {
    const { lock, unlockTime } = await helpers.loadFixture(deployed);
    await helpers.time.setNextBlockTimestamp(unlockTime);
    const receipt = await (await lock.withdraw()).wait();
    assert.equal((await ethers.provider.getBlock(receipt.blockNumber)).timestamp, unlockTime);
  });

  it('pays nobody else, and its owner also when impersonated', async () => {
    const { lock, other, unlockTime } = await helpers.loadFixture(deployed);
    const stranger = '0x00000000000000000000000000000000000000aa';
    await helpers.time.increaseTo(unlockTime);
    await reverts(lock.connect(other).withdraw(), lock, 'NotOwner');
    // Slot 0 holds the owner: the stranger becomes it.
    await helpers.setStorageAt(await lock.getAddress(), 0, ethers.zeroPadValue(stranger, 32));
    await helpers.setBalance(stranger, COIN);
    await helpers.impersonateAccount(stranger);
    const receipt = await (await lock.connect(await ethers.getSigner(stranger)).withdraw()).wait();
    assert.equal(await ethers.provider.getBalance(stranger), 2n * COIN - receipt.fee);
    await helpers.stopImpersonatingAccount(stranger);
  });

  it('mines, sets nonce and code, and takes a snapshot back', async () => {
    const snapshot = await helpers.takeSnapshot();
    const height = await helpers.time.latestBlock();
    await helpers.mine(5, { interval: 60 });
    assert.equal(await helpers.time.latestBlock(), height + 5);
    const address = '0x00000000000000000000000000000000000000bb';
    await helpers.setNonce(address, 7);
    await helpers.setCode(address, '0x00');
    assert.equal(await ethers.provider.getTransactionCount(address), 7);
    assert.equal(await ethers.provider.getCode(address), '0x00');
    await snapshot.restore();
    assert.equal(await helpers.time.latestBlock(), height);
    assert.equal(await ethers.provider.getCode(address), '0x');
  });
});
