// Compiles src/ and writes artifacts/<Name>.json, or, with --check, says which committed artifact differs.
//
// The artifacts are what genesis runs and what the Rust crate `contracts` reads its types from. The build is a function of the sources
// and of package-lock.json: no paths, no metadata hash.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const home = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const manifest = (path) => JSON.parse(readFileSync(join(home, path, "package.json"), "utf8"));
for (const [name, version] of Object.entries(manifest(".").devDependencies)) {
  const folder = `node_modules/${name}`;
  if (!existsSync(join(home, folder)) || manifest(folder).version !== version) {
    console.error(`${name} ${version} is not installed: run "npm ci" in the folder contracts`);
    process.exit(1);
  }
}
const solc = require("solc");

/** Contracts with an artifact: those in genesis, in its order (of the two that release, a network has one), the last one in that of shards. */
const contracts = [
  "OperatorRegistry",
  "StakeVault",
  "NetworkRegistry",
  "ValidatorRegistry",
  "ConsensusSlasher",
  "RandomnessBeacon",
  "DAEntrance",
  "USDX",
  "X402BatchSettlement",
  "Erc3009Collector",
  "ContributionBook",
  "RevenueSplitter",
  "SplitterFactory",
  "ModelRegistry",
  "ReaderBook",
  "DealtReleaseCommittee",
  "ReleaseCeremony",
  "DAChallenges",
  "DALottery",
  "ChainClient",
  "Mailbox",
  "ShardRegistry",
  "ShardSlasher",
  "ShardValidators",
].map((name) => ({ name, path: `src/${name}.sol` }));
/** Contracts that only tests run. */
for (const name of [
  "FixedCommittees",
  "MeasuredPair",
  "MeasuredWork",
  "MerklePatriciaHarness",
  "MessageReceiver",
  "ReentrantCollector",
  "RowAssignmentHarness",
  "SampleProofHarness",
  "SeatsHarness",
]) contracts.push({ name, path: `test/${name}.sol` });

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 10_000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: Object.fromEntries(
    contracts.map(({ name, path }) => [
      path,
      { [name]: ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] },
    ]),
  ),
};

const sources = {};
for (const folder of ["src", "src/interfaces", "test"]) {
  for (const file of readdirSync(join(home, folder)).sort()) {
    if (file.endsWith(".sol")) sources[`${folder}/${file}`] = { content: readFileSync(join(home, folder, file), "utf8") };
  }
}
const found = (path) => {
  const file = join(home, "node_modules", path);
  return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: "not found" };
};
const output = JSON.parse(
  solc.compile(JSON.stringify({ language: "Solidity", sources, settings }), { import: found }),
);
/** "Transient storage … can break composability": true, and OpenZeppelin's reentrancy guard is the use that the text calls safe. */
const expected = new Set(["2394"]);
/** Warnings about OpenZeppelin's own sources (names that a later language will reserve) are not ours to mend. */
const foreign = (problem) => problem.severity === "warning" && problem.sourceLocation?.file.startsWith("@openzeppelin/");
const problems = (output.errors ?? []).filter((problem) => !expected.has(problem.errorCode) && !foreign(problem));
for (const problem of problems) console.error(problem.formattedMessage);
if (problems.length > 0) process.exit(1); // A warning is an error: there are none to get used to.

const differing = [];
for (const { name, path } of contracts) {
  const compiled = output.contracts[path][name];
  // Hash of everything the compiler read for this contract, OpenZeppelin's files included.
  const read = JSON.parse(compiled.metadata).sources;
  const hash = createHash("sha256");
  for (const path of Object.keys(read).sort()) hash.update(`${path} ${read[path].keccak256}\n`);
  const artifact = {
    contractName: name,
    compiler: solc.version(),
    settings: { evmVersion: settings.evmVersion, optimizer: settings.optimizer },
    sourcesSha256: hash.digest("hex"),
    abi: compiled.abi,
    bytecode: `0x${compiled.evm.bytecode.object}`,
    deployedBytecode: `0x${compiled.evm.deployedBytecode.object}`,
  };
  const text = `${JSON.stringify(artifact, null, 1)}\n`;
  const file = join(home, "artifacts", `${name}.json`);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) differing.push(`artifacts/${name}.json`);
}
if (differing.length > 0) {
  console.error(`these artifacts are not what the sources compile to: ${differing.join(", ")}; run "node build.mjs"`);
  process.exit(1);
}
