// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPullPayments} from "./IPullPayments.sol";

/// A piece of a blob that one operator is asked for.
struct Piece {
    /// The blob.
    bytes32 root;
    /// Which row.
    uint32 row;
    /// Which kilobyte of it.
    uint32 chunk;
    /// Index of the operator that signed for it, in the committee of the blob's epoch.
    uint32 operator;
}

/// A challenge that waits for its answer.
struct Challenge {
    /// Who asks; zero when there is no such challenge.
    address challenger;
    /// Last block of the answer.
    uint64 deadline;
    /// The operator's account.
    address account;
    /// What the challenger put down, wei.
    uint256 deposit;
}

/// @title Holds operators to what they signed: that they keep their rows of a certified blob, and serve them.
/// @notice Anybody puts down a deposit and asks an operator that signed for a blob for one piece of one row. Within the window the operator
/// either answers with the piece and its proof (a *sample*, docs/spec/da.md), or shows by the blob's shuffle that the row is another
/// operator's: both earn it the deposit. If it does neither, or answers wrongly, `StakeVault` takes `slashWei` of what is at stake for it: a
/// quarter is the challenger's, there, and its deposit, here; the rest is burnt. Whoever challenges itself loses those three quarters.
///
/// One piece of one operator is challenged once at a time. How many pieces are challenged at once has no bound, for an operator could fill
/// any bound with challenges of its own that it can answer; each costs a deposit that is more than answering costs.
interface IDAChallenges is IPullPayments {
    /// Somebody asks an operator for a piece.
    event Challenged(
        bytes32 indexed root,
        address indexed account,
        uint32 row,
        uint32 chunk,
        uint32 operator,
        address challenger,
        uint64 deadline,
        uint256 deposit
    );
    /// The operator, or anybody for it, showed the piece.
    event Answered(bytes32 indexed root, address indexed account, uint32 row, uint32 chunk, bytes sample);
    /// The row is another operator's.
    event Disowned(bytes32 indexed root, address indexed account, uint32 row, uint32 chunk);
    /// The operator answered wrongly (`answered`), or not in time. `rewarded` of what it lost went to the challenger, the rest was burnt.
    event Slashed(
        bytes32 indexed root,
        address indexed account,
        uint32 row,
        uint32 chunk,
        address challenger,
        bool answered,
        uint256 lost,
        uint256 rewarded
    );

    /// The blob is not certified.
    error NotCertified(bytes32 root);
    /// The blob may be forgotten before the window ends.
    error Expired(uint64 expiryBlock);
    /// The blob has no such piece, or none that can be proved.
    error NoSuchPiece(uint32 row, uint32 chunk);
    /// The bitmap is not that of the blob's signers, or the operator is not among them.
    error NotASigner(uint32 operator);
    /// The operator has nothing at stake that stays for an epoch after the deadline's, or left the service long ago.
    error NotBonded(address account);
    /// No blocks for an answer, or so many that no epoch is left to settle what nobody answered.
    error InvalidWindow(uint64 blocks);
    /// Less than the deposit was sent.
    error DepositTooLow(uint256 sent, uint256 deposit);
    /// The piece is being challenged already.
    error AlreadyChallenged();
    /// The piece is not being challenged.
    error NotChallenged();
    /// The window is over.
    error TooLate(uint64 deadline);
    /// The window is not over.
    error TooEarly(uint64 deadline);
    /// The sample does not prove the piece, and who sent it is not the operator.
    error WrongSample();
    /// The row is the operator's.
    error OwnRow(uint32 row);

    /// @notice Asks an operator for a piece. What is sent beyond the deposit is the sender's to withdraw.
    /// @param signersBitmap Of the blob's certificate, as `DAEntrance` announced it.
    function challenge(Piece calldata piece, bytes calldata signersBitmap) external payable;

    /// @notice Answers a challenge. A sample that proves nothing costs the operator its stake when it comes from the operator's account,
    /// and is refused when it comes from another.
    /// @dev With too little gas for the proof the call reverts as a whole.
    function answer(Piece calldata piece, bytes calldata sample) external;

    /// @notice Shows that a challenged row is not the operator's. Anybody may.
    function disown(Piece calldata piece) external;

    /// @notice Ends a challenge that was not answered in time. Anybody may.
    function slash(Piece calldata piece) external;

    /// @notice The challenge of a piece.
    function challengeOf(Piece calldata piece) external view returns (Challenge memory);

    /// @notice What a challenge costs now, wei: a fixed part, and twice the gas of the dearest answer at this block's base fee.
    function quoteDeposit() external view returns (uint256);

    /// @notice Blocks that an operator has for its answer.
    function windowBlocks() external view returns (uint64);

    /// @notice What an operator loses, wei, or all that it has at stake if that is less.
    function slashWei() external view returns (uint128);

}
