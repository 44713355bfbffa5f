// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// A header of another chain, with the certificate that it is final: `chain::FinalityProof` in the words of a contract.
struct Finality {
    /// Epoch in which was voted.
    uint64 epoch;
    /// View in which was voted.
    uint64 view_;
    /// View of the proposal's parent.
    uint64 parentView;
    /// The place in the vote for which the block was made, as the digest has it.
    bytes context;
    /// RLP.
    bytes header;
    /// SHA-256 of all of the block that follows its header.
    bytes32 rest;
    /// Vote keys of the whole committee, 128 bytes each, in the order of its digest.
    bytes keys;
    /// Who signed: key `i` is bit `i % 8` (least significant first) of byte `i / 8`.
    bytes signers;
    /// Sum of their votes, a point of G2, 256 bytes.
    bytes signature;
}

/// @title Which blocks of other chains are final.
/// @notice A header is taken when a quorum of a committee signed it, this chain trusts that committee (`ICommittees`), and the state after the header
/// itself says that the committee is that of its epoch (`CommitteeRecord`). The root of that state is kept: what is in it can be proved here from
/// then on, by as many as want to.
interface IChainClient {
    /// A header was found to be final.
    event HeaderVerified(uint64 indexed chain, uint64 indexed number, bytes32 stateRoot);

    /// The chain is this one.
    error OwnChain();
    /// Keys, bitmap or signature of another length than there are seats.
    error InvalidShape();
    /// Longer than what a block has before its transactions.
    error TooLong(uint256 length);
    /// The block is of another epoch than was voted in.
    error WrongEpoch(uint64 number, uint64 epoch);
    /// This chain does not know the committee, or its stake may be gone.
    error UntrustedCommittee(bytes32 committee);
    /// Fewer than a quorum signed.
    error TooFewSigners(uint256 signers, uint256 quorum);
    /// The signature is not the sum of the signers' votes to finalize this block.
    error WrongSignature();
    /// The state after the block says that another committee voted.
    error WrongCommittee(bytes32 recorded, bytes32 committee);

    /// Another block of that height was shown to be final: the chain forked, and the first stands.
    error AnotherHeader(uint64 number, bytes32 stateRoot);

    /// @notice Shows that a block of another chain is final. Anybody may; again changes nothing.
    /// @param account Nodes from the block's state root to the contract that records committees.
    /// @param slot Nodes from the root of its storage to the record of the block's epoch.
    /// @return number The block's height.
    /// @return stateRoot Root of the state after it.
    /// @return timestamp Its time, seconds.
    function verifyHeader(uint64 chain, Finality calldata finality, bytes[] calldata account, bytes[] calldata slot)
        external
        returns (uint64 number, bytes32 stateRoot, uint64 timestamp);

    /// @notice Root of the state after a block that was shown to be final; zero for any other.
    function stateRootOf(uint64 chain, uint64 number) external view returns (bytes32);

    /// @notice The highest block of a chain that was shown to be final.
    function latestOf(uint64 chain) external view returns (uint64);
}
