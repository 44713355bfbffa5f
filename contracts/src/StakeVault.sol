// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Epochs} from "./Epochs.sol";
import {PullPayments} from "./PullPayments.sol";
import {INetworkRegistry} from "./interfaces/INetworkRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {Delegation, IStakeVault, Stake} from "./interfaces/IStakeVault.sol";

/// @title Everything at stake, in the native coin: deposits, who they back, what they lose and earn.
contract StakeVault is Epochs, PullPayments, IStakeVault {
    using Checkpoints for Checkpoints.Trace208;
    using Math for uint256;

    /// Smallest deposit, wei: a thousandth of a coin, far above what roundings move.
    uint256 public constant MIN_DEPOSIT = 1e15;
    /// One part in so many of what is lost goes to the reporter.
    uint128 public constant REWARD_DIVISOR = 4;
    /// A slash that leaves less than this part of a share's first worth takes the rest: shares of a new pool begin at one wei again. It keeps
    /// products within a word.
    uint256 public constant MAX_SHARES_PER_WEI = 1e9;
    /// Longest jail: a slasher cannot keep an operator from all its services for good.
    uint64 public constant MAX_JAIL_EPOCHS = 64;
    /// Fraction bits of `rewardPerShare`.
    uint256 private constant REWARD_BITS = 96;

    /// The operators.
    IOperatorRegistry public immutable registry;
    /// The services, and who slashes for them.
    INetworkRegistry public immutable networks;

    /// @dev What backs one operator. `shares` divide `active`; a pool that lost all begins a new generation of shares.
    struct Pool {
        uint128 active;
        uint128 joining;
        uint128 leaving;
        uint64 generation;
        /// Place in `joins` of the next deposits to join.
        uint64 nextJoin;
        uint256 shares;
        /// What one share earned since the beginning, wei · 2^96.
        uint256 rewardPerShare;
        /// What was paid and not drawn, wei: roundings stay in it.
        uint256 rewards;
        /// Epochs in which deposits join, ascending.
        uint64[] joins;
    }

    /// @dev Deposits that join in one epoch, and what they became when they did.
    struct Joining {
        uint128 amount;
        uint64 generation;
        uint256 shares;
        uint256 rewardPerShare;
    }

    /// @dev What leaves in one epoch: `shares` divide `amount`.
    struct Departure {
        uint128 amount;
        uint256 shares;
    }

    /// @dev What one account gave one operator.
    struct Holding {
        uint256 shares;
        uint256 rewardPerShare;
        uint128 joining;
        uint64 joinEpoch;
        uint64 generation;
    }

    mapping(uint32 operator => Pool) private _pools;
    mapping(uint32 operator => Checkpoints.Trace208) private _history;
    mapping(uint32 operator => mapping(uint64 joinEpoch => Joining)) private _joinings;
    mapping(uint32 operator => mapping(uint64 releaseEpoch => Departure)) private _departures;
    /// @dev `rewardPerShare` when a generation of shares ended.
    mapping(uint32 operator => mapping(uint64 generation => uint256)) private _lastRewardPerShare;
    mapping(uint32 operator => mapping(address account => Holding)) private _holdings;
    mapping(uint32 operator => mapping(address account => mapping(uint64 releaseEpoch => uint256))) private _leavingShares;
    mapping(bytes32 evidence => bool) private _punished;

    /// @param operators The operators.
    /// @param services The services.
    /// @param blocks Blocks of an epoch.
    constructor(IOperatorRegistry operators, INetworkRegistry services, uint64 blocks) Epochs(blocks) {
        registry = operators;
        networks = services;
    }

    /// @inheritdoc IStakeVault
    function deposit(uint32 operator) external payable {
        if (msg.value < MIN_DEPOSIT) revert DepositTooSmall(msg.value);
        registry.accountOf(operator); // Reverts when there is none.
        Pool storage pool = _settle(operator, msg.sender);
        Holding storage holding = _holdings[operator][msg.sender];
        // All the coins there are fit in 128 bits.
        uint128 amount = uint128(msg.value);
        if (block.number == 0) {
            uint256 shares = _sharesOf(pool, amount);
            (pool.shares, pool.active) = (pool.shares + shares, pool.active + amount);
            holding.shares += shares;
            _record(operator, 0, pool.active);
            emit Deposited(operator, msg.sender, amount, 0);
            return;
        }
        uint64 join = epoch() + JOINING_EPOCHS;
        uint256 places = pool.joins.length;
        if (places == pool.nextJoin || pool.joins[places - 1] != join) pool.joins.push(join);
        _joinings[operator][holding.joinEpoch].amount -= holding.joining;
        _joinings[operator][join].amount += holding.joining + amount;
        (holding.joining, holding.joinEpoch) = (holding.joining + amount, join);
        pool.joining += amount;
        emit Deposited(operator, msg.sender, amount, join);
    }

    /// @inheritdoc IStakeVault
    function takeBack(uint32 operator) external returns (uint256 amount) {
        Pool storage pool = _settle(operator, msg.sender);
        Holding storage holding = _holdings[operator][msg.sender];
        amount = holding.joining;
        if (amount == 0) revert InvalidAmount(0, 0);
        _joinings[operator][holding.joinEpoch].amount -= uint128(amount);
        pool.joining -= uint128(amount);
        holding.joining = 0;
        balances[msg.sender] += amount;
        emit TakenBack(operator, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function askBack(uint32 operator, uint128 amount) external returns (uint64 releaseEpoch) {
        Pool storage pool = _settle(operator, msg.sender);
        Holding storage holding = _holdings[operator][msg.sender];
        uint128 held = _worth(pool, holding.shares);
        bool all = amount == type(uint128).max;
        if (all) amount = held;
        if (amount == 0 || amount > held) revert InvalidAmount(amount, held);
        // Rounded up, so that who leaves takes nothing of who stays; never more than the caller has, for `amount` is at most their worth.
        uint256 shares = all ? holding.shares : uint256(amount).mulDiv(pool.shares, pool.active, Math.Rounding.Ceil);
        holding.shares -= shares;
        (pool.shares, pool.active, pool.leaving) = (pool.shares - shares, pool.active - amount, pool.leaving + amount);

        releaseEpoch = epoch() + UNBONDING_EPOCHS;
        Departure storage departure = _departures[operator][releaseEpoch];
        uint256 parts = departure.amount == 0 ? amount : uint256(amount).mulDiv(departure.shares, departure.amount);
        (departure.amount, departure.shares) = (departure.amount + amount, departure.shares + parts);
        _leavingShares[operator][msg.sender][releaseEpoch] += parts;
        _record(operator, epoch() + 1, pool.active);
        emit Leaving(operator, msg.sender, amount, releaseEpoch);
    }

    /// @inheritdoc IStakeVault
    function release(uint32 operator, uint64 releaseEpoch) external returns (uint256 amount) {
        if (epoch() < releaseEpoch) revert NotYet(releaseEpoch);
        Departure storage departure = _departures[operator][releaseEpoch];
        uint256 parts = _leavingShares[operator][msg.sender][releaseEpoch];
        if (parts == 0) revert InvalidAmount(0, 0);
        amount = parts.mulDiv(departure.amount, departure.shares);
        delete _leavingShares[operator][msg.sender][releaseEpoch];
        (departure.amount, departure.shares) = (departure.amount - uint128(amount), departure.shares - parts);
        _pools[operator].leaving -= uint128(amount);
        balances[msg.sender] += amount;
        emit Released(operator, msg.sender, amount, releaseEpoch);
    }

    /// @inheritdoc IStakeVault
    function reward(uint32 operator) external payable {
        address account = registry.accountOf(operator);
        Pool storage pool = _join(operator);
        uint256 commission = msg.value * registry.commissionOf(operator) / 10_000;
        if (pool.shares == 0) commission = msg.value;
        if (commission < msg.value) {
            pool.rewards += msg.value - commission;
            pool.rewardPerShare += ((msg.value - commission) << REWARD_BITS) / pool.shares;
        }
        balances[account] += commission;
        emit Rewarded(operator, msg.sender, msg.value, commission);
    }

    /// @inheritdoc IStakeVault
    function drawRewards(uint32 operator) external returns (uint256 amount) {
        uint256 before = balances[msg.sender];
        _settle(operator, msg.sender);
        return balances[msg.sender] - before;
    }

    /// @inheritdoc IStakeVault
    function slash(
        uint32 service,
        uint32 operator,
        uint128 amount,
        uint64 offenceEpoch,
        bytes32 evidence,
        address reporter,
        uint64 jailEpochs
    ) external returns (uint128 lost, uint128 rewarded) {
        _checkSlash(service, operator, offenceEpoch, evidence, jailEpochs);
        // Every deposit in the pool is older than the window, hence older than the offence.
        lost = _take(operator, amount);
        rewarded = lost / REWARD_DIVISOR;
        balances[reporter] += rewarded;
        emit Slashed(service, operator, evidence, offenceEpoch, reporter, lost, rewarded);
        if (jailEpochs != 0) registry.jail(operator, epoch() + jailEpochs);
        // What is burnt goes to the zero address, which has no code and no key.
        _pay(address(0), lost - rewarded);
    }

    /// @inheritdoc IStakeVault
    function stakeAt(uint32 operator, uint64 atEpoch) external view returns (uint128 active) {
        active = uint128(_history[operator].upperLookupRecent(uint48(atEpoch)));
        // What joined since anything happened to the pool is not in its history yet.
        Pool storage pool = _pools[operator];
        uint64 last = atEpoch < epoch() ? atEpoch : epoch();
        uint256 places = pool.joins.length;
        for (uint256 next = pool.nextJoin; next < places && pool.joins[next] <= last; next++) {
            active += _joinings[operator][pool.joins[next]].amount;
        }
    }

    /// @inheritdoc IStakeVault
    function atStakeUntil(uint32 operator, uint64 untilEpoch) external view returns (uint128 amount) {
        (, amount) = _joined(operator);
        uint64 current = epoch();
        uint64 first = (untilEpoch > current ? untilEpoch : current) + 1;
        for (uint64 due = first; due <= current + UNBONDING_EPOCHS; due++) amount += _departures[operator][due].amount;
    }

    /// @inheritdoc IStakeVault
    function stakeOf(uint32 operator) external view returns (Stake memory) {
        Pool storage pool = _pools[operator];
        (uint128 joined, uint128 active) = _joined(operator);
        return Stake(active, pool.joining - joined, pool.leaving, pool.rewards);
    }

    /// @inheritdoc IStakeVault
    function delegationOf(uint32 operator, address account) external view returns (Delegation memory found) {
        Pool storage pool = _pools[operator];
        Holding storage holding = _holdings[operator][account];
        (uint256 shares, uint256 rewards) = _owned(operator, holding);
        found.rewards = rewards;
        found.active = _worth(pool, shares);
        if (holding.joining == 0) return found;
        if (holding.joinEpoch > epoch()) {
            (found.joining, found.joinEpoch) = (holding.joining, holding.joinEpoch);
        } else if (_joinings[operator][holding.joinEpoch].shares == 0) {
            // Its epoch has come, and nothing happened to the pool since.
            found.active += holding.joining;
        }
    }

    /// @inheritdoc IStakeVault
    function leavingOf(uint32 operator, address account, uint64 releaseEpoch) external view returns (uint128) {
        Departure storage departure = _departures[operator][releaseEpoch];
        uint256 parts = _leavingShares[operator][account][releaseEpoch];
        return parts == 0 ? 0 : uint128(parts.mulDiv(departure.amount, departure.shares));
    }

    /// @dev Whether a slash is one.
    function _checkSlash(uint32 service, uint32 operator, uint64 offenceEpoch, bytes32 evidence, uint64 jailEpochs) private {
        if (msg.sender != networks.slasherOf(service)) revert NotTheSlasher(service);
        uint64 current = epoch();
        if (offenceEpoch > current || current > offenceEpoch + SLASH_WINDOW) revert OutsideWindow(offenceEpoch);
        if (!networks.wasMember(service, operator, offenceEpoch)) revert NotAMember(service, operator, offenceEpoch);
        if (jailEpochs > MAX_JAIL_EPOCHS) revert JailTooLong(jailEpochs);
        bytes32 name = keccak256(abi.encode(service, evidence));
        if (_punished[name]) revert AlreadyPunished(evidence);
        _punished[name] = true;
    }

    /// @dev Takes up to `amount` from the active stake and from what leaves, from each the same part: after each of them, in order, what was
    /// taken in all is that part of what was passed in all, rounded down. So they add up to `lost`.
    function _take(uint32 operator, uint128 amount) private returns (uint128 lost) {
        Pool storage pool = _join(operator);
        uint64 current = epoch();
        uint256 total = pool.active;
        for (uint64 due = current + 1; due <= current + UNBONDING_EPOCHS; due++) total += _departures[operator][due].amount;
        if (total == 0) return 0;
        lost = uint128(Math.min(amount, total));

        uint256 passed = pool.active;
        uint256 taken = passed.mulDiv(lost, total);
        pool.active -= uint128(taken);
        for (uint64 due = current + 1; due <= current + UNBONDING_EPOCHS; due++) {
            Departure storage departure = _departures[operator][due];
            passed += departure.amount;
            uint256 part = passed.mulDiv(lost, total) - taken;
            departure.amount -= uint128(part);
            pool.leaving -= uint128(part);
            taken += part;
        }
        if (pool.shares > MAX_SHARES_PER_WEI * pool.active) {
            // Nothing worth keeping is left: who joins later begins anew.
            lost += pool.active;
            _lastRewardPerShare[operator][pool.generation++] = pool.rewardPerShare;
            (pool.active, pool.shares) = (0, 0);
        }
        _record(operator, current + 1, pool.active);
    }

    /// @dev Lets deposits whose epoch has come join the pool.
    function _join(uint32 operator) private returns (Pool storage pool) {
        pool = _pools[operator];
        uint64 current = epoch();
        uint64 next = pool.nextJoin;
        uint256 places = pool.joins.length;
        if (next == places || pool.joins[next] > current) return pool;
        for (; next < places && pool.joins[next] <= current; next++) {
            uint64 due = pool.joins[next];
            Joining storage joining = _joinings[operator][due];
            uint128 amount = joining.amount;
            if (amount == 0) continue;
            uint256 shares = _sharesOf(pool, amount);
            (joining.shares, joining.generation, joining.rewardPerShare) = (shares, pool.generation, pool.rewardPerShare);
            (pool.shares, pool.active, pool.joining) = (pool.shares + shares, pool.active + amount, pool.joining - amount);
            // Whatever happened to the pool before happened before that epoch, or these had joined then: epochs are recorded in order.
            _record(operator, due, pool.active);
        }
        pool.nextJoin = next;
    }

    /// @dev Brings an account's holding up to date: what joined are shares, what its shares earned is in `balances`.
    function _settle(uint32 operator, address account) private returns (Pool storage pool) {
        pool = _join(operator);
        Holding storage holding = _holdings[operator][account];
        (uint256 shares, uint256 rewards) = _owned(operator, holding);
        if (holding.joining != 0 && holding.joinEpoch <= epoch()) holding.joining = 0;
        (holding.shares, holding.generation, holding.rewardPerShare) = (shares, pool.generation, pool.rewardPerShare);
        if (rewards != 0) {
            pool.rewards -= rewards;
            balances[account] += rewards;
            emit RewardsDrawn(operator, account, rewards);
        }
    }

    /// @dev Shares that a holding is now, with what joined, and what all of it earned since it was brought up to date, wei.
    function _owned(uint32 operator, Holding storage holding) private view returns (uint256 shares, uint256 rewards) {
        shares = holding.shares;
        uint256 earned;
        (shares, earned) = _kept(operator, shares, holding.generation, holding.rewardPerShare);
        if (holding.joining != 0 && holding.joinEpoch <= epoch()) {
            Joining storage joining = _joinings[operator][holding.joinEpoch];
            uint256 joined = uint256(holding.joining).mulDiv(joining.shares, joining.amount);
            (joined, rewards) = _kept(operator, joined, joining.generation, joining.rewardPerShare);
            shares += joined;
        }
        rewards += earned;
    }

    /// @dev What is left of shares of a generation, and what they earned since `rewardPerShare`, wei.
    function _kept(uint32 operator, uint256 shares, uint64 generation, uint256 rewardPerShare)
        private
        view
        returns (uint256, uint256)
    {
        Pool storage pool = _pools[operator];
        bool lives = generation == pool.generation;
        uint256 last = lives ? pool.rewardPerShare : _lastRewardPerShare[operator][generation];
        return (lives ? shares : 0, (shares * (last - rewardPerShare)) >> REWARD_BITS);
    }

    /// @dev What joined though the pool does not know yet, and the active stake with it.
    function _joined(uint32 operator) private view returns (uint128 joined, uint128 active) {
        Pool storage pool = _pools[operator];
        uint64 current = epoch();
        for (uint256 next = pool.nextJoin; next < pool.joins.length && pool.joins[next] <= current; next++) {
            joined += _joinings[operator][pool.joins[next]].amount;
        }
        active = pool.active + joined;
    }

    /// @dev Shares for `amount` more, rounded down; one a wei in an empty pool.
    function _sharesOf(Pool storage pool, uint128 amount) private view returns (uint256) {
        return pool.active == 0 ? amount : uint256(amount).mulDiv(pool.shares, pool.active);
    }

    /// @dev What shares are worth, wei, rounded down.
    function _worth(Pool storage pool, uint256 shares) private view returns (uint128) {
        return shares == 0 ? 0 : uint128(shares.mulDiv(pool.active, pool.shares));
    }

    /// @dev What counts from the beginning of an epoch on.
    function _record(uint32 operator, uint64 fromEpoch, uint128 active) private {
        _history[operator].push(uint48(fromEpoch), active);
    }
}
