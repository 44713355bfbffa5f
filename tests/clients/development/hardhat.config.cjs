// The compiler is solc from npm, of the version in package.json: hardhat would fetch one.
require('@nomicfoundation/hardhat-ethers');
const { subtask } = require('hardhat/config');
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require('hardhat/builtin-tasks/task-names');

const { version } = require('solc/package.json');
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve('solc/soljson.js'),
  isSolcJs: true,
  version,
  longVersion: require('solc').version(),
}));

module.exports = {
  solidity: version,
  defaultNetwork: 'aloft',
  networks: { aloft: { url: process.env.RPC_URL } },
};
