// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IMailbox} from "../src/interfaces/IMailbox.sol";
import {IMessageReceiver} from "../src/interfaces/IMessageReceiver.sol";

/// @title A receiver of messages, for the tests: it does what the first byte of the data says.
contract MessageReceiver is IMessageReceiver {
    /// @notice Messages that it took.
    uint256 public taken;
    /// @notice Who sent the last one, and where.
    uint64 public origin;
    address public sender;
    /// @notice Whether it takes what else it would refuse.
    bool public willing;

    /// @notice Makes it take everything from now on.
    function relent() external {
        willing = true;
    }

    /// @inheritdoc IMessageReceiver
    function onMessage(uint64 origin_, address sender_, bytes calldata data) external payable {
        uint8 what = uint8(data[0]);
        if (!willing && what == 1) revert("no");
        if (!willing && what == 2) {
            for (uint256 i = 0; ; i++) sender = address(uint160(i));
        }
        if (!willing && what == 3) {
            // What follows is a call of the mailbox, for example to deliver this or the next message.
            (bool success,) = msg.sender.call(data[1:]);
            require(success, "re-entered in vain");
        }
        if (!willing && what == 4) {
            assembly {
                // As much as its gas buys.
                revert(0, 1000000)
            }
        }
        if (what == 5) IMailbox(msg.sender).send{value: msg.value}(origin_, sender_, 50_000, "");
        (origin, sender) = (origin_, sender_);
        taken++;
    }
}
