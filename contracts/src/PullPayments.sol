// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPullPayments} from "./interfaces/IPullPayments.sol";

/// @title Payments that are drawn by who they belong to.
abstract contract PullPayments is IPullPayments {
    /// @inheritdoc IPullPayments
    mapping(address account => uint256) public balances;

    /// @inheritdoc IPullPayments
    function withdraw() external returns (uint256 amount) {
        amount = balances[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        balances[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @dev Sends wei, and reverts when they are refused.
    function _pay(address to, uint256 amount) internal {
        (bool success,) = to.call{value: amount}("");
        if (!success) revert TransferFailed();
    }
}
