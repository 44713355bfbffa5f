// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPullPayments} from "./IPullPayments.sol";

/// All that one operator was given, wei.
struct Stake {
    /// What counts for seats.
    uint128 active;
    /// What was deposited and does not count yet.
    uint128 joining;
    /// What was asked back and can still be lost.
    uint128 leaving;
    /// What was paid to the stake and not drawn yet.
    uint256 rewards;
}

/// What one account gave one operator, wei, rounded down.
struct Delegation {
    /// Its part of the active stake.
    uint128 active;
    /// What it deposited and does not count yet.
    uint128 joining;
    /// Epoch from which on that counts.
    uint64 joinEpoch;
    /// What it may draw of what was paid to the stake.
    uint256 rewards;
}

/// @title Everything at stake, in the native coin: deposits, who they back, what they lose and earn.
/// @notice Whoever deposits backs one operator, itself or another. All that backs an operator is one pool of shares: a slash hits every
/// backer in proportion. One stake secures every service that its operator opted in to (`NetworkRegistry`).
///
/// *Joining.* A deposit counts from `JOINING_EPOCHS` epochs later on, and is in no pool until then: what happened in its epoch or before cannot
/// be punished any more when it joins, so nobody pays for an offence from before. Until then it can be taken back at once.
///
/// *Leaving.* What is asked back stops counting for the committees that are closed from the next epoch on, can be lost for
/// `UNBONDING_EPOCHS` epochs, and is free then.
///
/// *Slashing.* Only the slasher of a service that the operator was in when it offended, within `SLASH_WINDOW` epochs, once for each evidence.
/// A quarter goes to who reported it, the rest is burnt: whoever reports itself loses three quarters. All that backs the operator, what is
/// leaving included, loses the same part, to the wei. Two services that slash one stake take no more than there is: the second finds what the first left.
///
/// *Rewards.* Anybody may pay an operator's backers; the operator keeps its commission, the rest is divided by shares, and drawn.
///
/// There is no owner, and nobody can move what is another's.
interface IStakeVault is IPullPayments {
    /// Somebody backs an operator with more.
    event Deposited(uint32 indexed operator, address indexed account, uint256 amount, uint64 joinEpoch);
    /// Somebody took back what did not count yet.
    event TakenBack(uint32 indexed operator, address indexed account, uint256 amount);
    /// Somebody asked back what backs an operator.
    event Leaving(uint32 indexed operator, address indexed account, uint256 amount, uint64 releaseEpoch);
    /// What somebody asked back is free, in `balances`.
    event Released(uint32 indexed operator, address indexed account, uint256 amount, uint64 releaseEpoch);
    /// An operator's backers were paid.
    event Rewarded(uint32 indexed operator, address indexed payer, uint256 amount, uint256 commission);
    /// Somebody drew its rewards, to `balances`.
    event RewardsDrawn(uint32 indexed operator, address indexed account, uint256 amount);
    /// A service punished an operator. `rewarded` of what it lost went to the reporter, the rest was burnt.
    event Slashed(
        uint32 indexed service,
        uint32 indexed operator,
        bytes32 indexed evidence,
        uint64 offenceEpoch,
        address reporter,
        uint256 lost,
        uint256 rewarded
    );

    /// Less than `MIN_DEPOSIT`.
    error DepositTooSmall(uint256 amount);
    /// There is not so much, or nothing is asked for.
    error InvalidAmount(uint256 amount, uint256 held);
    /// The money is not free yet.
    error NotYet(uint64 releaseEpoch);
    /// The caller is not the service's slasher.
    error NotTheSlasher(uint32 service);
    /// The operator was not in the service then.
    error NotAMember(uint32 service, uint32 operator, uint64 offenceEpoch);
    /// The offence is in the future, or too long ago.
    error OutsideWindow(uint64 offenceEpoch);
    /// The evidence was used.
    error AlreadyPunished(bytes32 evidence);
    /// Longer than `MAX_JAIL_EPOCHS`.
    error JailTooLong(uint64 epochs);

    /// @notice Backs an operator with what is sent. Two deposits of one account that do not count yet count together, from the later's epoch on.
    /// In the genesis block a deposit counts at once.
    function deposit(uint32 operator) external payable;

    /// @notice Moves the caller's deposit that does not count yet to `balances`.
    /// @return amount How much that was, wei.
    function takeBack(uint32 operator) external returns (uint256 amount);

    /// @notice Asks back part of what backs an operator.
    /// @param amount Wei; the largest number asks for all.
    /// @return releaseEpoch The epoch in which it is free.
    function askBack(uint32 operator, uint128 amount) external returns (uint64 releaseEpoch);

    /// @notice Moves what the caller asked back to `balances`, as far as it was not lost.
    /// @param releaseEpoch As `askBack` returned it.
    /// @return amount How much that is, wei.
    function release(uint32 operator, uint64 releaseEpoch) external returns (uint256 amount);

    /// @notice Pays an operator's backers. With no active stake all goes to the operator.
    function reward(uint32 operator) external payable;

    /// @notice Moves the caller's rewards to `balances`.
    /// @return amount How much that is, wei.
    function drawRewards(uint32 operator) external returns (uint256 amount);

    /// @notice Takes up to `amount` from all that backs an operator. Only the service's slasher.
    /// @param amount Wei.
    /// @param offenceEpoch When it happened.
    /// @param evidence Names the offence: used once for each service.
    /// @param reporter Whose the quarter is.
    /// @param jailEpochs For how many epochs the operator gets no seats.
    /// @return lost What there was of it, wei.
    /// @return rewarded What of that is the reporter's.
    function slash(
        uint32 service,
        uint32 operator,
        uint128 amount,
        uint64 offenceEpoch,
        bytes32 evidence,
        address reporter,
        uint64 jailEpochs
    ) external returns (uint128 lost, uint128 rewarded);

    /// @notice What counts for seats: the stake at the beginning of an epoch, now or before.
    function stakeAt(uint32 operator, uint64 atEpoch) external view returns (uint128);

    /// @notice What can be lost of an operator's stake until the end of an epoch, if nothing is lost before.
    function atStakeUntil(uint32 operator, uint64 untilEpoch) external view returns (uint128);

    /// @notice All that one operator was given.
    function stakeOf(uint32 operator) external view returns (Stake memory);

    /// @notice What one account gave one operator.
    function delegationOf(uint32 operator, address account) external view returns (Delegation memory);

    /// @notice What is left of what an account asked back, to be free in an epoch, wei.
    function leavingOf(uint32 operator, address account, uint64 releaseEpoch) external view returns (uint128);
}
