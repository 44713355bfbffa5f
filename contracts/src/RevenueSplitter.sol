// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IContributionBook} from "./interfaces/IContributionBook.sol";
import {IRevenueSplitter, Leg, LegKind} from "./interfaces/IRevenueSplitter.sol";

/// @title The split of one model's revenue.
/// @dev Each splitter is an EIP-1167 clone of one instance of this code; its model and legs are part of the clone's own code, where nothing
/// can change them.
contract RevenueSplitter is IRevenueSplitter, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// What the legs' shares sum to.
    uint256 public constant BPS_ONE = 10_000;

    /// Where contributors' weights are.
    IContributionBook public immutable book;

    /// @dev Money of one token: `balance of this contract = divided − paidOut + what is unsynced`.
    struct Account {
        uint256 divided;
        uint256 paidOut;
        uint256 dataCredited;
        uint256 dataPaidOut;
        mapping(address account => uint256) credited;
        mapping(address account => uint256) paid;
        mapping(address account => uint256) dataPaid;
    }

    mapping(address token => Account) private _accounts;

    /// @param contributionBook The book that divides data legs.
    constructor(IContributionBook contributionBook) {
        book = contributionBook;
    }

    /// @inheritdoc IRevenueSplitter
    function sync(address token) external nonReentrant returns (uint256 amount) {
        return _sync(token);
    }

    /// @inheritdoc IRevenueSplitter
    function claim(address token, address account) external nonReentrant returns (uint256 amount) {
        _sync(token);
        Account storage money = _accounts[token];
        amount = money.credited[account] - money.paid[account];
        if (amount == 0) return 0;
        money.paid[account] += amount;
        money.paidOut += amount;
        emit Claimed(token, account, amount);
        IERC20(token).safeTransfer(account, amount);
    }

    /// @inheritdoc IRevenueSplitter
    function claimData(address token, address account, uint256 weight, bytes32[] calldata proof)
        external
        nonReentrant
        returns (uint256 amount)
    {
        (bytes32 model, Leg[] memory list) = _terms();
        if (!book.verify(_publisher(list), model, account, weight, proof)) revert InvalidWeight(account, weight);
        _sync(token);
        Account storage money = _accounts[token];
        amount = _owed(money.dataCredited, weight, money.dataPaid[account]);
        if (amount == 0) return 0;
        uint256 left = money.dataCredited - money.dataPaidOut;
        if (amount > left) revert DataCreditExceeded(amount, left);
        money.dataPaid[account] += amount;
        money.dataPaidOut += amount;
        money.paidOut += amount;
        emit DataClaimed(token, account, amount);
        IERC20(token).safeTransfer(account, amount);
    }

    /// @inheritdoc IRevenueSplitter
    function claimable(address token, address account) external view returns (uint256) {
        Account storage money = _accounts[token];
        uint256 pending = unsynced(token);
        (, Leg[] memory list) = _terms();
        uint256 share = 0;
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i].kind != LegKind.Data && list[i].account == account) share += _share(pending, list[i].bps);
        }
        return money.credited[account] + share - money.paid[account];
    }

    /// @inheritdoc IRevenueSplitter
    function claimableData(address token, address account, uint256 weight) external view returns (uint256) {
        Account storage money = _accounts[token];
        uint256 pending = unsynced(token);
        (, Leg[] memory list) = _terms();
        uint256 rest = pending;
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i].kind != LegKind.Data) rest -= _share(pending, list[i].bps);
        }
        return _owed(money.dataCredited + rest, weight, money.dataPaid[account]);
    }

    /// @inheritdoc IRevenueSplitter
    function credited(address token, address account) external view returns (uint256) {
        return _accounts[token].credited[account];
    }

    /// @inheritdoc IRevenueSplitter
    function dataCredited(address token) external view returns (uint256) {
        return _accounts[token].dataCredited;
    }

    /// @inheritdoc IRevenueSplitter
    function paid(address token, address account) external view returns (uint256) {
        return _accounts[token].paid[account];
    }

    /// @inheritdoc IRevenueSplitter
    function dataPaid(address token, address account) external view returns (uint256) {
        return _accounts[token].dataPaid[account];
    }

    /// @inheritdoc IRevenueSplitter
    function unsynced(address token) public view returns (uint256) {
        Account storage money = _accounts[token];
        return IERC20(token).balanceOf(address(this)) + money.paidOut - money.divided;
    }

    /// @inheritdoc IRevenueSplitter
    function modelRoot() external view returns (bytes32 model) {
        (model,) = _terms();
    }

    /// @inheritdoc IRevenueSplitter
    function legs() external view returns (Leg[] memory list) {
        (, list) = _terms();
    }

    function _sync(address token) private returns (uint256 amount) {
        amount = unsynced(token);
        if (amount == 0) return 0;
        Account storage money = _accounts[token];
        money.divided += amount;
        (, Leg[] memory list) = _terms();
        uint256 rest = amount;
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i].kind == LegKind.Data) continue;
            uint256 share = _share(amount, list[i].bps);
            money.credited[list[i].account] += share;
            rest -= share;
        }
        money.dataCredited += rest;
        emit Synced(token, amount);
    }

    /// @dev Rounded down.
    function _share(uint256 amount, uint16 bps) private pure returns (uint256) {
        return Math.mulDiv(amount, bps, BPS_ONE);
    }

    /// @dev Rounded down; zero when more was paid already, which only a second leaf of the same account can cause.
    function _owed(uint256 credit, uint256 weight, uint256 alreadyPaid) private view returns (uint256) {
        return Math.saturatingSub(Math.mulDiv(credit, weight, book.WEIGHT_ONE()), alreadyPaid);
    }

    /// @dev The factory admits exactly one data leg.
    function _publisher(Leg[] memory list) private pure returns (address publisher) {
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i].kind == LegKind.Data) publisher = list[i].account;
        }
    }

    function _terms() private view returns (bytes32 model, Leg[] memory list) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (bytes32, Leg[]));
    }
}
