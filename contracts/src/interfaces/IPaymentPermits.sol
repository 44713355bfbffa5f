// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// A payer's promise to pay for a blob that is certified by a block. What it pays for is in the blob's header.
struct Permit {
    /// What the payer pays for once, of its own choice: of all promises with one purchase, the first whose certificate comes is kept, and no other. 0 is none.
    bytes32 purchase;
    /// Last block in which the certificate is taken.
    uint64 deadline;
    /// The payer's, of 65 bytes `r | s | v`: its account is recovered from it.
    bytes signature;
}

/// What an account set aside for promises.
struct Escrow {
    /// Wei that are there.
    uint128 balance;
    /// Wei of those that the account announced to take away: promises made since do not count on them.
    uint128 leaving;
    /// Block from which they may be taken.
    uint64 freeBlock;
}

/// @title Money set aside for promises to pay, so that who works on a promise need not trust it.
/// @notice Operators take a blob's rows when its payer promised the fee and has so much in escrow beyond what it promised them already.
///
/// What is there can only be taken away `NOTICE_BLOCKS` after that was announced: twice as long as a promise may last, so that every promise that was
/// made before can still be kept, or be charged for. Only accounts with a private key can promise: a signature is all that operators look at.
///
/// Who offers one payload to several quorums, one after the other, promises each the fee; a purchase is what these promises have in common (an
/// idempotency key), so that no more than one of them is charged in full. What each may be charged for when it lapses it still is.
///
/// A payer signs the EIP-712 struct
/// `Permit(bytes32 root,uint32 quorum,uint64 epoch,uint32 rowCount,uint32 rowBytes,uint64 expiryBlock,bytes32 purchase,uint64 deadline)` in the domain of name "Aloft DA" and version "1".
interface IPaymentPermits {
    /// Somebody set money aside for `payer`.
    event EscrowDeposited(address indexed payer, uint256 amount);
    /// An account will take money away.
    event EscrowLeaving(address indexed payer, uint128 amount, uint64 freeBlock);
    /// An account took money away.
    event EscrowWithdrawn(address indexed payer, uint256 amount);
    /// A promise was not kept in its time, and its payer was charged for the disks that waited.
    event PermitLapsed(bytes32 indexed root, address indexed payer, uint256 charged);

    /// The signature is nobody's.
    error InvalidPermit(bytes32 root);
    /// The promise is over.
    error PermitExpired(bytes32 root, uint64 deadline);
    /// The promise is not over yet, or was kept.
    error NotLapsed(bytes32 root);
    /// The promise was kept or charged for already.
    error PermitSpent(bytes32 root);
    /// The payer has less in escrow than it promised.
    error EscrowTooLow(address payer, uint256 balance, uint256 needed);
    /// Nothing is free to be taken away.
    error NothingFree(uint64 freeBlock);

    /// @notice Sets what is sent aside for the promises of `payer`.
    function deposit(address payer) external payable;

    /// @notice Announces that the caller will take `amount` away, wei; instead of what it announced before.
    function announceWithdrawal(uint128 amount) external;

    /// @notice Pays the caller what it announced, or what promises left of it.
    /// @return amount What was paid, wei.
    function withdrawEscrow() external returns (uint256 amount);

    /// @notice The blob that a payer paid for under a purchase; 0 until there is one.
    function purchased(address payer, bytes32 purchase) external view returns (bytes32 root);

    /// @notice What an account set aside.
    function escrowOf(address payer) external view returns (Escrow memory);
}
