// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {MerklePatricia} from "./MerklePatricia.sol";
import {Rlp} from "./Rlp.sol";
import {Votes} from "./Votes.sol";
import {Finality, IChainClient} from "./interfaces/IChainClient.sol";
import {ICommittees} from "./interfaces/ICommittees.sol";

/// @title Which blocks of other chains are final.
contract ChainClient is IChainClient {
    /// Seats of a committee at most: `chain::keys::MAX_VOTES`.
    uint256 public constant MAX_SEATS = 128;
    /// Longest header, bytes: `chain::block`'s limit.
    uint256 public constant MAX_HEADER_BYTES = 1024;
    /// Longest place in a vote, bytes: two numbers, a leader, a number, a digest.
    uint256 public constant MAX_CONTEXT_BYTES = 128;

    /// @dev Places of fields in a header.
    uint256 private constant STATE_ROOT = 3;
    uint256 private constant NUMBER = 8;
    uint256 private constant TIMESTAMP = 11;

    /// What is trusted.
    ICommittees public immutable committees;

    /// @inheritdoc IChainClient
    mapping(uint64 chain => mapping(uint64 number => bytes32)) public stateRootOf;
    /// @inheritdoc IChainClient
    mapping(uint64 chain => uint64) public latestOf;

    /// @param trusted What is trusted.
    constructor(ICommittees trusted) {
        committees = trusted;
    }

    /// @inheritdoc IChainClient
    function verifyHeader(uint64 chain, Finality calldata finality, bytes[] calldata account, bytes[] calldata slot)
        external
        returns (uint64 number, bytes32 stateRoot, uint64 timestamp)
    {
        if (chain == block.chainid) revert OwnChain();
        (number, stateRoot, timestamp) = _parse(finality.header);
        address record = _checkSigners(chain, number, finality);
        _checkRecord(stateRoot, record, finality, account, slot);
        bytes32 known = stateRootOf[chain][number];
        if (known == stateRoot) return (number, stateRoot, timestamp);
        if (known != 0) revert AnotherHeader(number, known);
        stateRootOf[chain][number] = stateRoot;
        if (number > latestOf[chain]) latestOf[chain] = number;
        emit HeaderVerified(chain, number, stateRoot);
    }

    /// @dev Checks that a trusted committee voted to finalize the block.
    /// @return record Where the chain says which committee that is.
    function _checkSigners(uint64 chain, uint64 number, Finality calldata finality)
        private
        view
        returns (address record)
    {
        bytes32 network;
        uint64 epochBlocks;
        (network, epochBlocks, record) = committees.termsOf(chain);
        if (number / epochBlocks != finality.epoch) revert WrongEpoch(number, finality.epoch);
        bytes32 committee = keccak256(finality.keys);
        if (!committees.trusts(chain, committee)) revert UntrustedCommittee(committee);
        _checkSignature(chain, network, finality);
    }

    /// @dev Checks that the state after the block says that the keys are the committee of its epoch.
    function _checkRecord(
        bytes32 stateRoot,
        address record,
        Finality calldata finality,
        bytes[] calldata account,
        bytes[] calldata slot
    ) private pure {
        bytes32 committee = keccak256(finality.keys);
        // Slot 0 of the record maps epochs to digests.
        bytes32 place = keccak256(abi.encode(finality.epoch, uint256(0)));
        bytes32 recorded = bytes32(MerklePatricia.slot(stateRoot, record, place, account, slot));
        if (recorded != committee) revert WrongCommittee(recorded, committee);
    }

    /// @dev Checks that a quorum of the keys voted to finalize the block.
    function _checkSignature(uint64 chain, bytes32 network, Finality calldata finality) private view {
        uint256 seats = finality.keys.length / Bls12381.G1_BYTES;
        bool shaped = seats != 0 && seats <= MAX_SEATS && finality.keys.length == seats * Bls12381.G1_BYTES
            && finality.signers.length == (seats + 7) / 8
            && (seats % 8 == 0 || uint8(finality.signers[seats / 8]) >> (seats % 8) == 0);
        if (!shaped) revert InvalidShape();
        (bytes memory key, uint256 count) = Bls12381.sum(finality.keys, finality.signers);
        uint256 quorum = seats - (seats - 1) / 3;
        if (count < quorum) revert TooFewSigners(count, quorum);
        bytes memory message =
            Votes.finalization(chain, network, finality.epoch, finality.view_, finality.parentView, _digest(finality));
        if (!Bls12381.verify(key, message, finality.signature, Bls12381.SIGNATURE_DST)) revert WrongSignature();
    }

    /// @dev The digest of a block, as its validators sign it.
    function _digest(Finality calldata finality) private pure returns (bytes32) {
        uint256 length = finality.context.length;
        if (length > MAX_CONTEXT_BYTES) revert TooLong(length);
        return sha256(bytes.concat(finality.context, sha256(finality.header), finality.rest));
    }

    function _parse(bytes calldata header) private pure returns (uint64 number, bytes32 stateRoot, uint64 timestamp) {
        if (header.length > MAX_HEADER_BYTES) revert TooLong(header.length);
        uint256 offset = Rlp.listStart(header);
        for (uint256 field = 0; field <= TIMESTAMP; field++) {
            uint256 value;
            if (field == STATE_ROOT) {
                (stateRoot, offset) = Rlp.word(header, offset);
            } else if (field == NUMBER) {
                (value, offset) = Rlp.number(header, offset);
                if (value > type(uint64).max) revert Rlp.InvalidRlp();
                number = uint64(value);
            } else if (field == TIMESTAMP) {
                (value, offset) = Rlp.number(header, offset);
                if (value > type(uint64).max) revert Rlp.InvalidRlp();
                timestamp = uint64(value);
            } else {
                (,, offset) = Rlp.item(header, offset);
            }
        }
    }
}
