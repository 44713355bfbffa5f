// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {PullPayments} from "./PullPayments.sol";
import {Escrow, IPaymentPermits, Permit} from "./interfaces/IPaymentPermits.sol";
import {BlobHeader} from "./interfaces/IDAEntrance.sol";

/// @title Money set aside for promises to pay, so that who works on a promise need not trust it.
abstract contract PaymentPermits is EIP712, PullPayments, IPaymentPermits {
    /// Longest that operators let a promise last, blocks.
    uint64 public constant PERMIT_BLOCKS = 1_200;
    /// Blocks from the announcement of a withdrawal until the money is free.
    uint64 public constant NOTICE_BLOCKS = 2 * PERMIT_BLOCKS;

    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(bytes32 root,uint32 quorum,uint64 epoch,uint32 rowCount,uint32 rowBytes,uint64 expiryBlock,bytes32 purchase,uint64 deadline)"
    );

    mapping(address payer => Escrow) private _escrows;
    /// @dev Promises that cannot be used again though their root may be free: those of rows that are added to a blob, which can be dropped, and
    /// those that were charged for though no certificate came. Any other is spent as long as its root is recorded, which is for ever.
    mapping(bytes32 permit => bool) private _spent;
    /// @inheritdoc IPaymentPermits
    mapping(address payer => mapping(bytes32 purchase => bytes32 root)) public purchased;

    constructor() EIP712("Aloft DA", "1") {}

    /// @inheritdoc IPaymentPermits
    function deposit(address payer) external payable {
        // All the coins there are fit.
        _escrows[payer].balance += uint128(msg.value);
        emit EscrowDeposited(payer, msg.value);
    }

    /// @inheritdoc IPaymentPermits
    function announceWithdrawal(uint128 amount) external {
        Escrow storage escrow = _escrows[msg.sender];
        if (amount > escrow.balance) revert EscrowTooLow(msg.sender, escrow.balance, amount);
        escrow.leaving = amount;
        escrow.freeBlock = uint64(block.number) + NOTICE_BLOCKS;
        emit EscrowLeaving(msg.sender, amount, escrow.freeBlock);
    }

    /// @inheritdoc IPaymentPermits
    function withdrawEscrow() external returns (uint256 amount) {
        Escrow storage escrow = _escrows[msg.sender];
        amount = escrow.leaving;
        if (amount == 0 || block.number < escrow.freeBlock) revert NothingFree(escrow.freeBlock);
        escrow.balance -= uint128(amount);
        escrow.leaving = 0;
        emit EscrowWithdrawn(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IPaymentPermits
    function escrowOf(address payer) external view returns (Escrow memory) {
        return _escrows[payer];
    }

    /// @dev Who promised to pay for the blob of `header`.
    function _payerOf(BlobHeader calldata header, Permit calldata permit)
        internal
        view
        returns (address payer, bytes32 digest)
    {
        digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    PERMIT_TYPEHASH,
                    header.root,
                    header.quorum,
                    header.epoch,
                    header.rowCount,
                    header.rowBytes,
                    header.expiryBlock,
                    permit.purchase,
                    permit.deadline
                )
            )
        );
        ECDSA.RecoverError problem;
        (payer, problem,) = ECDSA.tryRecoverCalldata(digest, permit.signature);
        if (problem != ECDSA.RecoverError.NoError) revert InvalidPermit(header.root);
    }

    /// @dev Who pays for a blob that is certified now; 0, and nothing is charged, where another blob was paid for under the same purchase.
    function _redeem(BlobHeader calldata header, Permit calldata permit, uint256 fee) internal returns (address payer) {
        if (block.number > permit.deadline) revert PermitExpired(header.root, permit.deadline);
        bytes32 digest;
        (payer, digest) = _payerOf(header, permit);
        if (permit.purchase != 0) {
            if (purchased[payer][permit.purchase] != 0) return address(0);
            purchased[payer][permit.purchase] = header.root;
        }
        if (header.base != 0) {
            if (_spent[digest]) revert PermitSpent(header.root);
            _spent[digest] = true;
        }
        uint256 balance = _escrows[payer].balance;
        if (balance < fee) revert EscrowTooLow(payer, balance, fee);
        _charge(payer, fee);
    }

    /// @dev Takes what a promise that nobody kept costs, or what there is of it.
    function _chargeLapsed(BlobHeader calldata header, Permit calldata permit, uint256 fee)
        internal
        returns (uint256 charged)
    {
        if (block.number <= permit.deadline) revert NotLapsed(header.root);
        (address payer, bytes32 digest) = _payerOf(header, permit);
        if (_spent[digest]) revert PermitSpent(header.root);
        _spent[digest] = true;
        uint256 balance = _escrows[payer].balance;
        charged = fee < balance ? fee : balance;
        _charge(payer, charged);
        emit PermitLapsed(header.root, payer, charged);
    }

    function _charge(address payer, uint256 amount) private {
        Escrow storage escrow = _escrows[payer];
        escrow.balance -= uint128(amount);
        // A promise goes before a withdrawal that was announced after it.
        if (escrow.leaving > escrow.balance) escrow.leaving = escrow.balance;
    }
}
