// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Lock} from "../contracts/Lock.sol";

/// @notice The two of forge's cheat codes that this script needs.
interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title Makes two locks and sends coins to the first.
contract Deploy {
    bool public constant IS_SCRIPT = true;
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Lock first, Lock second) {
        VM.startBroadcast();
        first = new Lock{value: 1 ether}(block.timestamp + 365 days);
        second = new Lock{value: 2 ether}(block.timestamp + 730 days);
        VM.stopBroadcast();
        require(address(first).balance == 1 ether && address(second).balance == 2 ether, "balances");
    }
}
