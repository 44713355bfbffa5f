// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Epochs} from "./Epochs.sol";
import {IOperatorRegistry, Operator} from "./interfaces/IOperatorRegistry.sol";

/// @title Who may serve: accounts, the keys that they proved to have, where they listen.
contract OperatorRegistry is Epochs, IOperatorRegistry {
    /// Longest endpoint, bytes: room for a host name and a port.
    uint256 public constant MAX_ENDPOINT_BYTES = 128;
    /// All of it, in ten-thousandths.
    uint16 public constant BPS = 10_000;
    /// How much a commission may rise at a time: a tenth of the whole.
    uint16 public constant MAX_COMMISSION_STEP_BPS = 1_000;

    /// The only account that may jail.
    address public immutable vault;

    /// @dev As `Operator`, with the key in words: a `bytes` would cost one slot more to read.
    struct Entry {
        address account;
        uint16 commissionBps;
        uint16 nextCommissionBps;
        uint64 commissionEpoch;
        uint64 jailedUntil;
        bytes32 streamKey;
        bytes32[4] blsKey;
        string endpoint;
    }

    Entry[] private _entries;
    /// @dev Hashes of BLS keys that are registered.
    mapping(bytes32 key => bool) private _taken;
    mapping(address account => uint256) private _numberPlusOne;
    mapping(bytes32 streamKey => uint256) private _numberOfKeyPlusOne;

    /// @param stakes The vault.
    /// @param blocks Blocks of an epoch.
    constructor(address stakes, uint64 blocks) Epochs(blocks) {
        vault = stakes;
    }

    /// @inheritdoc IOperatorRegistry
    function register(bytes32 streamKey, bytes calldata blsKey, bytes calldata possession, string calldata endpoint)
        external
        returns (uint32 operator)
    {
        bool unique = streamKey != 0 && _numberOfKeyPlusOne[streamKey] == 0 && _numberPlusOne[msg.sender] == 0;
        if (!unique || _taken[keccak256(blsKey)]) revert NotUnique();
        _taken[keccak256(blsKey)] = true;
        _checkEndpoint(endpoint);
        if (blsKey.length != Bls12381.G1_BYTES) revert InvalidPossession();
        bytes memory proven = abi.encodePacked(Bls12381.compress(blsKey), msg.sender);
        if (!Bls12381.verify(blsKey, proven, possession, Bls12381.POSSESSION_DST)) revert InvalidPossession();

        operator = uint32(_entries.length);
        Entry storage entry = _entries.push();
        entry.account = msg.sender;
        entry.streamKey = streamKey;
        entry.blsKey = abi.decode(blsKey, (bytes32[4]));
        entry.endpoint = endpoint;
        _numberPlusOne[msg.sender] = uint256(operator) + 1;
        _numberOfKeyPlusOne[streamKey] = uint256(operator) + 1;
        emit OperatorRegistered(operator, msg.sender, streamKey, blsKey, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function setEndpoint(string calldata endpoint) external {
        uint32 operator = numberOf(msg.sender);
        _checkEndpoint(endpoint);
        _entries[operator].endpoint = endpoint;
        emit EndpointChanged(operator, endpoint);
    }

    /// @inheritdoc IOperatorRegistry
    function setCommission(uint16 commissionBps) external {
        uint32 operator = numberOf(msg.sender);
        Entry storage entry = _entries[operator];
        uint16 present = commissionOf(operator);
        if (commissionBps > BPS || commissionBps > present + MAX_COMMISSION_STEP_BPS) {
            revert InvalidCommission(commissionBps);
        }
        bool lower = commissionBps <= present;
        uint64 from = lower ? epoch() : epoch() + UNBONDING_EPOCHS;
        entry.commissionBps = lower ? commissionBps : present;
        (entry.nextCommissionBps, entry.commissionEpoch) = lower ? (0, 0) : (commissionBps, from);
        emit CommissionChanged(operator, commissionBps, from);
    }

    /// @inheritdoc IOperatorRegistry
    function jail(uint32 operator, uint64 untilEpoch) external {
        if (msg.sender != vault) revert NotTheVault();
        Entry storage entry = _entry(operator);
        if (untilEpoch > entry.jailedUntil) {
            entry.jailedUntil = untilEpoch;
            emit Jailed(operator, untilEpoch);
        }
    }

    /// @inheritdoc IOperatorRegistry
    function operatorCount() external view returns (uint32) {
        return uint32(_entries.length);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(uint32 operator) public view returns (Operator memory) {
        Entry storage entry = _entry(operator);
        return Operator({
            account: entry.account,
            streamKey: entry.streamKey,
            blsKey: abi.encode(entry.blsKey),
            endpoint: entry.endpoint,
            commissionBps: commissionOf(operator),
            commissionEpoch: entry.commissionEpoch > epoch() ? entry.commissionEpoch : 0,
            nextCommissionBps: entry.commissionEpoch > epoch() ? entry.nextCommissionBps : 0,
            jailedUntil: entry.jailedUntil
        });
    }

    /// @inheritdoc IOperatorRegistry
    function operatorsOf(uint32[] calldata operators) external view returns (Operator[] memory list) {
        list = new Operator[](operators.length);
        for (uint256 i = 0; i < list.length; i++) list[i] = operatorOf(operators[i]);
    }

    /// @inheritdoc IOperatorRegistry
    function numberOf(address account) public view returns (uint32) {
        uint256 numberPlusOne = _numberPlusOne[account];
        if (numberPlusOne == 0) revert NotAnOperator(account);
        return uint32(numberPlusOne - 1);
    }

    /// @inheritdoc IOperatorRegistry
    function numberOfKey(bytes32 streamKey) external view returns (uint32) {
        uint256 numberPlusOne = _numberOfKeyPlusOne[streamKey];
        if (numberPlusOne == 0) revert UnknownKey(streamKey);
        return uint32(numberPlusOne - 1);
    }

    /// @inheritdoc IOperatorRegistry
    function accountOf(uint32 operator) external view returns (address) {
        return _entry(operator).account;
    }

    /// @inheritdoc IOperatorRegistry
    function keyOf(uint32 operator) external view returns (bytes32[4] memory) {
        return _entry(operator).blsKey;
    }

    /// @inheritdoc IOperatorRegistry
    function commissionOf(uint32 operator) public view returns (uint16) {
        Entry storage entry = _entry(operator);
        bool changed = entry.commissionEpoch != 0 && epoch() >= entry.commissionEpoch;
        return changed ? entry.nextCommissionBps : entry.commissionBps;
    }

    /// @inheritdoc IOperatorRegistry
    function jailedUntil(uint32 operator) external view returns (uint64) {
        return _entry(operator).jailedUntil;
    }

    function _entry(uint32 operator) private view returns (Entry storage) {
        if (operator >= _entries.length) revert NoSuchOperator(operator);
        return _entries[operator];
    }

    function _checkEndpoint(string calldata endpoint) private pure {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLength(length);
    }
}
