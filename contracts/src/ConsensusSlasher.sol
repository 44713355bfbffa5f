// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Votes} from "./Votes.sol";
import {IConsensusSlasher, Vote} from "./interfaces/IConsensusSlasher.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";

/// @title Takes the stake of who votes twice.
contract ConsensusSlasher is IConsensusSlasher {
    /// Epochs in which who voted twice gets no seats: the vault's longest.
    uint64 public constant JAIL_EPOCHS = 64;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where vote keys are.
    IValidatorRegistry public immutable validators;
    /// What is at stake.
    IStakeVault public immutable vault;
    /// The service whose slasher this is.
    uint32 public immutable service;
    /// What keeps the votes of this network apart from those of others of its chain id.
    bytes32 public immutable network;

    /// @dev In genesis, where `block.prevrandao` is what the network drew when it was made.
    /// @param services Where committees are.
    /// @param keys Where vote keys are.
    /// @param stakes What is at stake.
    /// @param consensus The service whose slasher this is.
    constructor(INetworkRegistry services, IValidatorRegistry keys, IStakeVault stakes, uint32 consensus) {
        networks = services;
        validators = keys;
        vault = stakes;
        service = consensus;
        network = bytes32(block.prevrandao);
    }

    /// @inheritdoc IConsensusSlasher
    function report(uint64 epoch_, uint64 view_, uint32 index, uint256 seat, Vote calldata first, Vote calldata second)
        external
    {
        if (!Votes.conflict(first, second)) revert NoConflict();
        uint32 operator = _check(epoch_, view_, index, seat, first, second);
        bytes32 evidence = keccak256(abi.encode(operator, epoch_, view_));
        (uint128 lost, uint128 rewarded) =
            vault.slash(service, operator, type(uint128).max, epoch_, evidence, msg.sender, JAIL_EPOCHS);
        emit Equivocated(operator, epoch_, view_, seat, msg.sender, lost, rewarded);
    }

    /// @inheritdoc IConsensusSlasher
    function messageOf(uint64 epoch_, uint64 view_, Vote calldata vote) public view returns (bytes memory) {
        return Votes.message(uint64(block.chainid), network, epoch_, view_, vote);
    }

    /// @dev The operator whose key signed both, with a vote in that epoch.
    function _check(uint64 epoch_, uint64 view_, uint32 index, uint256 seat, Vote calldata first, Vote calldata second)
        private
        view
        returns (uint32 operator)
    {
        (, Member memory member) = networks.memberOf(service, epoch_, index);
        operator = member.operator;
        if (seat >= member.endSeat - member.firstSeat || seat >= validators.keysAt(operator, epoch_)) {
            revert NotASeat(operator, seat);
        }
        (bytes32[4] memory words,) = validators.keyOf(operator, seat);
        bytes memory key = abi.encode(words);
        uint64 chain = uint64(block.chainid);
        if (!Votes.signed(key, chain, network, epoch_, view_, first)) revert WrongSignature(0);
        if (!Votes.signed(key, chain, network, epoch_, view_, second)) revert WrongSignature(1);
    }
}
