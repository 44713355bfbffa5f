// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Epochs} from "./Epochs.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IOperatorRegistry, Operator} from "./interfaces/IOperatorRegistry.sol";
import {IReleaseCeremony, Phase} from "./interfaces/IReleaseCeremony.sol";

/// @title The committee that releases the keys of encrypted blobs, and where it makes its key.
contract ReleaseCeremony is Epochs, IReleaseCeremony {
    /// Longest post, bytes: a dealing among 64 seats takes 9,400.
    uint256 public constant MAX_POST_BYTES = 16 * 1024;
    /// Members at most: combining their shares is quadratic in them.
    uint256 public constant MAX_MEMBERS = 256;
    /// Phases, each an equal part of an epoch.
    uint256 public constant PHASES = 5;
    /// Bytes of a compressed point of G2.
    uint256 private constant KEY_BYTES = 96;
    /// Bytes before the keys: how many there are, and how many are needed.
    uint256 private constant HEAD_BYTES = 4;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where operators are.
    IOperatorRegistry public immutable registry;
    /// The service whose operators release.
    uint32 public immutable service;

    /// @dev The epoch of the committee that shares the key; 0 while there is none, for nobody shares it in the first epoch.
    uint64 private _fromEpoch;
    bytes private _keys;
    bytes private _output;
    uint32[] private _operators;
    /// @dev The last epoch in which a seat posted in a phase, plus one: so that what ceremonies store stays the same.
    mapping(Phase phase => mapping(uint32 operator => mapping(uint256 seat => uint64 epochPlusOne))) private _postedIn;
    mapping(uint32 operator => uint64 epochPlusOne) private _agreedIn;
    mapping(bytes32 outcome => uint256 seats) private _agreed;

    /// @param services Where committees are.
    /// @param operators Where operators are.
    /// @param releasing The service whose operators release.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(INetworkRegistry services, IOperatorRegistry operators, uint32 releasing, uint64 blocks)
        Epochs(blocks)
    {
        (networks, registry, service) = (services, operators, releasing);
    }

    /// @inheritdoc IReleaseCeremony
    function post(uint64 epoch_, Phase phase, uint32 index, uint256 seat, bytes calldata bytes_) external {
        if (phase == Phase.Agree) revert WrongMoment(epoch_, phase);
        _checkMoment(epoch_, phase);
        if (bytes_.length == 0 || bytes_.length > MAX_POST_BYTES) revert PostLength(bytes_.length);
        bool deals = phase == Phase.Deal || phase == Phase.Close;
        (, Member memory member) = networks.memberOf(service, deals ? holdersEpoch() : epoch_ + 1, index);
        if (member.account != msg.sender || seat >= member.endSeat - member.firstSeat) revert NotTheSeat(index, seat);
        if (_postedIn[phase][member.operator][seat] == epoch_ + 1) revert PostedBefore(member.operator, seat);
        _postedIn[phase][member.operator][seat] = epoch_ + 1;
        emit Posted(epoch_, phase, member.operator, uint32(seat), bytes_);
    }

    /// @inheritdoc IReleaseCeremony
    function agree(uint64 epoch_, uint32 index, bytes32 outcome) external {
        _checkMoment(epoch_, Phase.Agree);
        (, Member memory member) = networks.memberOf(service, epoch_ + 1, index);
        if (member.account != msg.sender) revert NotTheSeat(index, 0);
        if (_agreedIn[member.operator] == epoch_ + 1) revert AgreedBefore(member.operator);
        _agreedIn[member.operator] = epoch_ + 1;
        uint256 seats = member.endSeat - member.firstSeat;
        _agreed[outcome] += seats;
        emit Agreed(epoch_, member.operator, outcome, seats);
    }

    /// @inheritdoc IReleaseCeremony
    function conclude(uint64 epoch_, bytes calldata keys, uint32[] calldata operators, bytes calldata output) external {
        _checkMoment(epoch_, Phase.Agree);
        if (_fromEpoch == epoch_ + 1) revert ConcludedBefore(epoch_);
        uint256 members = operators.length;
        if (members == 0 || members > MAX_MEMBERS || keys.length != HEAD_BYTES + KEY_BYTES * (members + 1)) {
            revert InvalidOutcome(keys.length, members);
        }
        _checkAgreed(epoch_, keccak256(abi.encode(epoch_, keys, operators, output)));
        if (_fromEpoch != 0 && keccak256(_keyOf(_keys)) != keccak256(_keyOf(keys))) revert KeyChanged();
        (_fromEpoch, _keys, _output, _operators) = (epoch_ + 1, keys, output, operators);
        emit SharingSet(epoch_ + 1, keys, operators);
    }

    /// @inheritdoc IReleaseCeremony
    function holdersEpoch() public view returns (uint64) {
        return _fromEpoch == 0 ? epoch() + 1 : _fromEpoch;
    }

    /// @inheritdoc IReleaseCeremony
    function sharing() external view returns (uint64 fromEpoch, bytes memory output) {
        return (_fromEpoch, _output);
    }

    /// @inheritdoc IReleaseCeremony
    function agreed(bytes32 outcome) external view returns (uint256 seats) {
        return _agreed[outcome];
    }

    /// @inheritdoc IReleaseCeremony
    function committee() external view returns (bytes memory keys, bytes32[] memory streamKeys) {
        Operator[] memory found = registry.operatorsOf(_operators);
        streamKeys = new bytes32[](found.length);
        for (uint256 i = 0; i < found.length; i++) streamKeys[i] = found[i].streamKey;
        return (_keys, streamKeys);
    }

    function _checkMoment(uint64 epoch_, Phase phase) private view {
        uint256 part = (block.number % epochBlocks) * PHASES / epochBlocks;
        if (epoch_ != epoch() || part != uint256(phase)) revert WrongMoment(epoch_, phase);
    }

    function _checkAgreed(uint64 epoch_, bytes32 outcome) private view {
        (uint256 seats,) = networks.memberOf(service, epoch_ + 1, 0);
        uint256 needed = seats - (seats - 1) / 3;
        if (_agreed[outcome] < needed) revert NotAgreed(_agreed[outcome], needed);
    }

    /// @dev The committee's public key.
    function _keyOf(bytes memory keys) private pure returns (bytes memory key) {
        key = new bytes(KEY_BYTES);
        for (uint256 i = 0; i < KEY_BYTES; i++) key[i] = keys[HEAD_BYTES + i];
    }
}
