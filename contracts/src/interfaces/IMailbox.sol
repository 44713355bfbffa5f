// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// A message from an account of one chain to one of another.
struct Message {
    /// Chain on which it was sent.
    uint64 origin;
    /// Chain for which it is.
    uint64 destination;
    /// Its number among those of this sender to this chain, from 0.
    uint64 nonce;
    /// Gas that the receiver gets.
    uint32 gasLimit;
    address sender;
    address to;
    /// Wei that come with it.
    uint256 value;
    bytes data;
}

/// @title Messages and value between chains, each exactly once, in the order of their sender.
/// @notice There is one at the same address of every chain. What is sent is hashed into the sender's chain's state; whoever shows the destination
/// a header of that chain (`IChainClient`) and a proof against its state delivers it. A shard deals with the root chain alone, which passes
/// on what one shard sends to another.
///
/// The root chain locks what goes to a shard, and releases to what comes from a shard no more than is locked for it: a shard whose validators
/// are all corrupt can take what was sent there, and nothing else. On a shard all coins there can ever be are the mailbox's in the first block,
/// but for those that somebody locked for it before (`endow`).
///
/// A message with data calls `IMessageReceiver.onMessage`; one without, or to an account without code, is a plain payment. One that fails does
/// not hold up those after it: it is kept, anybody may try it again, and after `REFUND_SECONDS` send its value back.
interface IMailbox {
    /// A message was sent, or passed on by the root chain.
    event MessageSent(bytes32 indexed id, uint64 indexed destination, address indexed sender, Message message);
    /// A message arrived: its receiver was called, or it was passed on.
    event MessageDelivered(bytes32 indexed id, uint64 indexed origin, address indexed sender, uint64 nonce);
    /// A message arrived, and its receiver refused it or there is no such chain.
    event MessageFailed(bytes32 indexed id);
    /// The value of a message that failed goes back to its sender.
    event MessageRefunded(bytes32 indexed id);

    /// Coins were locked for a shard without a message.
    event Endowed(uint64 indexed shard, address indexed sender, uint256 value);

    /// Messages go to another chain that is known here, and not drained.
    error UnknownDestination(uint64 chain);
    /// More gas than `MAX_GAS`.
    error TooMuchGas(uint32 gasLimit);
    /// More data than `MAX_DATA_BYTES`.
    error TooLong(uint256 length);
    /// The message is not for this chain, or of it.
    error WrongWay(uint64 origin, uint64 destination);
    /// That block of that chain was not shown to be final.
    error UnknownHeader(uint64 chain, uint64 number);
    /// The other chain's mailbox did not send this.
    error NotSent(bytes32 id);
    /// Another message of the sender comes first, or this one was delivered.
    error OutOfOrder(uint64 nonce, uint64 next);
    /// The shard sends more than was locked for it.
    error NotLocked(uint64 chain, uint256 value, uint256 locked);
    /// The caller gives less gas than the message asks for.
    error GasTooLow();
    /// The message did not fail, or was tried again or sent back since.
    error NotFailed(bytes32 id);
    /// The receiver refuses it again.
    error StillFailing(bytes32 id);
    /// It can be tried again until then before its value goes back.
    error TooEarly(uint64 until);
    /// There is no value to send back, or it was on its way back.
    error NothingToRefund(bytes32 id);

    /// @notice Sends a message, with the wei that come along.
    /// @param destination Chain id.
    /// @param to Account of that chain.
    /// @param gasLimit Gas that it gets.
    /// @param data What it is told.
    /// @return nonce The message's number among those from this sender to that chain.
    function send(uint64 destination, address to, uint32 gasLimit, bytes calldata data)
        external
        payable
        returns (uint64 nonce);

    /// @notice Locks the wei that come along for what a shard's first block gives to accounts: somebody has to have coins there to
    /// deliver the first message. Only on the root chain.
    function endow(uint64 shard) external payable;

    /// @notice Delivers a message, or, on the root chain, passes it on to another shard. Anybody may.
    /// @param number A block of the chain it comes from that was shown to be final, since when it was sent.
    /// @param account Nodes from that block's state root to its mailbox.
    /// @param slot Nodes from the root of its storage to the message.
    function deliver(Message calldata message, uint64 number, bytes[] calldata account, bytes[] calldata slot) external;

    /// @notice Tries a message again that failed. Anybody may.
    function retry(Message calldata message) external;

    /// @notice Sends the value of a message back that has failed for `REFUND_SECONDS`. Anybody may.
    function refund(Message calldata message) external;

    /// @notice A message's name: Keccak-256 of its origin, destination, sender and nonce.
    function idOf(Message calldata message) external pure returns (bytes32);

    /// @notice Keccak-256 of a message sent from or through this chain. Slot 0: other chains prove it.
    function outbox(bytes32 id) external view returns (bytes32);

    /// @notice How many messages of a sender to a destination this chain was shown, or, where the sender is, were sent.
    function nextNonce(uint64 origin, uint64 destination, address sender) external view returns (uint64);

    /// @notice Wei that a shard may still send to the root chain. Zero on shards.
    function lockedFor(uint64 chain) external view returns (uint256);
}
