// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// A shard: another chain that operators' stake secures.
struct Shard {
    /// Who may activate and drain its service.
    address founder;
    /// Its service at `NetworkRegistry`: who votes on its blocks.
    uint32 service;
    /// Blocks of its epochs.
    uint64 epochBlocks;
    /// What keeps its votes apart from those of others of its chain id: `prevRandao` of its genesis block.
    bytes32 network;
}

/// @title The shards of a root chain, and what each side is told of the other's validators.
/// @notice Anybody registers a chain id. Its service is made here, with this contract as its steward and `ShardSlasher` as its slasher, so that no
/// founder can choose weaker ones; operators opt in at `NetworkRegistry` with the stake and the vote keys that they have.
///
/// `announce` writes down the committee that `NetworkRegistry` has closed for the next epoch of the root chain, trusts it for as long as its stake can be taken,
/// and tells the shard of it by a message, together with the root chain's own, when one of the two is another than last time. The shard says in
/// its own state from which of its epochs on it counts.
interface IShardRegistry {
    /// A shard was registered.
    event ShardRegistered(uint64 indexed chain, uint32 indexed service, address indexed founder, bytes32 network, uint64 epochBlocks);
    /// A committee of a shard was told of.
    event CommitteeAnnounced(uint64 indexed chain, uint64 indexed epoch, bytes32 committee, bytes32 rootCommittee, bool sent);
    /// An operator's validator of a shard listens elsewhere.
    event ShardValidatorMoved(uint64 indexed chain, uint32 indexed operator, string endpoint);

    /// The chain id is zero, this chain's, or taken.
    error ChainTaken(uint64 chain);
    /// Epochs of fewer than `EPOCH_BLOCKS_MIN` blocks.
    error EpochTooShort(uint64 epochBlocks);
    /// More seats than `MAX_SEATS`.
    error TooManySeats(uint32 seats);
    /// The caller did not register the shard.
    error NotTheFounder(uint64 chain);
    /// An endpoint that is empty or longer than `MAX_ENDPOINT_BYTES`.
    error EndpointLength(uint256 length);
    /// Nobody in the committee has a vote key.
    error NoVotes(uint64 chain, uint64 epoch);

    /// @notice Registers a shard. Costs what creating a service does, which is burnt.
    /// @param chain Its chain id.
    /// @param network What keeps its votes apart: draw it at random.
    /// @param epochBlocks Blocks of its epochs; so few that three of them take less time than one and a half of the root chain's.
    /// @param seats Seats of its committees.
    /// @param minStake Least stake of an operator, wei.
    /// @return service Its service.
    function register(uint64 chain, bytes32 network, uint64 epochBlocks, uint32 seats, uint128 minStake)
        external
        payable
        returns (uint32 service);

    /// @notice Has committees closed from now on. Only the founder.
    function activate(uint64 chain) external;

    /// @notice Stops the service's changes, and messages to the shard. Only the founder. What is locked for the shard stays so until it comes back.
    function drain(uint64 chain) external;

    /// @notice Says where the calling operator's validator of a shard listens: `address:port`.
    function setEndpoint(uint64 chain, string calldata endpoint) external;

    /// @notice Tells of the committee of the next epoch. Anybody may, at any time.
    /// @return sent Whether the shard needed to be told.
    function announce(uint64 chain) external returns (bool sent);

    /// @notice The last epoch whose committee was announced for a shard; 0 before the first.
    function lastAnnounced(uint64 chain) external view returns (uint64);

    /// @notice A shard.
    function shardOf(uint64 chain) external view returns (Shard memory);

    /// @notice Whether messages to a chain are taken: it is a shard, and was not drained.
    function takesMessages(uint64 chain) external view returns (bool);

    /// @notice How many shards there are.
    function shardCount() external view returns (uint256);

    /// @notice Chain id of a shard, in the order of their registration.
    function chainAt(uint256 index) external view returns (uint64);
}
