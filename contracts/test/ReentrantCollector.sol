// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDepositCollector} from "../src/interfaces/IDepositCollector.sol";
import {ChannelConfig, IX402BatchSettlement} from "../src/interfaces/IX402BatchSettlement.sol";

/// @title A thief, for the tests: while its deposit is being collected it deposits again, so that one transfer would count twice.
contract ReentrantCollector is IDepositCollector {
    bool private _inside;

    /// @inheritdoc IDepositCollector
    function collect(address, address token, uint256 amount, bytes32, address, bytes calldata collectorData) external {
        if (_inside) {
            IERC20(token).transfer(msg.sender, amount);
            return;
        }
        _inside = true;
        ChannelConfig memory config = abi.decode(collectorData, (ChannelConfig));
        IX402BatchSettlement(msg.sender).deposit(config, uint128(amount), address(this), "");
        _inside = false;
    }
}
