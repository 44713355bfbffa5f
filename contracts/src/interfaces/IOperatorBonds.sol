// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What an operator has at stake.
struct Bond {
    /// All of it, wei: what is leaving can still be lost.
    uint128 held;
    /// Part of it that the operator has asked back, wei.
    uint128 leaving;
    /// From this block on it may be taken out.
    uint64 leavingBlock;
    /// Challenges that wait for an answer of this operator.
    uint32 open;
}

/// @title Bonds of operators, kept here only until the network has one vault for everything at stake.
/// @notice An operator that has no bond may sign for blobs, but nobody can hold it to that. A bond can be taken out only after a delay
/// longer than a challenge's window, and never while a challenge waits. All payments are drawn by who they belong to; there is no owner.
interface IOperatorBonds {
    /// A bond grew.
    event Bonded(address indexed account, address indexed payer, uint256 amount);
    /// An operator asked part of its bond back.
    event Leaving(address indexed account, uint256 amount, uint64 leavingBlock);
    /// A bond shrank by its operator's will; the money is in `balances`.
    event Unbonded(address indexed account, uint256 amount);
    /// Somebody took what belongs to it.
    event Withdrawn(address indexed account, uint256 amount);

    /// The bond is not that large, or nothing is asked for.
    error InvalidAmount(uint256 amount, uint256 held);
    /// Nothing is leaving, or not yet.
    error NotYet(uint64 leavingBlock);
    /// Challenges wait for the operator's answer.
    error ChallengesOpen(uint32 open);
    /// There is nothing to withdraw.
    error NothingToWithdraw();
    /// The account refused its money.
    error TransferFailed();

    /// @notice Adds what is sent to an operator's bond.
    /// @param operator Its index.
    function bond(uint32 operator) external payable;

    /// @notice Asks for part of the caller's bond back; replaces what it asked for before and starts the delay anew. Zero takes it back.
    /// @param amount Wei.
    function askBack(uint128 amount) external;

    /// @notice Moves what the caller asked back, as far as it was not lost, to `balances`, after the delay and while no challenge waits.
    function unbond() external;

    /// @notice Pays the caller what belongs to it.
    /// @return amount What was paid, wei.
    function withdraw() external returns (uint256 amount);

    /// @notice What an operator's account has at stake.
    function bondOf(address account) external view returns (Bond memory);

    /// @notice What an account may withdraw, wei.
    function balances(address account) external view returns (uint256);

    /// @notice Blocks between `askBack` and `unbond`.
    function leavingBlocks() external view returns (uint64);
}
