// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IShardRegistry, Shard} from "./interfaces/IShardRegistry.sol";
import {Ballot, IShardSlasher} from "./interfaces/IShardSlasher.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";
import {Vote} from "./interfaces/IConsensusSlasher.sol";
import {Votes} from "./Votes.sol";

/// @title Takes the stake of who votes twice on a shard.
contract ShardSlasher is IShardSlasher {
    /// Epochs in which who voted twice gets no seats: the vault's longest.
    uint64 public constant JAIL_EPOCHS = 64;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where vote keys are.
    IValidatorRegistry public immutable validators;
    /// What is at stake.
    IStakeVault public immutable vault;
    /// The shards.
    IShardRegistry public immutable shards;

    /// @param services Where committees are.
    /// @param keys Where vote keys are.
    /// @param stakes What is at stake.
    /// @param registered The shards.
    constructor(INetworkRegistry services, IValidatorRegistry keys, IStakeVault stakes, IShardRegistry registered) {
        networks = services;
        validators = keys;
        vault = stakes;
        shards = registered;
    }

    /// @inheritdoc IShardSlasher
    function report(Ballot calldata ballot, Vote calldata first, Vote calldata second) external {
        if (!Votes.conflict(first, second)) revert NoConflict();
        Shard memory shard = shards.shardOf(ballot.chain);
        (uint32 operator, bytes memory key) = _signer(shard.service, ballot);
        if (!_signed(key, shard.network, ballot, first)) revert WrongSignature(0);
        if (!_signed(key, shard.network, ballot, second)) revert WrongSignature(1);
        bytes32 evidence = keccak256(abi.encode(operator, ballot.chain, ballot.epoch, ballot.view_));
        (uint128 lost, uint128 rewarded) = vault.slash(
            shard.service, operator, type(uint128).max, ballot.rootEpoch, evidence, msg.sender, JAIL_EPOCHS
        );
        emit Equivocated(operator, ballot.chain, ballot.epoch, ballot.view_, ballot.seat, msg.sender, lost, rewarded);
    }

    /// @dev The operator whose seat it is, and the key that votes for the seat.
    function _signer(uint32 service, Ballot calldata ballot) private view returns (uint32 operator, bytes memory key) {
        (, Member memory member) = networks.memberOf(service, ballot.rootEpoch, ballot.index);
        operator = member.operator;
        uint256 seats = member.endSeat - member.firstSeat;
        if (ballot.seat >= seats || ballot.seat >= validators.keysAt(operator, ballot.rootEpoch)) {
            revert NotASeat(operator, ballot.seat);
        }
        (bytes32[4] memory words,) = validators.keyOf(operator, ballot.seat);
        key = abi.encode(words);
    }

    function _signed(bytes memory key, bytes32 network, Ballot calldata ballot, Vote calldata vote)
        private
        view
        returns (bool)
    {
        return Votes.signed(key, ballot.chain, network, ballot.epoch, ballot.view_, vote);
    }
}
