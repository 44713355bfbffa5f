// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {CommitteeRecord} from "./CommitteeRecord.sol";
import {Epochs} from "./Epochs.sol";
import {ICommittees} from "./interfaces/ICommittees.sol";
import {IMessageReceiver} from "./interfaces/IMessageReceiver.sol";
import {IShardValidators} from "./interfaces/IShardValidators.sol";
import {Validator} from "./interfaces/IValidatorRegistry.sol";

/// @title Who votes on a shard's blocks in which of its epochs, as the root chain said.
contract ShardValidators is CommitteeRecord, Epochs, IShardValidators, IMessageReceiver, ICommittees {
    /// Longest encoding of a committee, bytes: an account's code (EIP-170), of which the first byte stops who calls it.
    uint256 public constant MAX_COMMITTEE_BYTES = 24_575;

    /// Blocks of the root chain's epoch for each second that the committee before the last is trusted. At four blocks a second, the fastest, that
    /// is two epochs.
    uint64 public constant BLOCKS_A_SECOND = 2;

    /// The mailbox, whose word it takes for where a message is from.
    address public immutable mailbox;
    /// Who on the root chain announces.
    address public immutable announcer;
    /// The root chain.
    uint64 public immutable rootChain;
    /// Blocks of its epochs.
    uint64 public immutable rootEpochBlocks;
    /// What keeps its votes apart.
    bytes32 public immutable rootNetwork;

    /// @dev A committee, from an epoch on.
    struct Entry {
        uint64 fromEpoch;
        /// Account whose code is a zero byte and the validators, ABI-encoded.
        address code;
        bytes32 digest;
    }

    Entry[] private _entries;
    /// @dev The root chain's last committee, and the one before, which signed the header that brought the last, and until when it may sign
    /// others, in seconds.
    bytes32 private _rootCommittee;
    bytes32 private _rootCommitteeBefore;
    uint64 private _beforeUntil;

    /// @param messages The mailbox.
    /// @param registry Who on the root chain announces.
    /// @param root The root chain.
    /// @param rootBlocks Blocks of its epochs.
    /// @param network What keeps its votes apart.
    /// @param blocks Blocks of an epoch of this chain.
    constructor(address messages, address registry, uint64 root, uint64 rootBlocks, bytes32 network, uint64 blocks)
        Epochs(blocks)
    {
        (mailbox, announcer, rootChain) = (messages, registry, root);
        (rootEpochBlocks, rootNetwork) = (rootBlocks, network);
    }

    /// @inheritdoc IShardValidators
    function found(bytes32 rootCommittee, bytes32 digest, Validator[] calldata validators) external {
        if (block.number != 0 || _entries.length != 0) revert NotGenesis();
        _rootCommittee = rootCommittee;
        _entries.push(Entry(0, _store(abi.encode(validators)), digest));
        emit CommitteeArrived(0, 0, digest, rootCommittee);
    }

    /// @inheritdoc IMessageReceiver
    function onMessage(uint64 origin, address sender, bytes calldata data) external payable {
        if (msg.sender != mailbox || origin != rootChain || sender != announcer) revert NotTheRoot(origin, sender);
        (uint64 rootEpoch, bytes32 rootCommittee, bytes32 digest, Validator[] memory validators) =
            abi.decode(data, (uint64, bytes32, bytes32, Validator[]));
        if (rootCommittee != _rootCommittee) {
            (_rootCommitteeBefore, _rootCommittee) = (_rootCommittee, rootCommittee);
            _beforeUntil = uint64(block.timestamp) + rootEpochBlocks / BLOCKS_A_SECOND;
        }
        uint64 from = epoch() + LOOKAHEAD;
        Entry memory entry = Entry(from, _store(abi.encode(validators)), digest);
        uint256 last = _entries.length - 1;
        // Of those that arrive in one epoch the last one counts.
        if (_entries[last].fromEpoch == from) _entries[last] = entry;
        else _entries.push(entry);
        emit CommitteeArrived(rootEpoch, from, digest, rootCommittee);
    }

    /// @inheritdoc IShardValidators
    function committee(uint64 atEpoch) external view returns (Validator[] memory) {
        return _load(_at(atEpoch).code);
    }

    /// @inheritdoc IShardValidators
    function candidates() external view returns (Validator[] memory validators) {
        validators = _load(_entries[_entries.length - 1].code);
        for (uint256 i = 0; i < validators.length; i++) validators[i].voteKeys = "";
    }

    /// @inheritdoc ICommittees
    function termsOf(uint64 chain) external view returns (bytes32, uint64, address) {
        if (chain != rootChain) revert UnknownChain(chain);
        return (rootNetwork, rootEpochBlocks, announcer);
    }

    /// @inheritdoc ICommittees
    /// @dev The committee before the last votes until the root chain's next epoch. After three more its stake may be gone, however fast blocks come; it is
    /// trusted for less than two. What it signs later than that waits for the last committee's first header.
    function trusts(uint64 chain, bytes32 digest) external view returns (bool) {
        if (chain != rootChain || digest == 0) return false;
        return digest == _rootCommittee || (digest == _rootCommitteeBefore && block.timestamp <= _beforeUntil);
    }

    /// @inheritdoc CommitteeRecord
    function committeeDigest(uint64 atEpoch) public view override returns (bytes32) {
        return _at(atEpoch).digest;
    }

    /// @dev The last committee that began by an epoch.
    function _at(uint64 atEpoch) private view returns (Entry storage) {
        if (atEpoch > epoch() + LOOKAHEAD - 1) revert NotFixed(atEpoch);
        uint256 index = _entries.length - 1;
        // Those of late are asked for.
        while (_entries[index].fromEpoch > atEpoch) index--;
        return _entries[index];
    }

    /// @dev Makes an account whose code is a zero byte and `data`.
    function _store(bytes memory data) private returns (address account) {
        if (data.length > MAX_COMMITTEE_BYTES) revert TooLong(data.length);
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE (zero), CODECOPY, RETURNDATASIZE, RETURN; then the code.
        bytes memory creation = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a3d393df3", hex"00", data);
        assembly ("memory-safe") {
            account := create(0, add(creation, 32), mload(creation))
        }
        assert(account != address(0));
    }

    function _load(address account) private view returns (Validator[] memory) {
        bytes memory code = account.code;
        assembly ("memory-safe") {
            // Without the first byte.
            let length := sub(mload(code), 1)
            code := add(code, 1)
            mstore(code, length)
        }
        return abi.decode(code, (Validator[]));
    }
}
