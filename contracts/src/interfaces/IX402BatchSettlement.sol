// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// A one-way channel from a payer to a receiver. Its EIP-712 hash is its id, so nothing in it can change.
struct ChannelConfig {
    /// Who pays, and gets the rest back.
    address payer;
    /// Whose signature makes a voucher; a contract may sign by ERC-1271. Zero: the payer.
    address payerAuthorizer;
    /// Who is paid; for a served model, its `RevenueSplitter`.
    address receiver;
    /// Who may claim and refund in the receiver's name.
    address receiverAuthorizer;
    /// The ERC-20 that is paid.
    address token;
    /// Seconds between asking for a withdrawal and getting it: 15 minutes to 30 days.
    uint40 withdrawDelay;
    /// Tells channels with the same parties apart.
    bytes32 salt;
}

/// A promise of the payer: the receiver may have claimed up to `maxClaimableAmount` of the channel in all.
struct Voucher {
    ChannelConfig channel;
    /// Cumulative ceiling, in the token's smallest unit.
    uint128 maxClaimableAmount;
}

/// A voucher with its signature, and what the receiver claims under it.
struct VoucherClaim {
    Voucher voucher;
    /// The payer authorizer's signature of `Voucher(channelId, maxClaimableAmount)`.
    bytes signature;
    /// What the receiver will have claimed of the channel in all, never above the ceiling. No more than before: nothing happens.
    uint128 totalClaimed;
}

/// @title Payment channels with cumulative vouchers, as the x402 scheme `batch-settlement` defines them.
/// @notice A payer deposits once and then pays by signatures; the receiver claims many of them in one transaction. The functions, the
/// EIP-712 types and the address are those that unmodified x402 clients have built in. Nobody has special powers: money leaves a channel
/// only to its receiver, under a voucher, or back to its payer.
///
/// `balance` of a channel is all that was deposited, less what went back to the payer; `balance − totalClaimed` is free.
interface IX402BatchSettlement {
    /// A deposit arrived; `balance` is the channel's after it.
    event Deposited(bytes32 indexed channelId, address indexed payer, uint128 amount, uint128 balance);
    /// The receiver's total under a channel rose to `totalClaimed`.
    event ChannelClaimed(bytes32 indexed channelId, address indexed receiver, uint128 amount, uint128 totalClaimed);
    /// Claimed money reached its receiver.
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);
    /// The payer asked for money back.
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 initiatedAt);
    /// The payer got it.
    event WithdrawFinalized(bytes32 indexed channelId, uint128 amount);
    /// The receiver's side gave money back without a delay.
    event Refunded(bytes32 indexed channelId, uint128 amount);

    /// The delay is outside `MIN_WITHDRAW_DELAY ..= MAX_WITHDRAW_DELAY`.
    error InvalidWithdrawDelay(uint40 delay);
    /// The payer, receiver, authorizer or token is zero.
    error InvalidChannel();
    /// An amount of zero.
    error ZeroAmount();
    /// A batch without a claim.
    error EmptyBatch();
    /// The collector did not bring what was announced.
    error WrongDeposit(uint256 received, uint128 announced);
    /// The caller may not do this in this channel.
    error Unauthorized(address caller);
    /// A signature that is not the authorizer's.
    error InvalidSignature();
    /// `totalClaimed` is above the voucher's ceiling.
    error AboveCeiling(uint128 totalClaimed, uint128 maxClaimableAmount);
    /// `totalClaimed` is above the channel's balance.
    error AboveBalance(uint128 totalClaimed, uint128 balance);
    /// A withdrawal is pending already.
    error WithdrawalPending();
    /// No withdrawal is pending.
    error NoWithdrawal();
    /// The withdrawal's delay has not passed.
    error WithdrawalTooEarly(uint256 availableAt);
    /// More than is free in the channel.
    error AboveFree(uint128 amount, uint128 free);
    /// The refund's nonce is not the channel's next one.
    error WrongNonce(uint256 nonce, uint256 expected);

    /// @notice Calls several functions of this contract in one transaction; all succeed or none.
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);

    /// @notice Puts money into a channel; anybody may bring it there.
    /// @param collector Contract that moves the tokens here (`IDepositCollector`).
    /// @param collectorData What the collector needs, for instance the payer's authorization.
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external;

    /// @notice Raises the receiver's totals under vouchers. The caller is each channel's receiver or its authorizer.
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice The same for any caller with the signature of the receivers' authorizer over the batch.
    /// @dev All channels of a batch have one receiver authorizer.
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Sends what was claimed and not yet sent to its receiver. Anybody may call it.
    function settle(address receiver, address token) external;

    /// @notice Starts the delay after which the payer (or its authorizer) gets money back.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Ends it: pays `min(amount, free)` to the payer. Anybody may call it.
    function finalizeWithdraw(ChannelConfig calldata config) external;

    /// @notice Gives `min(amount, free)` back to the payer at once. The caller is the receiver or its authorizer.
    function refund(ChannelConfig calldata config, uint128 amount) external;

    /// @notice The same for any caller with the receiver authorizer's signature.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external;

    /// @notice A channel's id: the EIP-712 hash of its configuration under this contract's domain.
    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);

    /// @notice EIP-712 type hash of `ChannelConfig`.
    function CHANNEL_CONFIG_TYPEHASH() external view returns (bytes32);

    /// @notice Money in a channel.
    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);

    /// @notice A channel's withdrawal; all zero when there is none.
    function pendingWithdrawals(bytes32 channelId) external view returns (uint128 amount, uint40 initiatedAt);

    /// @notice What a receiver has claimed, and been sent, of a token.
    function receivers(address receiver, address token)
        external
        view
        returns (uint128 totalClaimed, uint128 totalSettled);

    /// @notice What a payer authorizer signs.
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32);

    /// @notice What a receiver authorizer signs for a refund.
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32);

    /// @notice A channel's next refund nonce.
    function refundNonce(bytes32 channelId) external view returns (uint256);

    /// @notice What a receiver authorizer signs for a batch of claims.
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);
}
