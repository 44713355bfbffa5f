// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Epochs} from "./Epochs.sol";
import {PullPayments} from "./PullPayments.sol";
import {RowAssignment} from "./RowAssignment.sol";
import {SampleProof} from "./SampleProof.sol";
import {SignerBitmap} from "./SignerBitmap.sol";
import {Challenge, IDAChallenges, Piece} from "./interfaces/IDAChallenges.sol";
import {CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IRandomnessBeacon} from "./interfaces/IRandomnessBeacon.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title Holds operators to what they signed, with what they have at stake.
contract DAChallenges is Epochs, PullPayments, IDAChallenges {
    /// Gas of the dearest answer, `disown` of the largest blob, with some to spare.
    uint256 public constant ANSWER_GAS = 2_000_000;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// What is at stake.
    IStakeVault public immutable vault;
    /// Where certificates are recorded.
    IDAEntrance public immutable entrance;
    /// Where the seeds of the committees' shuffles are.
    IRandomnessBeacon public immutable beacon;
    /// @inheritdoc IDAChallenges
    uint64 public immutable windowBlocks;
    /// @inheritdoc IDAChallenges
    uint128 public immutable slashWei;
    /// Part of the deposit that does not depend on the price of gas, wei.
    uint256 public immutable baseDeposit;

    mapping(bytes32 id => Challenge) private _challenges;
    /// @dev Challenges that were lost: each is another offence, even of one piece.
    uint256 private _lost;

    /// @param services Where committees are.
    /// @param stakes What is at stake.
    /// @param certificates Where they are recorded.
    /// @param seeds Of the committees' shuffles.
    /// @param window Blocks for an answer: so few that what is at stake can still be taken for a whole epoch when they are over.
    /// @param slashed What an operator loses, wei.
    /// @param deposit Fixed part of the deposit, wei.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(
        INetworkRegistry services,
        IStakeVault stakes,
        IDAEntrance certificates,
        IRandomnessBeacon seeds,
        uint64 window,
        uint128 slashed,
        uint256 deposit,
        uint64 blocks
    ) Epochs(blocks) {
        networks = services;
        vault = stakes;
        entrance = certificates;
        beacon = seeds;
        if (window == 0 || window > (SLASH_WINDOW - 1) * blocks) revert InvalidWindow(window);
        windowBlocks = window;
        slashWei = slashed;
        baseDeposit = deposit;
    }

    /// @inheritdoc IDAChallenges
    function challenge(Piece calldata piece, bytes calldata signersBitmap) external payable {
        uint64 deadline = uint64(block.number) + windowBlocks;
        CertifiedBlob memory blob = _checkPiece(piece, signersBitmap, deadline);
        (, Member memory member) = _member(blob, piece);
        address account = member.account;
        // What leaves before the epoch after the deadline's is over could be gone before anybody takes it; nor is anything lost of who left the
        // quorum long ago. What is asked back from now on leaves later than that: `UNBONDING_EPOCHS` is more than `SLASH_WINDOW`.
        bool answerable = networks.wasMember(blob.quorum, member.operator, epoch());
        uint64 settled = deadline / epochBlocks + 1;
        if (!answerable || vault.atStakeUntil(member.operator, settled) == 0) revert NotBonded(account);
        uint256 deposit = quoteDeposit();
        if (msg.value < deposit) revert DepositTooLow(msg.value, deposit);

        Challenge storage entry = _challenges[_id(piece)];
        if (entry.challenger != address(0)) revert AlreadyChallenged();
        (entry.challenger, entry.deadline, entry.account, entry.deposit) = (msg.sender, deadline, account, deposit);
        if (msg.value > deposit) balances[msg.sender] += msg.value - deposit;
        emit Challenged(piece.root, account, piece.row, piece.chunk, piece.operator, msg.sender, deadline, deposit);
    }

    /// @inheritdoc IDAChallenges
    function answer(Piece calldata piece, bytes calldata sample) external {
        Challenge memory entry = _inTime(piece);
        CertifiedBlob memory blob = _certified(piece);
        (, Member memory member) = _member(blob, piece);
        address account = member.account;
        bytes memory commitment = abi.encodePacked(blob.commitmentHead, blob.commitmentTail);
        if (SampleProof.verify(sample, commitment, blob.rowBytes, piece.row, piece.chunk)) {
            _acquit(piece, account, entry.deposit);
            emit Answered(piece.root, account, piece.row, piece.chunk, sample);
        } else if (msg.sender == account) {
            _punish(piece, blob.quorum, member, entry, true);
        } else {
            revert WrongSample();
        }
    }

    /// @inheritdoc IDAChallenges
    function disown(Piece calldata piece) external {
        Challenge memory entry = _inTime(piece);
        CertifiedBlob memory blob = entrance.blob(piece.root);
        address account = entry.account;
        // Rows that were added to a blob and dropped again since are nobody's.
        if (blob.certifiedBlock != 0) {
            (uint32 seats, Member memory member) = _member(blob, piece);
            bytes32 seed = RowAssignment.seed(beacon.seedOf(blob.epoch), blob.epoch, piece.root);
            uint32 row = piece.row - blob.firstRow;
            if (RowAssignment.owns(seed, blob.rowCount, member.firstSeat, member.endSeat, seats, row)) {
                revert OwnRow(piece.row);
            }
        }
        _acquit(piece, account, entry.deposit);
        emit Disowned(piece.root, account, piece.row, piece.chunk);
    }

    /// @inheritdoc IDAChallenges
    function slash(Piece calldata piece) external {
        Challenge memory entry = _challenges[_id(piece)];
        if (entry.challenger == address(0)) revert NotChallenged();
        if (block.number <= entry.deadline) revert TooEarly(entry.deadline);
        CertifiedBlob memory blob = _certified(piece);
        (, Member memory member) = _member(blob, piece);
        _punish(piece, blob.quorum, member, entry, false);
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
    function _checkPiece(Piece calldata piece, bytes calldata signersBitmap, uint64 deadline)
        private
        view
        returns (CertifiedBlob memory blob)
    {
        blob = _certified(piece);
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
        balances[account] += deposit;
    }

    /// @dev Ends a challenge against the operator, whose offence is of the epoch in which it was asked. When that is too long ago, it loses
    /// nothing any more.
    function _punish(Piece calldata piece, uint32 quorum, Member memory member, Challenge memory entry, bool answered)
        private
    {
        delete _challenges[_id(piece)];
        balances[entry.challenger] += entry.deposit;
        uint64 offence = (entry.deadline - windowBlocks) / epochBlocks;
        (uint128 lost, uint128 rewarded) = (0, 0);
        if (epoch() <= offence + SLASH_WINDOW) {
            bytes32 evidence = keccak256(abi.encode(piece, _lost++));
            (lost, rewarded) =
                vault.slash(quorum, member.operator, slashWei, offence, evidence, entry.challenger, 0);
        }
        emit Slashed(piece.root, member.account, piece.row, piece.chunk, entry.challenger, answered, lost, rewarded);
    }

    /// @dev The record of a piece's blob.
    function _certified(Piece calldata piece) private view returns (CertifiedBlob memory blob) {
        blob = entrance.blob(piece.root);
        if (blob.certifiedBlock == 0) revert NotCertified(piece.root);
    }

    /// @dev The operator that a piece is asked of, as its blob's committee has it.
    function _member(CertifiedBlob memory blob, Piece calldata piece)
        private
        view
        returns (uint32 seats, Member memory member)
    {
        return networks.memberOf(blob.quorum, blob.epoch, piece.operator);
    }
}
