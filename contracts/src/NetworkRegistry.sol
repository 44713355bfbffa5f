// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Epochs} from "./Epochs.sol";
import {Seats} from "./Seats.sol";
import {
    Allocation, INetworkRegistry, Member, Service, ServiceKind, ServiceState
} from "./interfaces/INetworkRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title The services that one stake secures: who is in them, and with how many seats in which epoch.
contract NetworkRegistry is Epochs, INetworkRegistry {
    /// Operators of a service at most: what closing a committee can read within `CLOSE_GAS`.
    uint256 public constant MAX_MEMBERS = 256;
    /// Seats of a committee at most: with 600, an operator has at least five rows a seat of a standard blob.
    uint32 public constant MAX_SEATS = 600;
    /// Gas that closing one committee may use; a test measures what the largest takes.
    uint256 public constant CLOSE_GAS = 20_000_000;
    /// Gas that `closeEpoch` keeps for itself, and more than the sixty-fourth that a call holds back.
    uint256 private constant RESERVED_GAS = 1_000_000;

    /// The operators.
    IOperatorRegistry public immutable registry;
    /// What is at stake.
    IStakeVault public immutable vault;
    /// @inheritdoc INetworkRegistry
    uint256 public immutable creationFee;

    /// @dev A committee, from an epoch on. Each member is `operator (32) | end of its seats (32)`; they begin where the last one's end.
    struct Committee {
        uint64 fromEpoch;
        uint32 seats;
        bytes32[4] aggregateKey;
        uint64[] members;
    }

    /// @dev An operator's time in a service. `placePlusOne` is 0 while it is out.
    struct Membership {
        uint32 placePlusOne;
        bool known;
        uint64 sinceEpoch;
        uint64 untilEpoch;
    }

    /// @dev What binds an operator's stake.
    struct Bound {
        /// Services that share it, and whether one does not.
        uint32 shared;
        bool unique;
        /// Epoch until which services can punish it that it left.
        uint64 sharedUntil;
        uint64 uniqueUntil;
    }

    Service[] private _services;
    mapping(uint32 service => uint32[]) private _members;
    mapping(uint32 service => mapping(uint32 operator => Membership)) private _memberships;
    mapping(uint32 operator => Bound) private _bounds;
    mapping(uint32 service => Committee[]) private _committees;
    /// @dev The epoch that is being closed, one more, and the next service to close in it.
    uint64 private _closingPlusOne;
    uint32 private _nextService;

    /// @param operators The operators.
    /// @param stakes What is at stake.
    /// @param fee What creating a service costs, wei.
    /// @param blocks Blocks of an epoch.
    constructor(IOperatorRegistry operators, IStakeVault stakes, uint256 fee, uint64 blocks) Epochs(blocks) {
        registry = operators;
        vault = stakes;
        creationFee = fee;
    }

    /// @inheritdoc INetworkRegistry
    function create(ServiceKind kind, Allocation allocation, address slasher, uint32 seats, uint128 minStake)
        external
        payable
        returns (uint32 service)
    {
        uint256 fee = block.number == 0 ? 0 : creationFee;
        if (msg.value != fee) revert WrongFee(msg.value, fee);
        if (seats == 0 || seats > MAX_SEATS) revert InvalidSeats(seats);
        service = uint32(_services.length);
        _services.push(
            Service({
                steward: msg.sender,
                slasher: slasher,
                kind: kind,
                allocation: allocation,
                state: ServiceState.Pending,
                seats: seats,
                drainedEpoch: 0,
                // A stake of nothing has no part of anything.
                minStake: minStake == 0 ? 1 : minStake
            })
        );
        emit ServiceCreated(service, msg.sender, kind, allocation, slasher, seats, minStake);
        // The zero address has no code and no key.
        (bool success,) = address(0).call{value: fee}("");
        assert(success);
    }

    /// @inheritdoc INetworkRegistry
    function activate(uint32 service) external {
        Service storage entry = _stewarded(service);
        if (entry.state != ServiceState.Pending) revert WrongState(service, entry.state);
        _move(service, ServiceState.Active);
        // In the genesis block there is no epoch before to close it in.
        if (block.number == 0) this.closeService(service);
    }

    /// @inheritdoc INetworkRegistry
    function drain(uint32 service) external {
        Service storage entry = _stewarded(service);
        if (entry.state > ServiceState.Active) revert WrongState(service, entry.state);
        entry.drainedEpoch = epoch();
        _move(service, ServiceState.Draining);
    }

    /// @inheritdoc INetworkRegistry
    function close(uint32 service) external {
        Service storage entry = _service(service);
        if (entry.state != ServiceState.Draining) revert WrongState(service, entry.state);
        uint64 end = entry.drainedEpoch + UNBONDING_EPOCHS;
        if (epoch() < end) revert StillAnswerable(end);
        _move(service, ServiceState.Closed);
    }

    /// @inheritdoc INetworkRegistry
    function optIn(uint32 service, uint32 displaced) external {
        uint32 operator = registry.numberOf(msg.sender);
        Service storage entry = _service(service);
        if (entry.state > ServiceState.Active) revert WrongState(service, entry.state);
        Membership storage own = _memberships[service][operator];
        if (own.placePlusOne != 0) revert MembershipUnchanged(service, operator);
        uint128 stake = vault.stakeOf(operator).active;
        if (stake < entry.minStake) revert StakeTooLow(stake, entry.minStake);
        _bind(operator, entry.allocation == Allocation.Unique);

        uint32[] storage members = _members[service];
        if (members.length == MAX_MEMBERS) {
            if (_memberships[service][displaced].placePlusOne == 0 || vault.stakeOf(displaced).active >= stake) {
                revert ServiceFull(displaced);
            }
            _remove(service, displaced);
        }
        members.push(operator);
        uint64 current = epoch();
        // Who comes back while it can still be punished for its first time, can be all along.
        if (!own.known || current > own.untilEpoch + UNBONDING_EPOCHS + SLASH_WINDOW) own.sinceEpoch = current;
        (own.placePlusOne, own.known) = (uint32(members.length), true);
        emit OptedIn(service, operator);
    }

    /// @inheritdoc INetworkRegistry
    function optOut(uint32 service) external {
        _remove(service, registry.numberOf(msg.sender));
    }

    /// @inheritdoc INetworkRegistry
    function evict(uint32 service, uint32 operator) external {
        uint128 stake = vault.stakeOf(operator).active;
        uint128 least = _service(service).minStake;
        if (stake >= least) revert MembershipUnchanged(service, operator);
        _remove(service, operator);
    }

    /// @inheritdoc INetworkRegistry
    function closeEpoch() external {
        uint64 current = epoch();
        uint32 count = uint32(_services.length);
        uint32 next = _closingPlusOne == current + 1 ? _nextService : 0;
        if (next == count && _closingPlusOne == current + 1) return;
        // What was not reached in its epoch keeps its committee.
        while (next < count && gasleft() > CLOSE_GAS + RESERVED_GAS) {
            uint32 service = next++;
            if (_services[service].state != ServiceState.Active) continue;
            try this.closeService{gas: CLOSE_GAS}(service) {}
            catch (bytes memory reason) {
                emit CommitteeKept(service, current + LOOKAHEAD, reason);
            }
        }
        (_closingPlusOne, _nextService) = (current + 1, next);
    }

    /// @inheritdoc INetworkRegistry
    function closeService(uint32 service) external {
        if (msg.sender != address(this)) revert NotSelf();
        (uint32[] memory operators, uint256[] memory stakes) = _candidates(service);
        if (operators.length == 0) revert NoCandidates();
        uint64[] memory members = _seat(operators, Seats.apportion(stakes, _services[service].seats));
        _store(service, members);
    }

    /// @inheritdoc INetworkRegistry
    function serviceCount() external view returns (uint32) {
        return uint32(_services.length);
    }

    /// @inheritdoc INetworkRegistry
    function serviceOf(uint32 service) external view returns (Service memory) {
        return _service(service);
    }

    /// @inheritdoc INetworkRegistry
    function slasherOf(uint32 service) external view returns (address) {
        return _service(service).slasher;
    }

    /// @inheritdoc INetworkRegistry
    function membersOf(uint32 service) external view returns (uint32[] memory) {
        return _members[service];
    }

    /// @inheritdoc INetworkRegistry
    function wasMember(uint32 service, uint32 operator, uint64 atEpoch) external view returns (bool) {
        Membership storage own = _memberships[service][operator];
        if (!own.known || atEpoch < own.sinceEpoch) return false;
        return own.placePlusOne != 0 || atEpoch <= own.untilEpoch + UNBONDING_EPOCHS;
    }

    /// @inheritdoc INetworkRegistry
    function committee(uint32 service, uint64 atEpoch) external view returns (uint32 seats, Member[] memory members) {
        Committee storage found = _committee(service, atEpoch);
        members = new Member[](found.members.length);
        for (uint256 i = 0; i < members.length; i++) members[i] = _member(found, i);
        return (found.seats, members);
    }

    /// @inheritdoc INetworkRegistry
    function memberOf(uint32 service, uint64 atEpoch, uint32 index)
        external
        view
        returns (uint32 seats, Member memory member)
    {
        Committee storage found = _committee(service, atEpoch);
        if (index >= found.members.length) revert NoSuchMember(index);
        return (found.seats, _member(found, index));
    }

    /// @inheritdoc INetworkRegistry
    function signers(uint32 service, uint64 atEpoch, bytes calldata bitmap)
        external
        view
        returns (bytes memory key, uint32 seats, Member[] memory members)
    {
        Committee storage found = _committee(service, atEpoch);
        uint256 total = found.members.length;
        if (bitmap.length != (total + 7) / 8) revert InvalidBitmap();
        if (total % 8 != 0 && uint8(bitmap[bitmap.length - 1]) >> (total % 8) != 0) revert InvalidBitmap();
        uint256 count = 0;
        for (uint256 i = 0; i < total; i++) {
            if (_contains(bitmap, i)) count++;
        }

        // Few signers are added up; if they are many, the absent are taken from the sum of all.
        bool fromAll = 2 * count > total;
        key = fromAll ? abi.encode(found.aggregateKey) : new bytes(Bls12381.G1_BYTES);
        seats = found.seats;
        members = new Member[](count);
        uint256 next = 0;
        for (uint256 i = 0; i < total; i++) {
            bool signed = _contains(bitmap, i);
            if (signed) members[next++] = _member(found, i);
            if (signed != fromAll) {
                bytes memory term = abi.encode(registry.keyOf(uint32(found.members[i] >> 32)));
                key = Bls12381.add(key, fromAll ? Bls12381.negate(term) : term);
            }
        }
    }

    /// @dev Members of a service with enough stake at this epoch's beginning that are not in jail, and that stake.
    function _candidates(uint32 service) private view returns (uint32[] memory operators, uint256[] memory stakes) {
        operators = _members[service];
        stakes = new uint256[](operators.length);
        uint128 least = _services[service].minStake;
        uint64 current = epoch();
        uint256 count = 0;
        for (uint256 i = 0; i < operators.length; i++) {
            uint32 operator = operators[i];
            uint128 stake = vault.stakeAt(operator, current);
            if (stake < least || registry.jailedUntil(operator) > current) continue;
            (operators[count], stakes[count]) = (operator, stake);
            count++;
        }
        assembly ("memory-safe") {
            // Both arrays become shorter.
            mstore(operators, count)
            mstore(stakes, count)
        }
    }

    /// @dev The members that have seats, packed as `Committee` has them.
    function _seat(uint32[] memory operators, uint256[] memory given) private pure returns (uint64[] memory members) {
        members = new uint64[](operators.length);
        uint256 count = 0;
        uint256 end = 0;
        for (uint256 i = 0; i < operators.length; i++) {
            if (given[i] == 0) continue;
            end += given[i];
            members[count++] = uint64(operators[i]) << 32 | uint64(end);
        }
        assembly ("memory-safe") {
            mstore(members, count)
        }
    }

    /// @dev Stores a committee unless it is the last one.
    function _store(uint32 service, uint64[] memory members) private {
        Committee[] storage all = _committees[service];
        uint256 count = all.length;
        bytes32[4] memory aggregate;
        if (count != 0) {
            uint64[] memory last = all[count - 1].members;
            if (keccak256(abi.encodePacked(last)) == keccak256(abi.encodePacked(members))) return;
            if (_sameOperators(last, members)) aggregate = all[count - 1].aggregateKey;
        }
        if (aggregate[0] | aggregate[1] == 0) aggregate = _sum(members);
        uint64 from = block.number == 0 ? 0 : epoch() + LOOKAHEAD;
        Committee storage added = all.push();
        uint32 seats = uint32(members[members.length - 1]);
        (added.fromEpoch, added.seats, added.aggregateKey, added.members) = (from, seats, aggregate, members);
        emit CommitteeSet(service, from, seats, members);
    }

    function _sameOperators(uint64[] memory a, uint64[] memory b) private pure returns (bool) {
        if (a.length != b.length) return false;
        for (uint256 i = 0; i < a.length; i++) {
            if (a[i] >> 32 != b[i] >> 32) return false;
        }
        return true;
    }

    /// @dev Sum of the members' keys.
    function _sum(uint64[] memory members) private view returns (bytes32[4] memory) {
        bytes memory key = new bytes(Bls12381.G1_BYTES);
        for (uint256 i = 0; i < members.length; i++) {
            key = Bls12381.add(key, abi.encode(registry.keyOf(uint32(members[i] >> 32))));
        }
        return abi.decode(key, (bytes32[4]));
    }

    /// @dev The last committee that began by an epoch.
    function _committee(uint32 service, uint64 atEpoch) private view returns (Committee storage) {
        Committee[] storage all = _committees[service];
        // The one after the next may still be closed in this epoch.
        if (atEpoch > epoch() + LOOKAHEAD - 1) revert NotFixed(service, atEpoch);
        (uint256 low, uint256 high) = (0, all.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (all[middle].fromEpoch <= atEpoch) low = middle + 1;
            else high = middle;
        }
        if (low == 0) revert NotFixed(service, atEpoch);
        return all[low - 1];
    }

    function _member(Committee storage found, uint256 index) private view returns (Member memory) {
        uint64 packed = found.members[index];
        uint32 operator = uint32(packed >> 32);
        uint32 first = index == 0 ? 0 : uint32(found.members[index - 1]);
        return Member(operator, first, uint32(packed), registry.accountOf(operator));
    }

    /// @dev Binds an operator's stake to one more service.
    function _bind(uint32 operator, bool unique) private {
        Bound storage bound = _bounds[operator];
        uint64 current = epoch();
        bool freeOfUnique = !bound.unique && current >= bound.uniqueUntil;
        bool free = unique ? freeOfUnique && bound.shared == 0 && current >= bound.sharedUntil : freeOfUnique;
        if (!free) revert StakeNotShared(operator);
        if (unique) bound.unique = true;
        else bound.shared++;
    }

    /// @dev Takes an operator out of a service; the last of the list takes its place.
    function _remove(uint32 service, uint32 operator) private {
        Membership storage own = _memberships[service][operator];
        uint32 placePlusOne = own.placePlusOne;
        if (placePlusOne == 0) revert MembershipUnchanged(service, operator);
        uint32[] storage members = _members[service];
        uint32 last = members[members.length - 1];
        members[placePlusOne - 1] = last;
        _memberships[service][last].placePlusOne = placePlusOne;
        members.pop();
        (own.placePlusOne, own.untilEpoch) = (0, epoch());

        Bound storage bound = _bounds[operator];
        uint64 until = epoch() + UNBONDING_EPOCHS;
        if (_services[service].allocation == Allocation.Unique) (bound.unique, bound.uniqueUntil) = (false, until);
        else (bound.shared, bound.sharedUntil) = (bound.shared - 1, until);
        emit OptedOut(service, operator);
    }

    function _move(uint32 service, ServiceState state) private {
        _services[service].state = state;
        emit ServiceMoved(service, state);
    }

    function _stewarded(uint32 service) private view returns (Service storage entry) {
        entry = _service(service);
        if (msg.sender != entry.steward) revert NotTheSteward(service);
    }

    function _service(uint32 service) private view returns (Service storage) {
        if (service >= _services.length) revert NoSuchService(service);
        return _services[service];
    }

    function _contains(bytes calldata bitmap, uint256 index) private pure returns (bool) {
        return (uint8(bitmap[index / 8]) >> (index % 8)) & 1 == 1;
    }
}
