// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerklePatricia} from "./MerklePatricia.sol";
import {IChainClient} from "./interfaces/IChainClient.sol";
import {IMailbox, Message} from "./interfaces/IMailbox.sol";
import {IMessageReceiver} from "./interfaces/IMessageReceiver.sol";
import {IShardRegistry} from "./interfaces/IShardRegistry.sol";

/// @title Messages and value between chains, each exactly once, in the order of their sender.
contract Mailbox is IMailbox, ReentrancyGuardTransient {
    /// Gas that a message may ask for: what storing the largest committee takes, and half a block's room for others.
    uint32 public constant MAX_GAS = 10_000_000;
    /// Longest data, bytes: with its proofs it fits into a transaction of 128 KiB.
    uint256 public constant MAX_DATA_BYTES = 65_536;
    /// Seconds for which a message that failed can only be tried again.
    uint64 public constant REFUND_SECONDS = 1 days;
    /// Gas that value on its way back gets: enough for a wallet that is a contract.
    uint32 public constant REFUND_GAS = 100_000;
    /// @dev Gas for paying the receiver, and for recording what became of the call.
    uint256 private constant RESERVED_GAS = 100_000;

    /// Which headers are final.
    IChainClient public immutable client;
    /// The root chain; zero on it.
    uint64 public immutable rootChain;
    /// On the root chain, who knows the shards.
    IShardRegistry public immutable shards;

    /// @inheritdoc IMailbox
    mapping(bytes32 id => bytes32) public outbox;
    /// @dev By lane: origin, destination, sender.
    mapping(bytes32 lane => uint64) private _next;
    /// @inheritdoc IMailbox
    mapping(uint64 chain => uint256) public lockedFor;
    /// @dev A message that failed.
    struct Failure {
        bytes32 hash;
        uint64 since;
    }

    mapping(bytes32 id => Failure) private _failed;

    /// @param headers Which headers are final.
    /// @param known On the root chain, who knows the shards.
    /// @param root The root chain; zero on it.
    constructor(IChainClient headers, IShardRegistry known, uint64 root) {
        client = headers;
        shards = known;
        rootChain = root;
    }

    /// @inheritdoc IMailbox
    function send(uint64 destination, address to, uint32 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64 nonce)
    {
        // A shard that is drained is told of committees all the same: without them nothing of it would be taken any more.
        bool reached = _reaches(destination) || msg.sender == address(shards);
        if (destination == block.chainid || !reached) revert UnknownDestination(destination);
        if (gasLimit > MAX_GAS) revert TooMuchGas(gasLimit);
        if (data.length > MAX_DATA_BYTES) revert TooLong(data.length);
        return _send(destination, msg.sender, to, gasLimit, msg.value, data);
    }

    /// @inheritdoc IMailbox
    function endow(uint64 shard) external payable {
        if (rootChain != 0 || !_reaches(shard)) revert UnknownDestination(shard);
        lockedFor[shard] += msg.value;
        emit Endowed(shard, msg.sender, msg.value);
    }

    /// @inheritdoc IMailbox
    function deliver(Message calldata message, uint64 number, bytes[] calldata account, bytes[] calldata slot)
        external
        nonReentrant
    {
        bool here = message.destination == block.chainid;
        if (message.origin == block.chainid || (rootChain != 0 && !here)) {
            revert WrongWay(message.origin, message.destination);
        }
        (bytes32 id, bytes32 hash) = _checkSent(message, number, account, slot);
        _advance(message);
        emit MessageDelivered(id, message.origin, message.sender, message.nonce);
        bool success;
        if (here) {
            success = _call(message);
        } else if (_reaches(message.destination)) {
            lockedFor[message.destination] += message.value;
            outbox[id] = hash;
            emit MessageSent(id, message.destination, message.sender, message);
            success = true;
        }
        if (!success) {
            _failed[id] = Failure(hash, uint64(block.timestamp));
            emit MessageFailed(id);
        }
    }

    /// @inheritdoc IMailbox
    function retry(Message calldata message) external nonReentrant {
        bytes32 id = _takeFailed(message);
        if (message.destination != block.chainid || !_call(message)) revert StillFailing(id);
    }

    /// @inheritdoc IMailbox
    function refund(Message calldata message) external nonReentrant {
        uint64 until = _failed[idOf(message)].since + REFUND_SECONDS;
        bytes32 id = _takeFailed(message);
        // What comes back to who refuses it stays here.
        if (message.value == 0 || message.sender == address(this)) revert NothingToRefund(id);
        if (block.timestamp < until) revert TooEarly(until);
        emit MessageRefunded(id);
        _send(message.origin, address(this), message.sender, REFUND_GAS, message.value, "");
    }

    /// @inheritdoc IMailbox
    function idOf(Message calldata message) public pure returns (bytes32) {
        return _id(message.origin, message.destination, message.sender, message.nonce);
    }

    /// @inheritdoc IMailbox
    function nextNonce(uint64 origin, uint64 destination, address sender) external view returns (uint64) {
        return _next[_lane(origin, destination, sender)];
    }

    /// @dev Checks that the mailbox of the chain that a message comes from sent it by block `number`.
    function _checkSent(Message calldata message, uint64 number, bytes[] calldata account, bytes[] calldata slot)
        private
        view
        returns (bytes32 id, bytes32 hash)
    {
        // A shard takes everything from the root chain, which takes from each shard what was sent there.
        uint64 source = rootChain == 0 ? message.origin : rootChain;
        bytes32 stateRoot = client.stateRootOf(source, number);
        if (stateRoot == 0) revert UnknownHeader(source, number);
        id = idOf(message);
        hash = keccak256(abi.encode(message));
        bytes32 place = keccak256(abi.encode(id, uint256(0)));
        if (bytes32(MerklePatricia.slot(stateRoot, address(this), place, account, slot)) != hash) revert NotSent(id);
    }

    /// @dev Counts a message as delivered, and releases its value from what is locked for its origin.
    function _advance(Message calldata message) private {
        bytes32 lane = _lane(message.origin, message.destination, message.sender);
        if (message.nonce != _next[lane]) revert OutOfOrder(message.nonce, _next[lane]);
        _next[lane] = message.nonce + 1;
        if (rootChain != 0) return;
        uint256 locked = lockedFor[message.origin];
        if (message.value > locked) revert NotLocked(message.origin, message.value, locked);
        lockedFor[message.origin] = locked - message.value;
    }

    /// @dev Whether messages to that chain can leave this one: a shard leaves it to the root chain to know.
    function _reaches(uint64 destination) private view returns (bool) {
        return rootChain != 0 || shards.takesMessages(destination);
    }

    /// @dev Puts a message into the outbox; its value is here already.
    function _send(uint64 destination, address sender, address to, uint32 gasLimit, uint256 value, bytes memory data)
        private
        returns (uint64 nonce)
    {
        uint64 origin = uint64(block.chainid);
        nonce = _next[_lane(origin, destination, sender)]++;
        if (rootChain == 0) lockedFor[destination] += value;
        Message memory message = Message(origin, destination, nonce, gasLimit, sender, to, value, data);
        bytes32 id = _id(origin, destination, sender, nonce);
        outbox[id] = keccak256(abi.encode(message));
        emit MessageSent(id, destination, sender, message);
    }

    /// @dev Gives a message to its receiver with exactly the gas it asks for. What the receiver returns is not read.
    function _call(Message calldata message) private returns (bool success) {
        address to = message.to;
        bytes memory input;
        if (message.data.length != 0 && to.code.length != 0) {
            input = abi.encodeCall(IMessageReceiver.onMessage, (message.origin, message.sender, message.data));
        }
        (uint256 value, uint256 gasLimit) = (message.value, message.gasLimit);
        // A call keeps back a sixty-fourth. With less, the receiver would fail for want of what its sender paid no heed to.
        if (gasleft() < (gasLimit * 64) / 63 + RESERVED_GAS) revert GasTooLow();
        assembly ("memory-safe") {
            success := call(gasLimit, to, value, add(input, 32), mload(input), 0, 0)
        }
    }

    /// @dev Forgets that a message failed, which it did.
    function _takeFailed(Message calldata message) private returns (bytes32 id) {
        id = idOf(message);
        if (_failed[id].hash != keccak256(abi.encode(message))) revert NotFailed(id);
        delete _failed[id];
    }

    function _lane(uint64 origin, uint64 destination, address sender) private pure returns (bytes32) {
        return keccak256(abi.encode(origin, destination, sender));
    }

    function _id(uint64 origin, uint64 destination, address sender, uint64 nonce) private pure returns (bytes32) {
        return keccak256(abi.encode(origin, destination, sender, nonce));
    }
}
