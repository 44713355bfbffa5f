// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Coins that their owner gets back at a time.
contract Lock {
    /// @notice When they can be taken, in seconds.
    uint256 public immutable unlockTime;
    /// @notice Who can take them.
    address payable public owner;

    event Withdrawal(uint256 amount, uint256 when);

    error TooEarly(uint256 now, uint256 unlockTime);
    error NotOwner(address caller);

    constructor(uint256 unlockTime_) payable {
        require(block.timestamp < unlockTime_, "unlock time is not in the future");
        unlockTime = unlockTime_;
        owner = payable(msg.sender);
    }

    /// @notice Takes all.
    function withdraw() external {
        require(block.timestamp >= unlockTime, TooEarly(block.timestamp, unlockTime));
        require(msg.sender == owner, NotOwner(msg.sender));
        emit Withdrawal(address(this).balance, block.timestamp);
        owner.transfer(address(this).balance);
    }
}
