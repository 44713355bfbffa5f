// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// One operator of the committee.
struct Operator {
    /// Ethereum account: receives fees and may change the endpoint.
    address account;
    /// ed25519 key that authenticates the operator's streams.
    bytes32 streamKey;
    /// BLS12-381 public key, a point of G1: `x (64, big endian) | y (64, big endian)`, as EIP-2537 encodes it.
    bytes blsKey;
    /// Where it listens: `host:port`.
    string endpoint;
}

/// @title The operators of a network whose committee is fixed in genesis; staking, and with it joining and leaving, comes later.
/// @notice Operators are registered by the calls of the genesis block and by nothing else. After that the set never changes: there is
/// no owner, and an operator may change only its own endpoint. An operator's index is its order of registration.
interface IGenesisOperatorRegistry {
    /// An operator joined the committee, at block 0.
    event OperatorRegistered(
        uint32 indexed index, address indexed account, bytes32 streamKey, bytes blsKey, string endpoint
    );
    /// An operator moved.
    event EndpointChanged(uint32 indexed index, string endpoint);

    /// Registration after block 0.
    error RegistrationClosed();
    /// The account, stream key or BLS key is registered already, or zero.
    error NotUnique();
    /// The registry holds `MAX_OPERATORS`.
    error TooManyOperators();
    /// An endpoint that is empty or longer than `MAX_ENDPOINT_BYTES`.
    error EndpointLength(uint256 length);
    /// The BLS key is not a point of the right subgroup, or its proof of possession does not verify.
    error InvalidPossession();
    /// The caller is not an operator.
    error NotAnOperator(address account);
    /// There are not so many operators.
    error NoSuchOperator(uint32 index);
    /// The bitmap has not `⌈operators / 8⌉` bytes, or names an operator that does not exist.
    error InvalidBitmap();

    /// @notice Adds an operator. Only in the genesis block.
    /// @param account Its Ethereum account.
    /// @param streamKey Its ed25519 key.
    /// @param blsKey Its BLS key, 128 bytes.
    /// @param possession Signature of the compressed key under itself, 256 bytes: without it, an operator could
    /// choose its key as a function of the others' and sign for all of them.
    /// @param endpoint `host:port`, at most `MAX_ENDPOINT_BYTES`.
    function register(
        address account,
        bytes32 streamKey,
        bytes calldata blsKey,
        bytes calldata possession,
        string calldata endpoint
    ) external;

    /// @notice Moves the calling operator.
    function setEndpoint(string calldata endpoint) external;

    /// @notice The only epoch of this version: 0.
    function epoch() external view returns (uint64);

    /// @notice How many operators there are.
    function operatorCount() external view returns (uint32);

    /// @notice Account of one operator.
    function accountOf(uint32 index) external view returns (address);

    /// @notice All operators, in the order of their indices.
    function operators() external view returns (Operator[] memory);

    /// @notice Sum of all operators' BLS keys, 128 bytes.
    function aggregateKey() external view returns (bytes memory);

    /// @notice The operators a bitmap names and the sum of their BLS keys.
    /// @param bitmap Operator `i` is bit `i % 8` (least significant first) of byte `i / 8`.
    /// @return key Sum of their keys, 128 bytes; all zero when it is the point at infinity.
    /// @return indices Their indices, ascending.
    /// @return accounts Their accounts, in the same order.
    function signers(bytes calldata bitmap)
        external
        view
        returns (bytes memory key, uint32[] memory indices, address[] memory accounts);
}
