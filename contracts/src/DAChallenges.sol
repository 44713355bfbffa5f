// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {OperatorBonds} from "./OperatorBonds.sol";
import {RowAssignment} from "./RowAssignment.sol";
import {SampleProof} from "./SampleProof.sol";
import {SignerBitmap} from "./SignerBitmap.sol";
import {Challenge, IDAChallenges, Piece} from "./interfaces/IDAChallenges.sol";
import {CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {IGenesisOperatorRegistry} from "./interfaces/IGenesisOperatorRegistry.sol";

/// @title Holds operators to what they signed. Their bonds are kept here only until the network has one vault for everything at stake.
contract DAChallenges is OperatorBonds, IDAChallenges {
    /// Gas of the dearest answer, `disown` of the largest blob, with some to spare.
    uint256 public constant ANSWER_GAS = 2_000_000;
    /// One part in so many of what is lost goes to the challenger.
    uint128 public constant REWARD_DIVISOR = 4;
    /// The delay of a bond that leaves, in windows: a challenge that could be made while the bond was whole has long ended.
    uint64 public constant LEAVING_WINDOWS = 8;

    /// Where certificates are recorded.
    IDAEntrance public immutable entrance;
    /// @inheritdoc IDAChallenges
    bytes32 public immutable beacon;
    /// @inheritdoc IDAChallenges
    uint64 public immutable windowBlocks;
    /// @inheritdoc IDAChallenges
    uint128 public immutable slashWei;
    /// Part of the deposit that does not depend on the price of gas, wei.
    uint256 public immutable baseDeposit;

    mapping(bytes32 id => Challenge) private _challenges;

    /// @dev In genesis, where `block.prevrandao` is the beacon that the network was dealt.
    /// @param committee The operators' registry.
    /// @param certificates Where they are recorded.
    /// @param window Blocks for an answer.
    /// @param slashed What an operator loses, wei.
    /// @param deposit Fixed part of the deposit, wei.
    constructor(
        IGenesisOperatorRegistry committee,
        IDAEntrance certificates,
        uint64 window,
        uint128 slashed,
        uint256 deposit
    ) OperatorBonds(committee, LEAVING_WINDOWS * window) {
        entrance = certificates;
        beacon = bytes32(block.prevrandao);
        windowBlocks = window;
        slashWei = slashed;
        baseDeposit = deposit;
    }

    /// @inheritdoc IDAChallenges
    function challenge(Piece calldata piece, bytes calldata signersBitmap) external payable {
        uint64 deadline = uint64(block.number) + windowBlocks;
        _checkPiece(piece, signersBitmap, deadline);
        address account = registry.accountOf(piece.operator);
        if (_bonds[account].held == 0) revert NotBonded(account);
        uint256 deposit = quoteDeposit();
        if (msg.value < deposit) revert DepositTooLow(msg.value, deposit);

        Challenge storage entry = _challenges[_id(piece)];
        if (entry.challenger != address(0)) revert AlreadyChallenged();
        (entry.challenger, entry.deadline, entry.deposit) = (msg.sender, deadline, deposit);
        _bonds[account].open++;
        if (msg.value > deposit) balances[msg.sender] += msg.value - deposit;
        emit Challenged(piece.root, account, piece.row, piece.chunk, piece.operator, msg.sender, deadline, deposit);
    }

    /// @inheritdoc IDAChallenges
    function answer(Piece calldata piece, bytes calldata sample) external {
        Challenge memory entry = _inTime(piece);
        address account = registry.accountOf(piece.operator);
        CertifiedBlob memory blob = entrance.blob(piece.root);
        if (blob.certifiedBlock == 0) revert NotCertified(piece.root);
        bytes memory commitment = abi.encodePacked(blob.commitmentHead, blob.commitmentTail);
        if (SampleProof.verify(sample, commitment, blob.rowBytes, piece.row, piece.chunk)) {
            _acquit(piece, account, entry.deposit);
            emit Answered(piece.root, account, piece.row, piece.chunk, sample);
        } else if (msg.sender == account) {
            _punish(piece, account, entry, true);
        } else {
            revert WrongSample();
        }
    }

    /// @inheritdoc IDAChallenges
    function disown(Piece calldata piece) external {
        Challenge memory entry = _inTime(piece);
        CertifiedBlob memory blob = entrance.blob(piece.root);
        bytes32 seed = RowAssignment.seed(beacon, blob.epoch, piece.root);
        // Rows that were added to a blob and dropped again since are nobody's.
        if (
            blob.certifiedBlock != 0
                && RowAssignment.owns(
                    seed, blob.rowCount, piece.operator, registry.operatorCount(), piece.row - blob.firstRow
                )
        ) revert OwnRow(piece.row);
        address account = registry.accountOf(piece.operator);
        _acquit(piece, account, entry.deposit);
        emit Disowned(piece.root, account, piece.row, piece.chunk);
    }

    /// @inheritdoc IDAChallenges
    function slash(Piece calldata piece) external {
        Challenge memory entry = _challenges[_id(piece)];
        if (entry.challenger == address(0)) revert NotChallenged();
        if (block.number <= entry.deadline) revert TooEarly(entry.deadline);
        if (entrance.blob(piece.root).certifiedBlock == 0) revert NotCertified(piece.root);
        _punish(piece, registry.accountOf(piece.operator), entry, false);
    }

    /// @inheritdoc IDAChallenges
    function challengeOf(Piece calldata piece) external view returns (Challenge memory) {
        return _challenges[_id(piece)];
    }

    /// @inheritdoc IDAChallenges
    function quoteDeposit() public view returns (uint256) {
        return baseDeposit + 2 * ANSWER_GAS * block.basefee;
    }

    function _id(Piece calldata piece) private pure returns (bytes32) {
        return keccak256(abi.encode(piece));
    }

    /// @dev Whether the operator signed for the piece and must have it until the deadline.
    function _checkPiece(Piece calldata piece, bytes calldata signersBitmap, uint64 deadline) private view {
        CertifiedBlob memory blob = entrance.blob(piece.root);
        if (blob.certifiedBlock == 0) revert NotCertified(piece.root);
        if (deadline > blob.expiryBlock) revert Expired(blob.expiryBlock);
        if (
            piece.row < blob.firstRow
                || !SampleProof.exists(blob.firstRow + blob.rowCount, blob.rowBytes, piece.row, piece.chunk)
        ) {
            revert NoSuchPiece(piece.row, piece.chunk);
        }
        if (
            keccak256(signersBitmap) != entrance.signersHash(piece.root)
                || !SignerBitmap.names(signersBitmap, piece.operator)
        ) revert NotASigner(piece.operator);
    }

    /// @dev The challenge of a piece, which may still be answered.
    function _inTime(Piece calldata piece) private view returns (Challenge memory entry) {
        entry = _challenges[_id(piece)];
        if (entry.challenger == address(0)) revert NotChallenged();
        if (block.number > entry.deadline) revert TooLate(entry.deadline);
    }

    /// @dev Ends a challenge in the operator's favour.
    function _acquit(Piece calldata piece, address account, uint256 deposit) private {
        delete _challenges[_id(piece)];
        _bonds[account].open--;
        balances[account] += deposit;
    }

    /// @dev Ends a challenge against the operator. What is burnt goes to the zero address, which has no code and no key.
    function _punish(Piece calldata piece, address account, Challenge memory entry, bool answered) private {
        delete _challenges[_id(piece)];
        _bonds[account].open--;
        uint128 lost = _take(account, slashWei);
        uint128 rewarded = lost / REWARD_DIVISOR;
        balances[entry.challenger] += entry.deposit + rewarded;
        emit Slashed(piece.root, account, piece.row, piece.chunk, entry.challenger, answered, lost, rewarded);
        (bool success,) = address(0).call{value: lost - rewarded}("");
        if (!success) revert TransferFailed();
    }
}
