// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {IGenesisOperatorRegistry, Operator} from "./interfaces/IGenesisOperatorRegistry.sol";

/// @title The operators of a network whose committee is fixed in genesis; staking, and with it joining and leaving, comes later.
contract GenesisOperatorRegistry is IGenesisOperatorRegistry {
    /// Operators at most: what one word of bits can name.
    uint256 public constant MAX_OPERATORS = 256;
    /// Longest endpoint, bytes: room for a host name and a port.
    uint256 public constant MAX_ENDPOINT_BYTES = 128;

    /// @inheritdoc IGenesisOperatorRegistry
    uint64 public constant epoch = 0;

    /// @dev As `Operator`, with the key in words: a `bytes` would cost one slot more to read.
    struct Entry {
        address account;
        bytes32 streamKey;
        bytes32[4] blsKey;
        string endpoint;
    }

    Entry[] private _entries;
    bytes32[4] private _aggregateKey;
    /// @dev Accounts, stream keys and hashes of BLS keys that are registered.
    mapping(bytes32 name => bool) private _taken;
    mapping(address account => uint256) private _indexPlusOne;

    /// @inheritdoc IGenesisOperatorRegistry
    function register(
        address account,
        bytes32 streamKey,
        bytes calldata blsKey,
        bytes calldata possession,
        string calldata endpoint
    ) external {
        if (block.number != 0) revert RegistrationClosed();
        uint256 index = _entries.length;
        if (index == MAX_OPERATORS) revert TooManyOperators();
        if (account == address(0) || streamKey == 0) revert NotUnique();
        _take(bytes32(uint256(uint160(account))));
        _take(streamKey);
        _take(keccak256(blsKey));
        _checkEndpoint(endpoint);
        if (
            blsKey.length != Bls12381.G1_BYTES
                || !Bls12381.verify(blsKey, Bls12381.compress(blsKey), possession, Bls12381.POSSESSION_DST)
        ) revert InvalidPossession();

        _entries.push(Entry(account, streamKey, abi.decode(blsKey, (bytes32[4])), endpoint));
        _indexPlusOne[account] = index + 1;
        _aggregateKey = abi.decode(Bls12381.add(abi.encode(_aggregateKey), blsKey), (bytes32[4]));
        emit OperatorRegistered(uint32(index), account, streamKey, blsKey, endpoint);
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function setEndpoint(string calldata endpoint) external {
        uint256 indexPlusOne = _indexPlusOne[msg.sender];
        if (indexPlusOne == 0) revert NotAnOperator(msg.sender);
        _checkEndpoint(endpoint);
        _entries[indexPlusOne - 1].endpoint = endpoint;
        emit EndpointChanged(uint32(indexPlusOne - 1), endpoint);
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function operatorCount() external view returns (uint32) {
        return uint32(_entries.length);
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function accountOf(uint32 index) external view returns (address) {
        if (index >= _entries.length) revert NoSuchOperator(index);
        return _entries[index].account;
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function operators() external view returns (Operator[] memory list) {
        list = new Operator[](_entries.length);
        for (uint256 i = 0; i < list.length; i++) {
            Entry storage entry = _entries[i];
            list[i] = Operator(entry.account, entry.streamKey, abi.encode(entry.blsKey), entry.endpoint);
        }
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function aggregateKey() external view returns (bytes memory) {
        return abi.encode(_aggregateKey);
    }

    /// @inheritdoc IGenesisOperatorRegistry
    function signers(bytes calldata bitmap)
        external
        view
        returns (bytes memory key, uint32[] memory indices, address[] memory accounts)
    {
        uint256 total = _entries.length;
        if (bitmap.length != (total + 7) / 8) revert InvalidBitmap();
        if (total % 8 != 0 && uint8(bitmap[bitmap.length - 1]) >> (total % 8) != 0) revert InvalidBitmap();
        uint256 count = 0;
        for (uint256 i = 0; i < total; i++) {
            if (_contains(bitmap, i)) count++;
        }

        // Few signers are added up; if they are many, the absent are taken from the sum of all.
        bool fromAll = 2 * count > total;
        key = fromAll ? abi.encode(_aggregateKey) : new bytes(Bls12381.G1_BYTES);
        indices = new uint32[](count);
        accounts = new address[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < total; i++) {
            Entry storage entry = _entries[i];
            bool signed = _contains(bitmap, i);
            if (signed) {
                indices[found] = uint32(i);
                accounts[found++] = entry.account;
            }
            if (signed != fromAll) {
                bytes memory term = abi.encode(entry.blsKey);
                key = Bls12381.add(key, fromAll ? Bls12381.negate(term) : term);
            }
        }
    }

    function _contains(bytes calldata bitmap, uint256 index) private pure returns (bool) {
        return (uint8(bitmap[index / 8]) >> (index % 8)) & 1 == 1;
    }

    function _take(bytes32 name) private {
        if (_taken[name]) revert NotUnique();
        _taken[name] = true;
    }

    function _checkEndpoint(string calldata endpoint) private pure {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLength(length);
    }
}
