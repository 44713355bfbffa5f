// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDepositCollector} from "./interfaces/IDepositCollector.sol";

/// The form of ERC-3009 that tokens with smart wallets as owners have, USD Coin for one.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}

/// @title Brings deposits into payment channels under ERC-3009 authorizations, so that the payer needs no native coin.
/// @notice The payer signs `ReceiveWithAuthorization` to this contract, with the nonce `keccak256(abi.encode(channelId, salt))`: the money
/// can go into that channel and nowhere else. `collectorData` is `abi.encode(validAfter, validBefore, salt, signature)`.
contract Erc3009Collector is IDepositCollector {
    using SafeERC20 for IERC20;

    /// The payment channels: only they may collect, or anybody could divert an authorization.
    address public immutable settlement;

    /// @param paymentChannels The `X402BatchSettlement` contract.
    constructor(address paymentChannels) {
        settlement = paymentChannels;
    }

    /// @inheritdoc IDepositCollector
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        address,
        bytes calldata collectorData
    ) external {
        if (msg.sender != settlement) revert OnlySettlement(msg.sender);
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(collectorData, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IReceiveWithAuthorization(token).receiveWithAuthorization(
            payer, address(this), amount, validAfter, validBefore, nonce, signature
        );
        IERC20(token).safeTransfer(settlement, amount);
    }
}
