// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Vote, VoteKind} from "./interfaces/IConsensusSlasher.sol";

/// @title Votes of validators: the bytes that they sign, which are the engine's, and which of them nobody casts who follows the protocol.
library Votes {
    /// @notice The bytes that a vote signs, before they are hashed to the curve.
    /// @param chain Chain id of the network.
    /// @param network What keeps it apart from others of that id: `prevRandao` of its genesis block.
    function message(uint64 chain, bytes32 network, uint64 epoch, uint64 view_, Vote calldata vote)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory prefix = _prefix(chain, network, _suffix(vote.kind), epoch, view_);
        if (vote.kind == VoteKind.Nullify) return prefix;
        return bytes.concat(prefix, _varint(vote.parentView), vote.digest);
    }

    /// @notice The bytes that a vote to finalize signs.
    function finalization(uint64 chain, bytes32 network, uint64 epoch, uint64 view_, uint64 parentView, bytes32 digest)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(_prefix(chain, network, "_FINALIZE", epoch, view_), _varint(parentView), digest);
    }

    /// @notice Whether no validator casts both in one view.
    function conflict(Vote calldata first, Vote calldata second) internal pure returns (bool) {
        if (first.kind != second.kind) {
            bool nullified = first.kind == VoteKind.Nullify || second.kind == VoteKind.Nullify;
            bool finalized = first.kind == VoteKind.Finalize || second.kind == VoteKind.Finalize;
            return nullified && finalized;
        }
        bool same = first.digest == second.digest && first.parentView == second.parentView;
        return first.kind != VoteKind.Nullify && !same;
    }

    /// @notice Whether a vote was signed by `key`.
    function signed(bytes memory key, uint64 chain, bytes32 network, uint64 epoch, uint64 view_, Vote calldata vote)
        internal
        view
        returns (bool)
    {
        bytes memory text = message(chain, network, epoch, view_, vote);
        return Bls12381.verify(key, text, vote.signature, Bls12381.SIGNATURE_DST);
    }

    /// @dev Length of the namespace, the namespace of a kind of vote, the place in the vote.
    function _prefix(uint64 chain, bytes32 network, string memory suffix, uint64 epoch, uint64 view_)
        private
        pure
        returns (bytes memory)
    {
        bytes memory namespace = abi.encodePacked("aloft-chain", chain, network, suffix);
        return bytes.concat(_varint(uint64(namespace.length)), namespace, _varint(epoch), _varint(view_));
    }

    function _suffix(VoteKind kind) private pure returns (string memory) {
        if (kind == VoteKind.Notarize) return "_NOTARIZE";
        return kind == VoteKind.Nullify ? "_NULLIFY" : "_FINALIZE";
    }

    /// @dev Seven bits a byte, the least significant first; the highest bit says that more follow.
    function _varint(uint64 value) private pure returns (bytes memory out) {
        while (value >= 0x80) {
            out = bytes.concat(out, bytes1(uint8(value) | 0x80));
            value >>= 7;
        }
        out = bytes.concat(out, bytes1(uint8(value)));
    }
}
