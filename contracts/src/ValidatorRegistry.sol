// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Epochs} from "./Epochs.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IValidatorRegistry, Validator} from "./interfaces/IValidatorRegistry.sol";

/// @title Who votes on blocks in which epoch, and with which keys.
contract ValidatorRegistry is Epochs, IValidatorRegistry {
    /// Keys of an operator at most, hence its votes: one engine signs for all of them.
    uint256 public constant MAX_KEYS = 8;
    /// Longest endpoint, bytes: room for an address and a port.
    uint256 public constant MAX_ENDPOINT_BYTES = 64;

    /// The operators.
    IOperatorRegistry public immutable registry;
    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// The service whose operators vote.
    uint32 public immutable service;

    /// @dev A vote key in words, and from when on it counts.
    struct Key {
        bytes32[4] words;
        uint64 fromEpoch;
    }

    /// @dev In the order of their epochs, as they were added.
    mapping(uint32 operator => Key[]) private _keys;
    mapping(uint32 operator => string) private _endpoints;
    /// @dev Hashes of keys that were added.
    mapping(bytes32 key => bool) private _taken;

    /// @param operators The operators.
    /// @param services Where committees are.
    /// @param consensus The service whose operators vote.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(IOperatorRegistry operators, INetworkRegistry services, uint32 consensus, uint64 blocks) Epochs(blocks) {
        registry = operators;
        networks = services;
        service = consensus;
    }

    /// @inheritdoc IValidatorRegistry
    function addKey(bytes calldata voteKey, bytes calldata possession) external {
        uint32 operator = registry.numberOf(msg.sender);
        Key[] storage own = _keys[operator];
        if (own.length == MAX_KEYS) revert TooManyKeys();
        if (_taken[keccak256(voteKey)]) revert KeyTaken();
        _taken[keccak256(voteKey)] = true;
        if (voteKey.length != Bls12381.G1_BYTES) revert InvalidPossession();
        bytes memory proven = abi.encodePacked(Bls12381.compress(voteKey), msg.sender);
        if (!Bls12381.verify(voteKey, proven, possession, Bls12381.POSSESSION_DST)) revert InvalidPossession();

        uint64 from = block.number == 0 ? 0 : epoch() + LOOKAHEAD;
        own.push(Key(abi.decode(voteKey, (bytes32[4])), from));
        emit VoteKeyAdded(operator, own.length - 1, from, voteKey);
    }

    /// @inheritdoc IValidatorRegistry
    function setEndpoint(string calldata endpoint) external {
        uint32 operator = registry.numberOf(msg.sender);
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLength(length);
        _endpoints[operator] = endpoint;
        emit ValidatorMoved(operator, endpoint);
    }

    /// @inheritdoc IValidatorRegistry
    function keyOf(uint32 operator, uint256 seat) external view returns (bytes32[4] memory key, uint64 fromEpoch) {
        Key[] storage own = _keys[operator];
        if (seat >= own.length) revert NoSuchKey(operator, seat);
        return (own[seat].words, own[seat].fromEpoch);
    }

    /// @inheritdoc IValidatorRegistry
    function keysAt(uint32 operator, uint64 atEpoch) public view returns (uint256 count) {
        Key[] storage own = _keys[operator];
        count = own.length;
        while (count != 0 && own[count - 1].fromEpoch > atEpoch) count--;
    }

    /// @inheritdoc IValidatorRegistry
    function committee(uint64 atEpoch) external view returns (Validator[] memory validators) {
        (, Member[] memory members) = networks.committee(service, atEpoch);
        validators = new Validator[](members.length);
        uint256 count = 0;
        for (uint256 i = 0; i < members.length; i++) {
            uint256 seats = members[i].endSeat - members[i].firstSeat;
            uint256 keys = keysAt(members[i].operator, atEpoch);
            if (keys != 0) validators[count++] = _validator(members[i].operator, keys < seats ? keys : seats);
        }
        assembly ("memory-safe") {
            // The array becomes shorter.
            mstore(validators, count)
        }
    }

    /// @inheritdoc IValidatorRegistry
    function candidates() external view returns (Validator[] memory validators) {
        uint32[] memory operators = networks.membersOf(service);
        validators = new Validator[](operators.length);
        for (uint256 i = 0; i < operators.length; i++) validators[i] = _validator(operators[i], 0);
    }

    /// @dev An operator with its first `votes` keys.
    function _validator(uint32 operator, uint256 votes) private view returns (Validator memory) {
        bytes memory keys;
        for (uint256 seat = 0; seat < votes; seat++) {
            keys = bytes.concat(keys, Bls12381.compress(abi.encode(_keys[operator][seat].words)));
        }
        return Validator({
            operator: operator,
            account: registry.accountOf(operator),
            streamKey: registry.operatorOf(operator).streamKey,
            endpoint: _endpoints[operator],
            voteKeys: keys
        });
    }
}
