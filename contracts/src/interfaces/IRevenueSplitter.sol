// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What a share is paid for.
enum LegKind {
    Compute,
    Storage,
    Trainer,
    Data
}

/// One share of a model's revenue.
struct Leg {
    /// Who is paid. For the data leg: the publisher whose `ContributionBook` entry divides it among the contributors.
    address account;
    /// Share of each payment, in ten thousandths.
    uint16 bps;
    LegKind kind;
}

/// @title The split of one model's revenue. Whatever is sent here belongs to the legs, for good: legs cannot change, nobody owns it.
/// @notice `sync` divides what arrived; `claim` and `claimData` pay out. Anybody may call all three for anybody: money goes only to the
/// account it belongs to.
///
/// Rounding: each plain leg gets `⌊amount · bps / 10000⌋`, the data leg the rest. A contributor of weight `w` may in all be paid
/// `⌊dataCredit · w / 10¹²⌋`; what these roundings leave (fewer units than there are contributors, when the weights sum to 10¹²) stays
/// here and counts for the next payments. If a book's weights sum to less than 10¹², the difference stays here too.
interface IRevenueSplitter {
    /// New money was divided.
    event Synced(address indexed token, uint256 amount);
    /// A plain leg's credit was paid.
    event Claimed(address indexed token, address indexed account, uint256 amount);
    /// A contributor was paid.
    event DataClaimed(address indexed token, address indexed account, uint256 amount);

    /// The leaf is not in the book's weights, or there is no book yet.
    error InvalidWeight(address account, uint256 weight);
    /// The weights of the book sum to more than they may; the other legs' money is not touched.
    error DataCreditExceeded(uint256 owed, uint256 left);

    /// @notice Divides what arrived since the last call.
    /// @return amount What arrived.
    function sync(address token) external returns (uint256 amount);

    /// @notice Pays a plain leg's account all it was credited and not yet paid, after a `sync`.
    /// @return amount What was paid; 0 is no error.
    function claim(address token, address account) external returns (uint256 amount);

    /// @notice Pays a contributor all it is owed of the data leg and was not yet paid, after a `sync`.
    /// @param weight Its weight, of 10¹².
    /// @param proof Merkle proof of `(account, weight)` in the book's tree (OpenZeppelin `StandardMerkleTree`).
    /// @return amount What was paid; 0 is no error.
    function claimData(address token, address account, uint256 weight, bytes32[] calldata proof)
        external
        returns (uint256 amount);

    /// @notice What `claim` would pay now.
    function claimable(address token, address account) external view returns (uint256);

    /// @notice What `claimData` would pay now to a contributor of this weight.
    function claimableData(address token, address account, uint256 weight) external view returns (uint256);

    /// @notice What the plain legs of an account were credited in all.
    function credited(address token, address account) external view returns (uint256);

    /// @notice What the data leg was credited in all.
    function dataCredited(address token) external view returns (uint256);

    /// @notice What an account was paid in all, as a plain leg.
    function paid(address token, address account) external view returns (uint256);

    /// @notice What an account was paid in all, as a contributor.
    function dataPaid(address token, address account) external view returns (uint256);

    /// @notice What arrived and was not yet divided.
    function unsynced(address token) external view returns (uint256);

    /// @notice The model whose revenue this is: BLAKE3 root of its weights.
    function modelRoot() external view returns (bytes32);

    /// @notice The legs, as created.
    function legs() external view returns (Leg[] memory);
}
