// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Two tokens traded along x·y = k, for measurements: it does what a swap on an exchange costs (two transfers, reserves, sums of prices, the
/// check of k, two events). Nobody owns what lies in it.
contract MeasuredPair {
    /// One side.
    IERC20 public immutable token0;
    /// The other.
    IERC20 public immutable token1;

    /// What of each token there was after the last swap, and when that was.
    uint112 public reserve0;
    /// See `reserve0`.
    uint112 public reserve1;
    /// See `reserve0`.
    uint32 public changedAt;
    /// Sums over seconds of each token's price in the other, as 112 bits and 112 bits after the point.
    uint256 public priceSum0;
    /// See `priceSum0`.
    uint256 public priceSum1;

    /// @notice There is so much in the pair now.
    event Sync(uint112 reserve0, uint112 reserve1);
    /// @notice Somebody swapped.
    event Swap(address indexed sender, uint256 amountIn, uint256 amountOut, address indexed to);

    /// @notice The product of reserves would shrink.
    error ProductShrinks();

    /// @param one One side.
    /// @param other The other.
    constructor(IERC20 one, IERC20 other) {
        token0 = one;
        token1 = other;
    }

    /// @notice Takes what the pair holds for its reserves.
    function sync() external {
        _update(token0.balanceOf(address(this)), token1.balanceOf(address(this)));
    }

    /// @notice Takes `amount` of `token0` from the sender, and gives what `token1` that is worth, less 0.3 %, to `to`.
    function swap(uint256 amount, address to) external returns (uint256 given) {
        (uint256 had0, uint256 had1) = (reserve0, reserve1);
        token0.transferFrom(msg.sender, address(this), amount);
        uint256 counted = amount * 997;
        given = counted * had1 / (had0 * 1000 + counted);
        token1.transfer(to, given);
        (uint256 has0, uint256 has1) = (token0.balanceOf(address(this)), token1.balanceOf(address(this)));
        if ((has0 * 1000 - amount * 3) * has1 < had0 * had1 * 1000) revert ProductShrinks();
        _update(has0, has1);
        emit Swap(msg.sender, amount, given, to);
    }

    function _update(uint256 has0, uint256 has1) private {
        unchecked {
            uint32 elapsed = uint32(block.timestamp) - changedAt;
            if (elapsed > 0 && reserve0 != 0 && reserve1 != 0) {
                priceSum0 += (uint256(reserve1) << 112) / reserve0 * elapsed;
                priceSum1 += (uint256(reserve0) << 112) / reserve1 * elapsed;
            }
        }
        (reserve0, reserve1, changedAt) = (uint112(has0), uint112(has1), uint32(block.timestamp));
        emit Sync(uint112(has0), uint112(has1));
    }
}
