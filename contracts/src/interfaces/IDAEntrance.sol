// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentPermits, Permit} from "./IPaymentPermits.sol";
import {IPullPayments} from "./IPullPayments.sol";

/// What a certificate says of a blob. The operators checked all of it against their rows before they signed.
struct BlobHeader {
    /// Name of the blob: BLAKE3 of its header as it travels.
    bytes32 root;
    /// Root of the groups' hash tree, BLAKE3.
    bytes32 groupsRoot;
    /// KZG commitment, a compressed point of G1: its first 32 bytes.
    bytes32 commitmentHead;
    /// KZG commitment: its last 16 bytes.
    bytes16 commitmentTail;
    /// Quorum that holds the rows: a service of `NetworkRegistry`.
    uint32 quorum;
    /// Epoch whose committee of that quorum holds the rows.
    uint64 epoch;
    /// Length of the blob before coding, bytes.
    uint64 length;
    /// Operators may forget the blob after this block.
    uint64 expiryBlock;
    /// Rows that the blob was cut into: any so many of all its rows give it back.
    uint32 dataRows;
    /// First row of those certified: 0, or where rows that are added to a blob begin.
    uint32 firstRow;
    /// Count of rows certified.
    uint32 rowCount;
    /// Length of a row, bytes.
    uint32 rowBytes;
    /// Name of the blob that these rows are added to; 0 for a whole blob.
    bytes32 base;
}

/// What the chain remembers of a certified blob. Its root is its key; payer and signers are in the event.
struct CertifiedBlob {
    bytes32 groupsRoot;
    bytes32 commitmentHead;
    bytes16 commitmentTail;
    uint64 length;
    uint64 expiryBlock;
    uint64 epoch;
    /// Block that recorded the certificate; 0 when the blob is unknown.
    uint64 certifiedBlock;
    uint32 quorum;
    uint32 rowBytes;
    // Counts of rows are at most 4096: with them so short, the record has no word more than its digests need.
    uint16 dataRows;
    uint16 firstRow;
    uint16 rowCount;
}

/// @title Where availability certificates reach the chain.
/// @notice A blob is recorded once, when operators that hold a quorum of its rows have signed for it; its payer promised the fee beforehand, by
/// a permit, and has it in escrow. The blob's bytes never come here. The price is fixed at deployment; there is no owner but a steward, who can do
/// one thing: add quorums.
///
/// A *quorum* is a service of `NetworkRegistry`: operators that keep blobs together. A blob is one quorum's, and its rows, its certificate, its
/// fee and who answers for it are that quorum's alone. One quorum is there from the beginning; others are opened, as more operators come than one
/// has seats for. Each has the first one's slasher, allocation, and at least its stake, so that a certificate costs the same to forge in any of them.
///
/// A blob is 2, 3 or 4 cosets of `dataRows` rows, the first of them the data. A quorum holds two thirds of the rows, and so many that
/// honest operators are left with `dataRows` when the others own less than a third: `3 · held ≥ max(2 · rows, 3 · dataRows + rows)`.
/// Where the operators are not trusted not to lie, `dataRows` is 1024 and there are 3 cosets or 4.
///
/// Another coset can be added while the blob is kept, up to 4 in all: it is recorded as a blob of its own, with the base's epoch, length
/// and expiry, when signers hold two thirds of its rows and a quorum of the base's. Who paid for the last one may drop it.
///
/// Whoever has the seats `a .. b` of `S` in the committee of the blob's quorum and epoch holds the positions `⌊a·R/S⌋ .. ⌊b·R/S⌋` of
/// the blob's permutation of its `R` rows. A certificate counts until two epochs after its blob's.
///
/// Blobs of one quorum and epoch are certified together, up to `MAX_BATCH` by one signature. Operators sign
/// `keccak256(abi.encode("aloft/da/certificate/v3", chainId, this contract, headers))` with the BLS suite
/// `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`; the 32-byte hash is the message.
interface IDAEntrance is IPullPayments, IPaymentPermits {
    /// A quorum signed for a blob, and its payer was charged.
    event BlobCertified(bytes32 indexed root, address indexed payer, BlobHeader header, bytes signersBitmap);
    /// As 0G's entrance says that a blob was paid for: its indexers read this one's logs unchanged. `quorumId` is the blob's quorum; `blobPrice` is the whole fee, wei. There it comes before the rows are sent, here with the certificate.
    event DataUpload(address sender, bytes32 dataRoot, uint256 epoch, uint256 quorumId, uint256 blobPrice);
    /// As 0G's entrance says that a quorum signed for a blob. The commitment itself is in `BlobCertified`.
    event ErasureCommitmentVerified(bytes32 dataRoot, uint256 epoch, uint256 quorumId);
    /// Who paid for the last coset of `base` that was added takes it away: its rows may be deleted.
    event CosetDropped(bytes32 indexed base, bytes32 indexed root, uint32 firstRow);
    /// Blobs may be of one quorum more.
    event QuorumOpened(uint32 indexed quorum);

    /// All the roots are recorded already, or paid for as other blobs; this one first.
    error AlreadyCertified(bytes32 root);
    /// Not 1 to `MAX_BATCH` headers, or not a permit for each.
    error InvalidBatch(uint256 headers, uint256 permits);
    /// The header names an epoch that has not begun, or ended too long ago.
    error WrongEpoch(uint64 epoch, uint64 current);
    /// A header of another quorum than the first of its batch.
    error WrongQuorum(uint32 quorum, uint32 expected);
    /// The quorum was not opened, or takes no operators any more.
    error QuorumNotOpen(uint32 quorum);
    /// The caller is not the steward.
    error NotTheSteward(address account);
    /// The quorum was opened before.
    error QuorumIsOpen(uint32 quorum);
    /// The service is not like the first quorum: kind, allocation, slasher, at least its stake, and not draining or closed.
    error UnlikeTheFirst(uint32 service);
    /// There are `MAX_QUORUMS`.
    error TooManyQuorums();
    /// The blob expires before it is recorded, or later than `MAX_RETENTION_BLOCKS` from now.
    error InvalidExpiry(uint64 expiryBlock);
    /// No blob has such rows here, or they are too short for the length.
    error InvalidShape(uint32 dataRows, uint32 firstRow, uint32 rowCount, uint32 rowBytes);
    /// The rows are not the next coset of `base`, or not of its quorum, epoch, length, row length and expiry.
    error NotNextCoset(bytes32 base, uint32 firstRow);
    /// There is no added coset, or the caller did not pay for the last one.
    error NotDroppable(bytes32 base, address account);
    /// The signers hold too few rows.
    error BelowQuorum(uint256 held, uint256 total);
    /// The aggregate signature does not verify.
    error InvalidSignature();

    /// @notice Records certified blobs and charges who promised to pay for them. Anybody may send this.
    /// @dev A blob that is recorded already is left as it is, and nobody pays for it twice; nor is one recorded whose payer paid for another blob under the
    /// same purchase. An eighth of the fees, rounded down, is the lottery's; the rest is
    /// divided among the signers by their seats, rounded down, the remainder to the first.
    /// @param headers What was signed: blobs of one quorum and epoch.
    /// @param permits Who pays for each.
    /// @param signersBitmap Member `i` of the committee is bit `i % 8` (least significant first) of byte `i / 8`.
    /// @param signature Sum of the signers' signatures, a point of G2, 256 bytes as EIP-2537 encodes it.
    function submit(
        BlobHeader[] calldata headers,
        Permit[] calldata permits,
        bytes calldata signersBitmap,
        bytes calldata signature
    ) external;

    /// @notice Charges who promised to pay for a blob that was not certified in time: the fee of `PERMIT_BLOCKS`, for the disks that waited. It is
    /// divided among the whole committee of the blob's quorum and epoch by seats, so that nobody gains by not signing. Anybody may send this.
    /// @param header Of it, the fields that the permit names.
    function lapse(BlobHeader calldata header, Permit calldata permit) external;

    /// @notice Lets blobs be of `service` from now on. Only the steward; only a service like the first quorum. It cannot be taken back: a quorum ends
    /// as its service does, by draining, and what it certified stays its own.
    function openQuorum(uint32 service) external;

    /// @notice Takes away the coset added last to `base`; the caller paid for it. Nothing is paid back.
    function drop(bytes32 base) external;

    /// @notice Fee of keeping a blob, wei: `rowCount · rowBytes · blocks · pricePerByteBlock`.
    /// @param blocks From the block that records it to its expiry.
    function quote(uint32 rowCount, uint32 rowBytes, uint64 blocks) external view returns (uint256);

    /// @notice Price of one coded byte for one block, wei.
    function pricePerByteBlock() external view returns (uint256);

    /// @notice A recorded blob; its `certifiedBlock` is 0 when the root is unknown.
    function blob(bytes32 root) external view returns (CertifiedBlob memory);

    /// @notice The cosets added to a blob, in order: each is a blob recorded under its root.
    function added(bytes32 base) external view returns (bytes32[] memory roots);

    /// @notice The quorum that is there from the beginning: a service that is never drained.
    function firstQuorum() external view returns (uint32);

    /// @notice All quorums in the order in which they were opened, the first one among them; those that drain, too.
    function quorums() external view returns (uint32[] memory);

    /// @notice Whether blobs of a quorum are certified now: those of a quorum whose service drains or is over are not, for who is in it may
    /// have taken its stake away. Cosets are still added to what it holds.
    function isOpen(uint32 quorum) external view returns (bool);

    /// @notice Who may open quorums; nobody, if it is the zero address.
    function steward() external view returns (address);

    /// @notice Whose pool an eighth of the fees goes to.
    function lottery() external view returns (address);

    /// @notice Whether the operators are trusted not to lie, so that fewer rows may be coded.
    function trustedCommittee() external view returns (bool);

    /// @notice Hash of the bitmap of who signed for a blob, so that who disputes with a signer need not be believed; zero when the root is
    /// unknown.
    function signersHash(bytes32 root) external view returns (bytes32);

    /// @notice What the operators sign for `headers`.
    function certificateMessage(BlobHeader[] calldata headers) external view returns (bytes32);
}
