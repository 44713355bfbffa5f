// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// One operator: an account that runs nodes for services, with the stake that it was given.
struct Operator {
    /// Ethereum account: its stake, its fees, its decisions.
    address account;
    /// ed25519 key that authenticates its streams.
    bytes32 streamKey;
    /// BLS12-381 public key, a point of G1: `x (64, big endian) | y (64, big endian)`, as EIP-2537 encodes it.
    bytes blsKey;
    /// Where it listens: `host:port`.
    string endpoint;
    /// Part of what is paid to its stake that it keeps, in ten-thousandths.
    uint16 commissionBps;
    /// From the beginning of this epoch on the commission is `nextCommissionBps`; 0 when none waits.
    uint64 commissionEpoch;
    /// The commission that waits.
    uint16 nextCommissionBps;
    /// It gets no seats in committees that are closed before this epoch.
    uint64 jailedUntil;
}

/// @title Who may serve: accounts, the keys that they proved to have, where they listen.
/// @notice Anybody registers, at any time. That alone gives no seat: services ask for stake (`StakeVault`) and give seats to operators that
/// opt in (`NetworkRegistry`). An operator is named by its number, the order of registration, and keeps its account and keys for ever:
/// who wants other keys registers another account. Nothing is ever deleted, for certificates and disputes of past epochs name operators.
/// There is no owner.
interface IOperatorRegistry {
    /// An operator registered.
    event OperatorRegistered(
        uint32 indexed operator, address indexed account, bytes32 streamKey, bytes blsKey, string endpoint
    );
    /// An operator moved.
    event EndpointChanged(uint32 indexed operator, string endpoint);
    /// An operator will keep another part of what is paid to its stake.
    event CommissionChanged(uint32 indexed operator, uint16 commissionBps, uint64 fromEpoch);
    /// An operator gets no seats for a while.
    event Jailed(uint32 indexed operator, uint64 untilEpoch);

    /// The account, stream key or BLS key is registered already, or zero.
    error NotUnique();
    /// An endpoint that is empty or longer than `MAX_ENDPOINT_BYTES`.
    error EndpointLength(uint256 length);
    /// The BLS key is not a point of the right subgroup, or its proof of possession does not verify.
    error InvalidPossession();
    /// The caller is not an operator.
    error NotAnOperator(address account);
    /// No operator has this stream key.
    error UnknownKey(bytes32 streamKey);
    /// There are not so many operators.
    error NoSuchOperator(uint32 operator);
    /// More than everything, or more than `MAX_COMMISSION_STEP_BPS` above the present.
    error InvalidCommission(uint16 commissionBps);
    /// Only the vault may.
    error NotTheVault();

    /// @notice Makes the caller an operator.
    /// @param streamKey Its ed25519 key.
    /// @param blsKey Its BLS key, 128 bytes.
    /// @param possession Signature of the compressed key followed by the caller's account (68 bytes) under the key itself, 256 bytes, suite
    /// `BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`. Without it, an operator could choose its key as a function of the others' and sign for
    /// all of them; and without the account in it, whoever sees the transaction under way could register the key as its own.
    /// @param endpoint `host:port`, at most `MAX_ENDPOINT_BYTES`.
    /// @return operator Its number.
    function register(bytes32 streamKey, bytes calldata blsKey, bytes calldata possession, string calldata endpoint)
        external
        returns (uint32 operator);

    /// @notice Moves the calling operator.
    function setEndpoint(string calldata endpoint) external;

    /// @notice Sets the part of what is paid to the calling operator's stake that it keeps. A lower one counts at once, a higher one when
    /// stake that leaves now has left, and at most `MAX_COMMISSION_STEP_BPS` more at a time: nobody is surprised by it.
    function setCommission(uint16 commissionBps) external;

    /// @notice Keeps an operator from seats. Only the vault, for a slasher that asks for it.
    function jail(uint32 operator, uint64 untilEpoch) external;

    /// @notice How many operators registered.
    function operatorCount() external view returns (uint32);

    /// @notice One operator.
    function operatorOf(uint32 operator) external view returns (Operator memory);

    /// @notice Several operators.
    function operatorsOf(uint32[] calldata operators) external view returns (Operator[] memory);

    /// @notice Number of the operator with this account; reverts when it is none.
    function numberOf(address account) external view returns (uint32 operator);

    /// @notice Number of the operator with this stream key; reverts when there is none.
    function numberOfKey(bytes32 streamKey) external view returns (uint32 operator);

    /// @notice Account of one operator.
    function accountOf(uint32 operator) external view returns (address);

    /// @notice BLS key of one operator, in words.
    function keyOf(uint32 operator) external view returns (bytes32[4] memory);

    /// @notice Part that an operator keeps now, in ten-thousandths.
    function commissionOf(uint32 operator) external view returns (uint16);

    /// @notice An operator gets no seats in committees that are closed before this epoch.
    function jailedUntil(uint32 operator) external view returns (uint64);
}
