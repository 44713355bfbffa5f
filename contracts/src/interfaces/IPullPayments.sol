// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Payments that are drawn by who they belong to.
/// @notice A contract that sent money by itself would stand still for one account that refuses it.
interface IPullPayments {
    /// Somebody took what belongs to it.
    event Withdrawn(address indexed account, uint256 amount);

    /// There is nothing to withdraw.
    error NothingToWithdraw();
    /// The account refused its money.
    error TransferFailed();

    /// @notice Pays the caller what belongs to it.
    /// @return amount What was paid, wei.
    function withdraw() external returns (uint256 amount);

    /// @notice What an account may withdraw, wei.
    function balances(address account) external view returns (uint256);
}
