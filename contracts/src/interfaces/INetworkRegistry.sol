// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What a service does.
enum ServiceKind {
    Consensus,
    Availability,
    Storage,
    Compute,
    Training
}

/// Whether an operator's stake may secure other services, too.
enum Allocation {
    /// It may: every service can take all of it, the first before the second.
    Shared,
    /// It may not: whoever is in this service is in no other.
    Unique
}

/// Where a service is in its life.
enum ServiceState {
    /// Operators opt in; there is no committee yet.
    Pending,
    /// Its committee is closed anew in every epoch.
    Active,
    /// It keeps its last committee, and takes no operators.
    Draining,
    /// It is over.
    Closed
}

/// A service that operators' stake secures.
struct Service {
    /// Who may activate, drain and close it.
    address steward;
    /// Who may punish its operators: a contract that checks evidence.
    address slasher;
    ServiceKind kind;
    Allocation allocation;
    ServiceState state;
    /// Seats of a committee.
    uint32 seats;
    /// Epoch in which it began to drain.
    uint64 drainedEpoch;
    /// Least stake of an operator, wei.
    uint128 minStake;
}

/// One member of a committee: it has the seats `firstSeat .. endSeat`.
struct Member {
    uint32 operator;
    uint32 firstSeat;
    uint32 endSeat;
    address account;
}

/// @title The services that one stake secures: who is in them, and with how many seats in which epoch.
/// @notice Anybody creates a service; operators opt in and out by themselves, at any time. Adding, draining and closing one touches no other.
///
/// The committee of epoch `e + 2` is closed in epoch `e`, by the stake at `e`'s beginning (`Seats`): blocks call `closeEpoch` before their
/// transactions. If that fails for a service, or no operator qualifies, its committee stays as it was. An unchanged committee is stored once.
/// Committees of past epochs stay readable, for certificates and disputes of that time.
///
/// There is no owner. A steward cannot touch an operator; a slasher only through the vault, within its bounds. Whoever backs an operator
/// trusts its choice of services.
interface INetworkRegistry {
    /// A service was created.
    event ServiceCreated(
        uint32 indexed service,
        address indexed steward,
        ServiceKind kind,
        Allocation allocation,
        address slasher,
        uint32 seats,
        uint128 minStake
    );
    /// A service came into another part of its life.
    event ServiceMoved(uint32 indexed service, ServiceState state);
    /// An operator joined a service.
    event OptedIn(uint32 indexed service, uint32 indexed operator);
    /// An operator left a service: it has no seats in committees that are closed from now on.
    event OptedOut(uint32 indexed service, uint32 indexed operator);
    /// Another committee from `fromEpoch` on. Emitted outside of transactions as a rule, so that only traces of blocks show it:
    /// programs ask for `committee`.
    event CommitteeSet(uint32 indexed service, uint64 indexed fromEpoch, uint32 seats, uint64[] members);
    /// The committee of `epoch` is that of the epoch before, because closing failed.
    event CommitteeKept(uint32 indexed service, uint64 indexed epoch, bytes reason);

    /// There are not so many services.
    error NoSuchService(uint32 service);
    /// The caller is not the service's steward.
    error NotTheSteward(uint32 service);
    /// That cannot be done to a service in this state.
    error WrongState(uint32 service, ServiceState state);
    /// Less than `creationFee` was sent, or something when there is none.
    error WrongFee(uint256 sent, uint256 fee);
    /// Not 1 to `MAX_SEATS` seats.
    error InvalidSeats(uint32 seats);
    /// The operator is in the service already, or is not.
    error MembershipUnchanged(uint32 service, uint32 operator);
    /// The operator has less than the service asks for.
    error StakeTooLow(uint256 stake, uint256 minStake);
    /// The operator is in another service, and one of the two does not share stake; or it was until too short a time ago.
    error StakeNotShared(uint32 operator);
    /// The service has `MAX_MEMBERS`, and `displaced` is none of them or has no less stake.
    error ServiceFull(uint32 displaced);
    /// The service's operators can still be punished.
    error StillAnswerable(uint64 untilEpoch);
    /// No operator qualifies.
    error NoCandidates();
    /// Only the contract itself may.
    error NotSelf();
    /// The committee of that epoch may still change, or there is none.
    error NotFixed(uint32 service, uint64 epoch);
    /// The committee has not so many members.
    error NoSuchMember(uint32 index);
    /// The bitmap has not `⌈members / 8⌉` bytes, or names a member that does not exist.
    error InvalidBitmap();

    /// @notice Creates a service; the caller is its steward. Costs `creationFee`, which is burnt; nothing in the genesis block.
    /// @return service Its number.
    function create(ServiceKind kind, Allocation allocation, address slasher, uint32 seats, uint128 minStake)
        external
        payable
        returns (uint32 service);

    /// @notice Has committees closed from now on. Only the steward, of a pending service.
    function activate(uint32 service) external;

    /// @notice Stops a service's changes. Only the steward, of a pending or active one.
    function drain(uint32 service) external;

    /// @notice Ends a service when its operators cannot be punished any more. Anybody may.
    function close(uint32 service) external;

    /// @notice Puts the calling operator into a service.
    /// @param displaced Whose place it takes when the service is full: a member with less active stake. Else it does not matter.
    function optIn(uint32 service, uint32 displaced) external;

    /// @notice Takes the calling operator out of a service. It can be punished for `UNBONDING_EPOCHS` more.
    function optOut(uint32 service) external;

    /// @notice Takes an operator out of a service that has less active stake than it asks for. Anybody may.
    function evict(uint32 service, uint32 operator) external;

    /// @notice Closes what is to be closed in this epoch, as far as the gas goes; does nothing when all is. Blocks call it before their
    /// transactions; anybody else may, too.
    function closeEpoch() external;

    /// @notice Closes the committee of one service. Only the contract itself.
    function closeService(uint32 service) external;

    /// @notice How many services were created.
    function serviceCount() external view returns (uint32);

    /// @notice One service.
    function serviceOf(uint32 service) external view returns (Service memory);

    /// @notice Who may punish a service's operators.
    function slasherOf(uint32 service) external view returns (address);

    /// @notice The operators in a service.
    function membersOf(uint32 service) external view returns (uint32[] memory operators);

    /// @notice Whether an operator was in a service in an epoch, or is still answerable to it.
    function wasMember(uint32 service, uint32 operator, uint64 atEpoch) external view returns (bool);

    /// @notice The committee of an epoch, up to the next one, in the order of their seats.
    /// @return seats How many there are.
    /// @return members Who has them. A member's index is its place here.
    function committee(uint32 service, uint64 atEpoch) external view returns (uint32 seats, Member[] memory members);

    /// @notice One member of the committee of an epoch.
    /// @return seats How many there are in all.
    function memberOf(uint32 service, uint64 atEpoch, uint32 index)
        external
        view
        returns (uint32 seats, Member memory member);

    /// @notice The members of an epoch's committee that a bitmap names, and the sum of their BLS keys.
    /// @param bitmap Member `i` is bit `i % 8` (least significant first) of byte `i / 8`.
    /// @return key Sum of their keys, 128 bytes; all zero when it is the point at infinity.
    /// @return seats How many seats there are in all.
    /// @return members Who they are, in the order of their indices.
    function signers(uint32 service, uint64 atEpoch, bytes calldata bitmap)
        external
        view
        returns (bytes memory key, uint32 seats, Member[] memory members);

    /// @notice What creating a service costs, wei.
    function creationFee() external view returns (uint256);
}
