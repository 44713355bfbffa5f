// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title A contract that messages of other chains reach.
interface IMessageReceiver {
    /// @notice Takes a message and the value that came with it; only `Mailbox` has the right to call. A revert keeps both with the mailbox.
    /// @param origin Chain on which it was sent.
    /// @param sender Account of that chain that sent it. An account of the same address here may be another's.
    /// @param data What it says.
    function onMessage(uint64 origin, address sender, bytes calldata data) external payable;
}
