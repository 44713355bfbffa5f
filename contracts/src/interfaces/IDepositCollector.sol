// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title A way of bringing a payer's tokens into a channel.
interface IDepositCollector {
    /// The caller is not the settlement contract.
    error OnlySettlement(address caller);

    /// @notice Moves `amount` of `token` from `payer` to the caller, or reverts.
    /// @param channelId Channel the payer's authorization is bound to.
    /// @param caller Who called the settlement contract.
    /// @param collectorData The payer's authorization.
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        address caller,
        bytes calldata collectorData
    ) external;
}
