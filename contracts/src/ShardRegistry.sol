// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {CommitteeRecord} from "./CommitteeRecord.sol";
import {Epochs} from "./Epochs.sol";
import {ICommittees} from "./interfaces/ICommittees.sol";
import {IMailbox} from "./interfaces/IMailbox.sol";
import {Allocation, INetworkRegistry, Member, ServiceKind, ServiceState} from "./interfaces/INetworkRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IShardRegistry, Shard} from "./interfaces/IShardRegistry.sol";
import {IValidatorRegistry, Validator} from "./interfaces/IValidatorRegistry.sol";

/// @title The shards of a root chain, and what each side is told of the other's validators.
contract ShardRegistry is CommitteeRecord, Epochs, IShardRegistry, ICommittees {
    /// Seats of a shard's committee at most: with 60, it fits into the code of one account, where the shard keeps it.
    uint32 public constant MAX_SEATS = 60;
    /// Fewest blocks of an epoch: the engine's.
    uint64 public constant EPOCH_BLOCKS_MIN = 8;
    /// Longest endpoint, bytes: `ValidatorRegistry`'s.
    uint256 public constant MAX_ENDPOINT_BYTES = 64;
    /// Gas that the shard uses to keep a committee; a test measures what the largest takes.
    uint32 public constant ANNOUNCE_GAS = 8_000_000;

    /// The operators.
    IOperatorRegistry public immutable registry;
    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where vote keys are.
    IValidatorRegistry public immutable validators;
    /// Where messages to shards go out.
    IMailbox public immutable mailbox;
    /// Where each shard keeps its validators.
    address public immutable recorder;
    /// Who punishes those of a shard that vote twice.
    address public immutable slasher;
    /// The service that votes on this chain.
    uint32 public immutable consensus;

    /// @inheritdoc IShardRegistry
    mapping(uint64 chain => uint64) public lastAnnounced;
    mapping(uint64 chain => Shard) private _shards;
    uint64[] private _chains;
    mapping(uint64 chain => mapping(uint32 operator => string)) private _endpoints;
    /// @dev What a shard was last told.
    mapping(uint64 chain => bytes32) private _announced;
    /// @dev The last epoch of this chain for which that committee was announced; never 0.
    mapping(uint64 chain => mapping(bytes32 committee => uint64)) private _announcedFor;

    /// @param services Where committees are.
    /// @param keys Where vote keys are.
    /// @param operators The operators.
    /// @param messages Where messages to shards go out.
    /// @param shardValidators Where each shard keeps its validators.
    /// @param punisher Who punishes those of a shard that vote twice.
    /// @param rootService The service that votes on this chain.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(
        INetworkRegistry services,
        IValidatorRegistry keys,
        IOperatorRegistry operators,
        IMailbox messages,
        address shardValidators,
        address punisher,
        uint32 rootService,
        uint64 blocks
    ) Epochs(blocks) {
        networks = services;
        validators = keys;
        registry = operators;
        mailbox = messages;
        recorder = shardValidators;
        slasher = punisher;
        consensus = rootService;
    }

    /// @inheritdoc IShardRegistry
    function register(uint64 chain, bytes32 network, uint64 blocks, uint32 seats, uint128 minStake)
        external
        payable
        returns (uint32 service)
    {
        if (chain == 0 || chain == block.chainid || _shards[chain].epochBlocks != 0) revert ChainTaken(chain);
        if (blocks < EPOCH_BLOCKS_MIN) revert EpochTooShort(blocks);
        if (seats > MAX_SEATS) revert TooManySeats(seats);
        service = networks.create{value: msg.value}(ServiceKind.Consensus, Allocation.Shared, slasher, seats, minStake);
        _shards[chain] = Shard(msg.sender, service, blocks, network);
        _chains.push(chain);
        emit ShardRegistered(chain, service, msg.sender, network, blocks);
    }

    /// @inheritdoc IShardRegistry
    function activate(uint64 chain) external {
        networks.activate(_founded(chain));
    }

    /// @inheritdoc IShardRegistry
    function drain(uint64 chain) external {
        networks.drain(_founded(chain));
    }

    /// @inheritdoc IShardRegistry
    function setEndpoint(uint64 chain, string calldata endpoint) external {
        _shard(chain);
        uint32 operator = registry.numberOf(msg.sender);
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLength(length);
        _endpoints[chain][operator] = endpoint;
        emit ShardValidatorMoved(chain, operator, endpoint);
    }

    /// @inheritdoc IShardRegistry
    function announce(uint64 chain) external returns (bool sent) {
        Shard storage shard = _shard(chain);
        uint64 next = epoch() + 1;
        (bytes32 committee, Validator[] memory members) = _committee(shard.service, next, chain);
        if (members.length == 0) revert NoVotes(chain, next);
        _announcedFor[chain][committee] = next;
        lastAnnounced[chain] = next;
        // The shard takes nothing from an epoch that is not on record.
        record(next - 1);
        bytes32 rootCommittee = record(next);
        bytes32 content = keccak256(abi.encode(rootCommittee, members));
        sent = content != _announced[chain];
        if (sent) {
            _announced[chain] = content;
            mailbox.send(chain, recorder, ANNOUNCE_GAS, abi.encode(next, rootCommittee, committee, members));
        }
        emit CommitteeAnnounced(chain, next, committee, rootCommittee, sent);
    }

    /// @inheritdoc IShardRegistry
    function shardOf(uint64 chain) external view returns (Shard memory) {
        return _shard(chain);
    }

    /// @inheritdoc IShardRegistry
    function takesMessages(uint64 chain) external view returns (bool) {
        Shard storage shard = _shards[chain];
        return shard.epochBlocks != 0 && networks.serviceOf(shard.service).state <= ServiceState.Active;
    }

    /// @inheritdoc IShardRegistry
    function shardCount() external view returns (uint256) {
        return _chains.length;
    }

    /// @inheritdoc IShardRegistry
    function chainAt(uint256 index) external view returns (uint64) {
        return _chains[index];
    }

    /// @inheritdoc ICommittees
    function termsOf(uint64 chain) external view returns (bytes32, uint64, address) {
        Shard storage shard = _shard(chain);
        return (shard.network, shard.epochBlocks, recorder);
    }

    /// @inheritdoc ICommittees
    /// @dev The committee of epoch `e` was chosen by the stake of `e − LOOKAHEAD`, which leaves after `e + SLASH_WINDOW` at the earliest.
    function trusts(uint64 chain, bytes32 committee) external view returns (bool) {
        uint64 last = _announcedFor[chain][committee];
        return last != 0 && epoch() <= last + SLASH_WINDOW;
    }

    /// @inheritdoc CommitteeRecord
    function committeeDigest(uint64 atEpoch) public view override returns (bytes32 digest) {
        (digest,) = _committee(consensus, atEpoch, 0);
    }

    /// @dev Digest and validators of a service's committee; without votes, the digest is that of nothing.
    function _committee(uint32 service, uint64 atEpoch, uint64 chain)
        private
        view
        returns (bytes32, Validator[] memory voting)
    {
        (, Member[] memory members) = networks.committee(service, atEpoch);
        voting = new Validator[](members.length);
        bytes memory all;
        uint256 count = 0;
        for (uint256 i = 0; i < members.length; i++) {
            uint32 operator = members[i].operator;
            uint256 votes = validators.keysAt(operator, atEpoch);
            uint256 seats = members[i].endSeat - members[i].firstSeat;
            if (votes > seats) votes = seats;
            if (votes == 0) continue;
            bytes memory own;
            bytes memory compressed;
            for (uint256 seat = 0; seat < votes; seat++) {
                (bytes32[4] memory words,) = validators.keyOf(operator, seat);
                bytes memory key = abi.encode(words);
                own = bytes.concat(own, key);
                compressed = bytes.concat(compressed, Bls12381.compress(key));
            }
            all = bytes.concat(all, own);
            voting[count++] = Validator({
                operator: operator,
                account: members[i].account,
                streamKey: registry.operatorOf(operator).streamKey,
                endpoint: _endpoints[chain][operator],
                voteKeys: compressed
            });
        }
        assembly ("memory-safe") {
            // The array becomes shorter.
            mstore(voting, count)
        }
        return (keccak256(all), voting);
    }

    function _founded(uint64 chain) private view returns (uint32) {
        Shard storage shard = _shard(chain);
        if (msg.sender != shard.founder) revert NotTheFounder(chain);
        return shard.service;
    }

    function _shard(uint64 chain) private view returns (Shard storage shard) {
        shard = _shards[chain];
        if (shard.epochBlocks == 0) revert UnknownChain(chain);
    }
}
