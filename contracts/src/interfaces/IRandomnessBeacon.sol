// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// How the ceremony of an epoch ended.
enum CeremonyResult {
    /// It is not over, or no block recorded how it ended: then the key's holders stayed who they were.
    Open,
    /// Too few logs counted: the key's holders stayed who they were; without a key there is none still.
    Kept,
    /// It made the key.
    Made,
    /// It handed the key on to the next epoch's committee.
    Reshared
}

/// The ceremony of an epoch.
struct Ceremony {
    CeremonyResult result;
    /// Logs that dealers posted.
    uint32 posted;
    /// Logs that the result rests on; of a ceremony that failed, the good ones.
    uint32 counted;
    /// Good logs that it takes.
    uint32 required;
}

/// What one seat dealt and who acknowledged it, as it posted it.
struct DealerLog {
    uint32 operator;
    uint32 seat;
    bytes log;
}

/// How the key is shared from an epoch on: what the ceremony of the epoch before came to, in the encoding of crate `chain`.
struct Sharing {
    uint64 fromEpoch;
    bytes output;
}

/// Where the beacon stands.
struct Standing {
    /// The last epoch whose ceremony's end is recorded, plus one.
    uint64 concluded;
    /// Height whose value comes next; 0 while there is no key.
    uint64 next;
    /// Height of the last value; 0 while there is none.
    uint64 latest;
    /// The last value's signature, 48 bytes; empty while there is none.
    bytes signature;
    /// The committee's public key, a compressed point of G2, 96 bytes; empty while there is none.
    bytes publicKey;
}

/// @title One random number for each height, which nobody can choose or foresee.
/// @notice The value of a height is `SHA-256` of the committee's threshold signature of that height: there is one, whoever signs. Seats of the
/// validators' committee hold shares of the key, a third of them cannot sign, and none signs a height before its block is final. Validators put
/// signatures into blocks, check them before they vote, and call `record` before the block's transactions. A leader can leave a value to
/// the next leader; it cannot change it. So ask for the value *of a height* that you fixed before its value could be known, not for the
/// latest: which one is the latest a leader can sway, as it can `block.prevrandao`.
///
/// The key is made in the first epoch by its committee, and handed on in each later one to the committee of the next. Each dealer's log goes
/// through `post`; what all logs of an epoch come to is a function of them, which validators compute for themselves before they vote for the
/// block that calls `conclude`. The public key never changes.
interface IRandomnessBeacon {
    /// A dealer's log was posted.
    event LogPosted(uint64 indexed epoch, uint32 indexed operator, uint256 seat, uint256 bytes_);

    /// Only the protocol calls this, before a block's transactions.
    error NotTheProtocol();
    /// Logs of an epoch are posted in its first three quarters; its ceremony is concluded after that, once.
    error WrongMoment(uint64 epoch);
    /// The caller is not the dealer at that place.
    error NotTheDealer(uint32 index, uint256 seat);
    /// The seat's log was posted before.
    error LogPostedBefore(uint32 operator, uint256 seat);
    /// A log that is empty or longer than `MAX_LOG_BYTES`.
    error LogLength(uint256 length);
    /// A ceremony hands the key on; it does not change it.
    error KeyChanged();
    /// Signatures that do not continue where the last ones ended, or are not of 48 bytes each.
    error NotTheNext(uint64 height);
    /// There is no value of that height: not yet, not any more, or not ever.
    error NoValue(uint64 height);
    /// The epoch is after the next, or the value that would be its seed may still come.
    error SeedNotFixed(uint64 epoch);

    /// @notice Posts what a seat of the calling operator dealt in this epoch.
    /// @param epoch_ This epoch.
    /// @param index The operator's index in the committee that holds the key (`holdersEpoch`).
    /// @param seat Which of its seats.
    /// @param log The log, signed by the seat's vote key. What it says is checked by whoever counts it.
    function post(uint64 epoch_, uint32 index, uint256 seat, bytes calldata log) external;

    /// @notice Records how this epoch's ceremony ended. The protocol alone.
    /// @param epoch_ This epoch.
    /// @param ended Its figures; the result is found here.
    /// @param key The public key, 96 bytes; empty if the ceremony failed.
    /// @param output How the key is shared from the next epoch on; empty if the ceremony failed.
    function conclude(uint64 epoch_, Ceremony calldata ended, bytes calldata key, bytes calldata output) external;

    /// @notice Records the signatures of consecutive heights. The protocol alone.
    /// @param first The first height, which is `nextHeight()`.
    /// @param signatures 48 bytes each.
    function record(uint64 first, bytes calldata signatures) external;

    /// @notice The value of a height, of the last 8,191 that have one.
    function valueOf(uint64 height) external view returns (bytes32);

    /// @notice The signature that it comes of, a compressed point of G1, 48 bytes.
    function signatureOf(uint64 height) external view returns (bytes memory);

    /// @notice What an epoch's shuffles are drawn from; it never changes once it is there. It is the value of the first height of the epoch before,
    /// if that was recorded in that epoch; else the seed of the last epoch before that has one of its own; before any has, what was `dealt`.
    function seedOf(uint64 epoch_) external view returns (bytes32);

    /// @notice What the genesis block's `prevRandao` was: whoever made the network chose it.
    function dealt() external view returns (bytes32);

    /// @notice The last value, and its height.
    function latest() external view returns (uint64 height, bytes32 value);

    /// @notice The height whose value comes next; 0 while there is no key. Heights of an epoch whose value is missing when the next epoch is
    /// over never get one.
    function nextHeight() external view returns (uint64);

    /// @notice The committee's public key, a compressed point of G2, 96 bytes; empty while there is none.
    function publicKey() external view returns (bytes memory);

    /// @notice How the ceremony of an epoch ended.
    function ceremonyOf(uint64 epoch_) external view returns (Ceremony memory);

    /// @notice The epoch whose committee deals now: that from which on the key's last sharing holds, or this one while there is no key.
    function holdersEpoch() external view returns (uint64);

    /// @notice Where the beacon stands.
    function standing() external view returns (Standing memory);

    /// @notice The last sharings, at most three, the oldest first.
    function sharings() external view returns (Sharing[] memory);

    /// @notice Logs of an epoch in the order they came, of this epoch or the last one; empty of others.
    function logsOf(uint64 epoch_) external view returns (DealerLog[] memory);
}
