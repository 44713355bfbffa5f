// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPullPayments} from "./IPullPayments.sol";

/// A row that an operator says won.
struct Ticket {
    /// The blob.
    bytes32 root;
    /// Which row.
    uint32 row;
    /// Index of the operator that owns it.
    uint32 operator;
}

/// A draw, as far as it is known.
struct Draw {
    /// `block number / DRAW_BLOCKS`.
    uint64 number;
    /// Tickets that were paid in it.
    uint32 wins;
    /// A row of `c` pieces wins when its ticket's hash is below `c` times this.
    uint256 target;
}

/// @title Pays operators for having their rows at a moment that they could not choose.
/// @notice Every `DRAW_BLOCKS` blocks are a draw. Its seed is the randomness beacon's value of the height before its first. Each row that an operator owns, of a
/// blob that it signed for, is a ticket: it wins when `keccak256(abi.encode(seed, root, row, account))` is below its pieces times the target.
/// The hash of that hash names the piece of the row to show. Within the draw, its sample wins `1 / PRIZE_DIVISOR` of the pool. The draws
/// become harder when more than `AIM_WINS` were paid in the last, easier when fewer were.
///
/// The seed is there when the value is recorded, some blocks into the draw; while it is not, `seed` reverts with the beacon's `NoValue`, and a draw that never
/// gets one pays nobody. Nobody can choose it. A chain whose beacon has no key yet takes the hash of that block instead: whoever proposes it can try
/// as many as it has time for, and `MAX_WINS` bounds what that can bring.
///
/// `DAEntrance` gives it a part of all fees, which is taken over with the next prize; anybody may add to the pool, and nobody can empty it. There is no owner.
interface IDALottery is IPullPayments {
    /// The pool grew.
    event Funded(address indexed payer, uint256 amount);
    /// An operator showed a piece of a row that won.
    event Won(
        bytes32 indexed root, address indexed account, uint32 row, uint32 chunk, uint64 draw, uint256 prize
    );

    /// The chain is in its first draw, which has no seed.
    error NoSeed();
    /// As many tickets were paid as one draw pays.
    error DrawFull(uint64 draw);
    /// The blob is not certified, or was not two blocks before the draw, or is expired.
    error NotInDraw(bytes32 root);
    /// The row's hash is not below the target.
    error NotWinning(bytes32 ticket, uint256 target);
    /// The ticket was paid.
    error AlreadyPaid();
    /// The bitmap is not that of the blob's signers, or the operator is not among them.
    error NotASigner(uint32 operator);
    /// The blob has no such row, or its pieces cannot be proved.
    error NoSuchRow(uint32 row);
    /// The row is another operator's.
    error NotOwnRow(uint32 row);
    /// The sample does not prove the piece.
    error WrongSample();

    /// @notice Adds what is sent to the pool.
    function fund() external payable;

    /// @notice Pays a ticket that won in the present draw to the operator's account. Anybody may send it.
    /// @param signersBitmap Of the blob's certificate, as `DAEntrance` announced it.
    /// @param sample Of the row's piece that the ticket's hash names.
    function claim(Ticket calldata ticket, bytes calldata signersBitmap, bytes calldata sample)
        external
        returns (uint256 prize);

    /// @notice The present draw.
    function currentDraw() external view returns (Draw memory);

    /// @notice The present draw's seed.
    function seed() external view returns (bytes32);

    /// @notice Wei to be won, with what the entrance owes.
    function pool() external view returns (uint256);
}
