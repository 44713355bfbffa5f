// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Blake3} from "./Blake3.sol";
import {PullPayments} from "./PullPayments.sol";
import {RowAssignment} from "./RowAssignment.sol";
import {SampleProof} from "./SampleProof.sol";
import {SignerBitmap} from "./SignerBitmap.sol";
import {CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {Draw, IDALottery, Ticket} from "./interfaces/IDALottery.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {IRandomnessBeacon} from "./interfaces/IRandomnessBeacon.sol";

/// @title Pays operators for having their rows at a moment that they could not choose.
contract DALottery is PullPayments, IDALottery {
    /// Blocks of a draw: half a minute of a busy chain, four of an idle one, and few enough that the EVM still knows the hash of the block before, and the
    /// beacon its value.
    uint64 public constant DRAW_BLOCKS = 240;
    /// Tickets that a draw should pay.
    uint32 public constant AIM_WINS = 4;
    /// Tickets that a draw pays at most: 16 of 256 parts, 6.1 % of the pool.
    uint32 public constant MAX_WINS = 16;
    /// One part in so many of the pool is a prize.
    uint256 public constant PRIZE_DIVISOR = 256;
    /// Easiest target: a row of the most pieces, 4,096, wins every second time, and their product fits in a word.
    uint256 public constant MAX_TARGET = 1 << 243;
    /// Hardest target: far more pieces than there are disks for.
    uint256 public constant MIN_TARGET = 1 << 200;
    /// Draws without a winner that count: the target grows by no more than a quarter for each of them.
    uint64 public constant MAX_IDLE_DRAWS = 16;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where certificates are recorded.
    IDAEntrance public immutable entrance;
    /// Where the seeds of the committees' shuffles are, and the draws'.
    IRandomnessBeacon public immutable beacon;

    /// @dev What was collected and not won. What `entrance` owes is not in it.
    uint256 private _pool;
    /// @dev The last draw that paid.
    Draw private _last;
    mapping(bytes32 ticket => bool) private _paid;

    /// @param services Where committees are.
    /// @param certificates Where they are recorded.
    /// @param randomness Where the seeds of the committees' shuffles are, and the draws'.
    constructor(INetworkRegistry services, IDAEntrance certificates, IRandomnessBeacon randomness) {
        networks = services;
        entrance = certificates;
        beacon = randomness;
        _last.target = MAX_TARGET;
    }

    /// @inheritdoc IDALottery
    function fund() external payable {
        _fund();
    }

    /// @dev Coins that are sent without a word, as `entrance` sends its part of the fees, are the pool's too.
    receive() external payable {
        _fund();
    }

    /// @inheritdoc IDALottery
    function claim(Ticket calldata ticket, bytes calldata signersBitmap, bytes calldata sample)
        external
        returns (uint256 prize)
    {
        Draw memory draw = currentDraw();
        if (draw.wins >= MAX_WINS) revert DrawFull(draw.number);
        CertifiedBlob memory blob = entrance.blob(ticket.root);
        _checkBlob(ticket, blob, signersBitmap, draw.number * DRAW_BLOCKS);
        (uint32 seats, Member memory member) = networks.memberOf(blob.quorum, blob.epoch, ticket.operator);
        address account = member.account;
        uint32 chunk = _take(ticket, account, (blob.rowBytes + Blake3.CHUNK_BYTES - 1) / Blake3.CHUNK_BYTES, draw.target);
        _checkSample(ticket, blob, chunk, sample);
        _checkOwner(ticket, blob, seats, member);

        if (entrance.balances(address(this)) != 0) entrance.withdraw();
        prize = _pool / PRIZE_DIVISOR;
        _pool -= prize;
        balances[account] += prize;
        draw.wins++;
        _last = draw;
        emit Won(ticket.root, account, ticket.row, chunk, draw.number, prize);
    }

    /// @inheritdoc IDALottery
    function pool() external view returns (uint256) {
        return _pool + entrance.balances(address(this));
    }

    /// @inheritdoc IDALottery
    function currentDraw() public view returns (Draw memory draw) {
        draw = _last;
        uint64 number = uint64(block.number) / DRAW_BLOCKS;
        if (number == draw.number) return draw;
        if (draw.wins > AIM_WINS) {
            draw.target /= 2;
        } else if (draw.wins < AIM_WINS) {
            draw.target += draw.target / 4;
        }
        uint64 idle = number - draw.number - 1;
        if (idle > MAX_IDLE_DRAWS) idle = MAX_IDLE_DRAWS;
        for (; idle > 0; idle--) draw.target += draw.target / 4;
        if (draw.target > MAX_TARGET) draw.target = MAX_TARGET;
        if (draw.target < MIN_TARGET) draw.target = MIN_TARGET;
        (draw.number, draw.wins) = (number, 0);
    }

    /// @inheritdoc IDALottery
    function seed() public view returns (bytes32) {
        uint256 first = block.number / DRAW_BLOCKS * DRAW_BLOCKS;
        if (first == 0) revert NoSeed();
        // The key does not come or go within a draw that has a seed: heights before its first have no value.
        return beacon.nextHeight() == 0 ? blockhash(first - 1) : beacon.valueOf(uint64(first - 1));
    }

    function _fund() private {
        _pool += msg.value;
        emit Funded(msg.sender, msg.value);
    }

    /// @dev Whether the row is one of a blob that the operator signed for before the draw's seed could be known.
    function _checkBlob(Ticket calldata ticket, CertifiedBlob memory blob, bytes calldata signersBitmap, uint256 first)
        private
        view
    {
        if (blob.certifiedBlock == 0 || blob.certifiedBlock + 1 >= first || blob.expiryBlock < block.number) {
            revert NotInDraw(ticket.root);
        }
        if (
            ticket.row < blob.firstRow
                || !SampleProof.exists(blob.firstRow + blob.rowCount, blob.rowBytes, ticket.row, 0)
        ) revert NoSuchRow(ticket.row);
        if (
            keccak256(signersBitmap) != entrance.signersHash(ticket.root)
                || !SignerBitmap.names(signersBitmap, ticket.operator)
        ) revert NotASigner(ticket.operator);
    }

    /// @dev Whether the sample proves the piece.
    function _checkSample(Ticket calldata ticket, CertifiedBlob memory blob, uint32 chunk, bytes calldata sample)
        private
        view
    {
        bytes memory commitment = abi.encodePacked(blob.commitmentHead, blob.commitmentTail);
        if (!SampleProof.verify(sample, commitment, blob.rowBytes, ticket.row, chunk)) revert WrongSample();
    }

    /// @dev Whether the row is the operator's: the dearest check.
    function _checkOwner(Ticket calldata ticket, CertifiedBlob memory blob, uint32 seats, Member memory member)
        private
        view
    {
        bytes32 shuffle = RowAssignment.seed(beacon.seedOf(blob.epoch), blob.epoch, ticket.root);
        uint32 row = ticket.row - blob.firstRow;
        if (!RowAssignment.owns(shuffle, blob.rowCount, member.firstSeat, member.endSeat, seats, row)) {
            revert NotOwnRow(ticket.row);
        }
    }

    /// @dev Marks a winning ticket as paid.
    /// @return chunk The piece to show.
    function _take(Ticket calldata ticket, address account, uint256 chunks, uint256 target)
        private
        returns (uint32 chunk)
    {
        bytes32 hash = keccak256(abi.encode(seed(), ticket.root, ticket.row, account));
        if (uint256(hash) >= target * chunks) revert NotWinning(hash, target);
        if (_paid[hash]) revert AlreadyPaid();
        _paid[hash] = true;
        chunk = uint32(uint256(keccak256(abi.encode(hash))) % chunks);
    }
}
