// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IDepositCollector} from "./interfaces/IDepositCollector.sol";
import {ChannelConfig, IX402BatchSettlement, VoucherClaim} from "./interfaces/IX402BatchSettlement.sol";

/// @title Payment channels with cumulative vouchers, as the x402 scheme `batch-settlement` defines them.
/// @dev For each token: `balance here = Σ channels (balance − totalClaimed) + Σ receivers (totalClaimed − totalSettled)`. Tokens that take
/// a fee on transfer cannot be deposited; ones that change balances by themselves must not be.
contract X402BatchSettlement is IX402BatchSettlement, EIP712, Multicall, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// Shortest withdrawal delay, seconds: time for the receiver to claim what it holds vouchers for.
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    /// Longest withdrawal delay, seconds.
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /// @inheritdoc IX402BatchSettlement
    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 private constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 private constant REFUND_TYPEHASH = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 private constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    bytes32 private constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );

    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct Receiver {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    struct Withdrawal {
        uint128 amount;
        uint40 initiatedAt;
    }

    /// @inheritdoc IX402BatchSettlement
    mapping(bytes32 channelId => Channel) public channels;
    /// @inheritdoc IX402BatchSettlement
    mapping(bytes32 channelId => Withdrawal) public pendingWithdrawals;
    /// @inheritdoc IX402BatchSettlement
    mapping(address receiver => mapping(address token => Receiver)) public receivers;
    /// @inheritdoc IX402BatchSettlement
    mapping(bytes32 channelId => uint256) public refundNonce;

    constructor() EIP712("x402 Batch Settlement", "1") {}

    /// @inheritdoc IX402BatchSettlement
    function multicall(bytes[] calldata data)
        public
        override(IX402BatchSettlement, Multicall)
        returns (bytes[] memory results)
    {
        return super.multicall(data);
    }

    /// @inheritdoc IX402BatchSettlement
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external
        nonReentrant
    {
        _checkConfig(config);
        if (amount == 0) revert ZeroAmount();
        bytes32 id = getChannelId(config);
        // The collector is anybody's code, so its word is not taken: the tokens are counted. It cannot come back in here (or one transfer
        // would count twice).
        IERC20 token = IERC20(config.token);
        uint256 before = token.balanceOf(address(this));
        IDepositCollector(collector).collect(config.payer, config.token, amount, id, msg.sender, collectorData);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert WrongDeposit(received, amount);
        uint128 balance = channels[id].balance + amount;
        channels[id].balance = balance;
        emit Deposited(id, config.payer, amount, balance);
    }

    /// @inheritdoc IX402BatchSettlement
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        for (uint256 i = 0; i < voucherClaims.length; i++) {
            _checkReceiverSide(voucherClaims[i].voucher.channel);
            _claim(voucherClaims[i]);
        }
    }

    /// @inheritdoc IX402BatchSettlement
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature)
        external
        nonReentrant
    {
        if (voucherClaims.length == 0) revert EmptyBatch();
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        _checkSignature(authorizer, getClaimBatchDigest(voucherClaims), authorizerSignature);
        for (uint256 i = 0; i < voucherClaims.length; i++) {
            if (voucherClaims[i].voucher.channel.receiverAuthorizer != authorizer) revert Unauthorized(authorizer);
            _claim(voucherClaims[i]);
        }
    }

    /// @inheritdoc IX402BatchSettlement
    function settle(address receiver, address token) external nonReentrant {
        Receiver storage totals = receivers[receiver][token];
        uint128 amount = totals.totalClaimed - totals.totalSettled;
        if (amount == 0) return;
        totals.totalSettled = totals.totalClaimed;
        emit Settled(receiver, token, msg.sender, amount);
        IERC20(token).safeTransfer(receiver, amount);
    }

    /// @inheritdoc IX402BatchSettlement
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) revert Unauthorized(msg.sender);
        bytes32 id = getChannelId(config);
        uint128 free = _free(id);
        if (amount == 0) revert ZeroAmount();
        if (amount > free) revert AboveFree(amount, free);
        if (pendingWithdrawals[id].amount != 0) revert WithdrawalPending();
        uint40 now40 = uint40(block.timestamp);
        pendingWithdrawals[id] = Withdrawal(amount, now40);
        emit WithdrawInitiated(id, amount, now40);
    }

    /// @inheritdoc IX402BatchSettlement
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        bytes32 id = getChannelId(config);
        Withdrawal memory pending = pendingWithdrawals[id];
        if (pending.amount == 0) revert NoWithdrawal();
        uint256 availableAt = uint256(pending.initiatedAt) + config.withdrawDelay;
        if (block.timestamp < availableAt) revert WithdrawalTooEarly(availableAt);
        delete pendingWithdrawals[id];
        uint128 free = _free(id);
        uint128 amount = pending.amount < free ? pending.amount : free;
        channels[id].balance -= amount;
        emit WithdrawFinalized(id, amount);
        if (amount > 0) IERC20(config.token).safeTransfer(config.payer, amount);
    }

    /// @inheritdoc IX402BatchSettlement
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        _checkReceiverSide(config);
        _refund(config, amount);
    }

    /// @inheritdoc IX402BatchSettlement
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 id = getChannelId(config);
        if (nonce != refundNonce[id]) revert WrongNonce(nonce, refundNonce[id]);
        _checkSignature(config.receiverAuthorizer, getRefundDigest(id, nonce, amount), receiverAuthorizerSignature);
        refundNonce[id] = nonce + 1;
        _refund(config, amount);
    }

    /// @inheritdoc IX402BatchSettlement
    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    CHANNEL_CONFIG_TYPEHASH,
                    config.payer,
                    config.payerAuthorizer,
                    config.receiver,
                    config.receiverAuthorizer,
                    config.token,
                    config.withdrawDelay,
                    config.salt
                )
            )
        );
    }

    /// @inheritdoc IX402BatchSettlement
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, maxClaimableAmount)));
    }

    /// @inheritdoc IX402BatchSettlement
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REFUND_TYPEHASH, channelId, nonce, amount)));
    }

    /// @inheritdoc IX402BatchSettlement
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) public view returns (bytes32) {
        bytes32[] memory entries = new bytes32[](voucherClaims.length);
        for (uint256 i = 0; i < voucherClaims.length; i++) {
            entries[i] = keccak256(
                abi.encode(
                    CLAIM_ENTRY_TYPEHASH,
                    getChannelId(voucherClaims[i].voucher.channel),
                    voucherClaims[i].voucher.maxClaimableAmount,
                    voucherClaims[i].totalClaimed
                )
            );
        }
        return _hashTypedDataV4(
            keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries))))
        );
    }

    /// @dev Raises the totals of one channel and its receiver. What raises nothing is passed over, so that one voucher claimed twice does
    /// not spoil a batch.
    function _claim(VoucherClaim calldata voucherClaim) private {
        ChannelConfig calldata config = voucherClaim.voucher.channel;
        uint128 total = voucherClaim.totalClaimed;
        uint128 ceiling = voucherClaim.voucher.maxClaimableAmount;
        bytes32 id = getChannelId(config);
        Channel memory channel = channels[id];
        if (total <= channel.totalClaimed) return;
        if (total > ceiling) revert AboveCeiling(total, ceiling);
        if (total > channel.balance) revert AboveBalance(total, channel.balance);
        _checkVoucher(config, getVoucherDigest(id, ceiling), voucherClaim.signature);

        uint128 amount = total - channel.totalClaimed;
        channels[id].totalClaimed = total;
        receivers[config.receiver][config.token].totalClaimed += amount;
        emit ChannelClaimed(id, config.receiver, amount, total);
    }

    /// @dev Pays `min(amount, free)`. A pending withdrawal shrinks to what remains free.
    function _refund(ChannelConfig calldata config, uint128 amount) private {
        bytes32 id = getChannelId(config);
        uint128 free = _free(id);
        if (amount > free) amount = free;
        if (amount == 0) revert ZeroAmount();
        channels[id].balance -= amount;
        free -= amount;
        if (pendingWithdrawals[id].amount > free) {
            if (free == 0) delete pendingWithdrawals[id];
            else pendingWithdrawals[id].amount = free;
        }
        emit Refunded(id, amount);
        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    function _free(bytes32 id) private view returns (uint128) {
        return channels[id].balance - channels[id].totalClaimed;
    }

    function _checkConfig(ChannelConfig calldata config) private pure {
        if (config.withdrawDelay < MIN_WITHDRAW_DELAY || config.withdrawDelay > MAX_WITHDRAW_DELAY) {
            revert InvalidWithdrawDelay(config.withdrawDelay);
        }
        if (
            config.payer == address(0) || config.receiver == address(0) || config.receiverAuthorizer == address(0)
                || config.token == address(0)
        ) revert InvalidChannel();
    }

    function _checkReceiverSide(ChannelConfig calldata config) private view {
        if (msg.sender != config.receiver && msg.sender != config.receiverAuthorizer) revert Unauthorized(msg.sender);
    }

    /// @dev A payer authorizer is a key. Without one the payer itself signs, and may be a contract.
    function _checkVoucher(ChannelConfig calldata config, bytes32 digest, bytes calldata signature) private view {
        if (config.payerAuthorizer == address(0)) {
            _checkSignature(config.payer, digest, signature);
        } else {
            (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
            if (problem != ECDSA.RecoverError.NoError || recovered != config.payerAuthorizer) revert InvalidSignature();
        }
    }

    function _checkSignature(address signer, bytes32 digest, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNow(signer, digest, signature)) revert InvalidSignature();
    }
}
