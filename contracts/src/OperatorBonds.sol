// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IGenesisOperatorRegistry} from "./interfaces/IGenesisOperatorRegistry.sol";
import {Bond, IOperatorBonds} from "./interfaces/IOperatorBonds.sol";

/// @title Bonds of operators, kept here only until the network has one vault for everything at stake.
abstract contract OperatorBonds is IOperatorBonds {
    /// The committee.
    IGenesisOperatorRegistry public immutable registry;
    /// @inheritdoc IOperatorBonds
    uint64 public immutable leavingBlocks;

    mapping(address account => Bond) internal _bonds;
    /// @inheritdoc IOperatorBonds
    mapping(address account => uint256) public balances;

    /// @param committee The operators' registry.
    /// @param delay Blocks between `askBack` and `unbond`.
    constructor(IGenesisOperatorRegistry committee, uint64 delay) {
        registry = committee;
        leavingBlocks = delay;
    }

    /// @inheritdoc IOperatorBonds
    function bond(uint32 operator) external payable {
        address account = registry.accountOf(operator);
        // All the coins there are fit in 128 bits.
        _bonds[account].held += uint128(msg.value);
        emit Bonded(account, msg.sender, msg.value);
    }

    /// @inheritdoc IOperatorBonds
    function askBack(uint128 amount) external {
        Bond storage own = _bonds[msg.sender];
        if (amount > own.held) revert InvalidAmount(amount, own.held);
        own.leaving = amount;
        own.leavingBlock = uint64(block.number) + leavingBlocks;
        emit Leaving(msg.sender, amount, own.leavingBlock);
    }

    /// @inheritdoc IOperatorBonds
    function unbond() external {
        Bond storage own = _bonds[msg.sender];
        uint128 amount = own.leaving;
        if (amount == 0 || block.number < own.leavingBlock) revert NotYet(own.leavingBlock);
        if (own.open != 0) revert ChallengesOpen(own.open);
        own.leaving = 0;
        own.held -= amount;
        balances[msg.sender] += amount;
        emit Unbonded(msg.sender, amount);
    }

    /// @inheritdoc IOperatorBonds
    function withdraw() external returns (uint256 amount) {
        amount = balances[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        balances[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        (bool success,) = msg.sender.call{value: amount}("");
        if (!success) revert TransferFailed();
    }

    /// @inheritdoc IOperatorBonds
    function bondOf(address account) external view returns (Bond memory) {
        return _bonds[account];
    }

    /// @dev Takes up to `amount` from a bond, what is leaving included.
    /// @return taken What there was of it.
    function _take(address account, uint128 amount) internal returns (uint128 taken) {
        Bond storage lost = _bonds[account];
        taken = amount < lost.held ? amount : lost.held;
        lost.held -= taken;
        if (lost.leaving > lost.held) lost.leaving = lost.held;
    }
}
