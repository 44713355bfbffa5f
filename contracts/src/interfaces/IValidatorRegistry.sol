// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// One validator: an operator of the service that agrees on blocks, with the keys that vote for its seats.
struct Validator {
    uint32 operator;
    /// Ethereum account.
    address account;
    /// ed25519 key, its identity on the validators' network.
    bytes32 streamKey;
    /// Where the other validators reach it: `address:port`; empty while it did not say.
    string endpoint;
    /// Its vote keys in the epoch, one for each seat, 48 bytes each, compressed.
    bytes voteKeys;
}

/// @title Who votes on blocks in which epoch, and with which keys.
/// @notice Operators opt in to the service of kind consensus at `NetworkRegistry`, which turns stake into seats two epochs ahead. The engine counts
/// one key, one vote: an operator has as many votes as it has seats, but no more than keys that it added here. A key counts from the
/// epoch after the next on, so that a committee that can be read never changes. Keys stay for ever, as evidence names them.
interface IValidatorRegistry {
    /// An operator added a vote key, which counts from an epoch on.
    event VoteKeyAdded(uint32 indexed operator, uint256 seat, uint64 fromEpoch, bytes voteKey);
    /// An operator's validator listens elsewhere.
    event ValidatorMoved(uint32 indexed operator, string endpoint);

    /// The key was added before, by whomever.
    error KeyTaken();
    /// The operator has `MAX_KEYS` already.
    error TooManyKeys();
    /// The key is not a point of the right subgroup, or its proof of possession does not verify.
    error InvalidPossession();
    /// An endpoint that is empty or longer than `MAX_ENDPOINT_BYTES`.
    error EndpointLength(uint256 length);
    /// The operator has no such key.
    error NoSuchKey(uint32 operator, uint256 seat);

    /// @notice Adds a vote key of the calling operator, for its next seat.
    /// @param voteKey Its BLS12-381 key, a point of G1 as EIP-2537 encodes it, 128 bytes.
    /// @param possession Signature of the compressed key followed by the caller's account (68 bytes) under the key itself, 256 bytes, suite
    /// `BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`: as `IOperatorRegistry.register` asks for it, and for the same reasons.
    function addKey(bytes calldata voteKey, bytes calldata possession) external;

    /// @notice Says where the calling operator's validator listens: `address:port`.
    function setEndpoint(string calldata endpoint) external;

    /// @notice A vote key in words, and the epoch from which on it counts.
    function keyOf(uint32 operator, uint256 seat) external view returns (bytes32[4] memory key, uint64 fromEpoch);

    /// @notice Keys of an operator that count in an epoch.
    function keysAt(uint32 operator, uint64 atEpoch) external view returns (uint256);

    /// @notice The validators of an epoch, up to the next one, in the order of their seats. Who has seats and no key is left out.
    function committee(uint64 atEpoch) external view returns (Validator[] memory);

    /// @notice Where all operators of the service are, with seats or without; no keys. Those without follow the chain.
    function candidates() external view returns (Validator[] memory);
}
