// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Epochs} from "./Epochs.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";
import {
    Ceremony, CeremonyResult, DealerLog, IRandomnessBeacon, Sharing, Standing
} from "./interfaces/IRandomnessBeacon.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";

/// @title One random number for each height, which nobody can choose or foresee.
contract RandomnessBeacon is Epochs, IRandomnessBeacon {
    /// Heights whose values are kept, as many as EIP-2935 keeps block hashes.
    uint64 public constant HISTORY = 8_191;
    /// Longest log, bytes: that of a committee of 128 seats takes 27 KiB.
    uint256 public constant MAX_LOG_BYTES = 32 * 1024;
    /// Bytes of a signature: a compressed point of G1.
    uint256 public constant SIGNATURE_BYTES = 48;
    /// Sharings that are kept: those of the last epoch, of this one and of the next may be three.
    uint256 private constant SHARINGS = 3;
    /// Epochs whose logs are kept. Later ones take their place, so that what the beacon stores stays the same.
    uint64 private constant ROUNDS = 2;
    /// Who calls for the protocol, as in EIP-2935.
    address private constant PROTOCOL = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// Where vote keys are.
    IValidatorRegistry public immutable validators;
    /// The service whose operators hold the key.
    uint32 public immutable service;
    /// @inheritdoc IRandomnessBeacon
    bytes32 public immutable dealt;

    /// @dev A signature in two words, the second with its height.
    struct Signed {
        bytes32 head;
        bytes16 tail;
        uint64 height;
    }

    /// @dev The logs of an epoch.
    struct Round {
        uint64 epochPlusOne;
        uint32 count;
        mapping(uint256 place => DealerLog) logs;
    }

    bytes private _publicKey;
    uint64 private _next;
    uint64 private _latest;
    uint64 private _concluded;
    uint64 private _sharingCount;
    mapping(uint256 place => Signed) private _signed;
    mapping(uint256 place => Sharing) private _sharings;
    mapping(uint256 place => Round) private _rounds;
    mapping(uint64 epoch => Ceremony) private _ceremonies;
    /// @dev The last epoch in which a seat posted, plus one.
    mapping(uint32 operator => mapping(uint256 seat => uint64 epochPlusOne)) private _postedIn;
    /// @dev Seeds of epochs whose value came in time. They are kept for good, for what was shuffled by them is.
    mapping(uint64 epoch => bytes32) private _seeds;
    /// @dev Those epochs, ascending.
    uint64[] private _seeded;

    /// @dev In genesis, where `block.prevrandao` is what the network was dealt.
    /// @param services Where committees are.
    /// @param keys Where vote keys are.
    /// @param consensus The service whose operators hold the key.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(INetworkRegistry services, IValidatorRegistry keys, uint32 consensus, uint64 blocks) Epochs(blocks) {
        networks = services;
        validators = keys;
        service = consensus;
        dealt = bytes32(block.prevrandao);
    }

    /// @inheritdoc IRandomnessBeacon
    function post(uint64 epoch_, uint32 index, uint256 seat, bytes calldata log) external {
        if (epoch_ != epoch() || _inLastQuarter()) revert WrongMoment(epoch_);
        if (log.length == 0 || log.length > MAX_LOG_BYTES) revert LogLength(log.length);
        uint32 operator = _dealer(index, seat);
        if (_postedIn[operator][seat] == epoch_ + 1) revert LogPostedBefore(operator, seat);
        _postedIn[operator][seat] = epoch_ + 1;

        Round storage round = _rounds[epoch_ % ROUNDS];
        if (round.epochPlusOne != epoch_ + 1) (round.epochPlusOne, round.count) = (epoch_ + 1, 0);
        round.logs[round.count++] = DealerLog(operator, uint32(seat), log);
        emit LogPosted(epoch_, operator, seat, log.length);
    }

    /// @inheritdoc IRandomnessBeacon
    function conclude(uint64 epoch_, Ceremony calldata ended, bytes calldata key, bytes calldata output) external {
        if (msg.sender != PROTOCOL) revert NotTheProtocol();
        if (epoch_ != epoch() || !_inLastQuarter() || _concluded > epoch_) revert WrongMoment(epoch_);
        _concluded = epoch_ + 1;
        CeremonyResult result = CeremonyResult.Kept;
        if (output.length != 0) {
            result = _publicKey.length == 0 ? CeremonyResult.Made : CeremonyResult.Reshared;
            if (result == CeremonyResult.Made) (_publicKey, _next) = (key, (epoch_ + 1) * epochBlocks);
            else if (keccak256(_publicKey) != keccak256(key)) revert KeyChanged();
            _sharings[_sharingCount++ % SHARINGS] = Sharing(epoch_ + 1, output);
        }
        _ceremonies[epoch_] = Ceremony(result, ended.posted, ended.counted, ended.required);
    }

    /// @inheritdoc IRandomnessBeacon
    function record(uint64 first, bytes calldata signatures) external {
        if (msg.sender != PROTOCOL) revert NotTheProtocol();
        if (_next == 0 || first != nextHeight() || signatures.length % SIGNATURE_BYTES != 0) revert NotTheNext(first);
        (uint64 height, uint64 seeding) = (first, epoch() * epochBlocks);
        for (uint256 offset = 0; offset < signatures.length; offset += SIGNATURE_BYTES) {
            _signed[height % HISTORY] =
                Signed(bytes32(signatures[offset:]), bytes16(signatures[offset + 32:]), height);
            // In its own epoch: what comes in the next is too late, for that epoch has its seed by then.
            if (height == seeding) _fixSeed(signatures[offset:offset + SIGNATURE_BYTES]);
            height++;
        }
        (_next, _latest) = (height, height - 1);
    }

    /// @inheritdoc IRandomnessBeacon
    function valueOf(uint64 height) public view returns (bytes32) {
        return sha256(signatureOf(height));
    }

    /// @inheritdoc IRandomnessBeacon
    function signatureOf(uint64 height) public view returns (bytes memory) {
        Signed storage signed = _signed[height % HISTORY];
        // No value is of height 0: the key is made after it.
        if (height == 0 || signed.height != height) revert NoValue(height);
        return bytes.concat(signed.head, signed.tail);
    }

    /// @inheritdoc IRandomnessBeacon
    function latest() external view returns (uint64 height, bytes32 value) {
        return (_latest, valueOf(_latest));
    }

    /// @inheritdoc IRandomnessBeacon
    function nextHeight() public view returns (uint64) {
        uint64 current = epoch();
        if (_next == 0 || current == 0) return _next;
        uint64 oldest = (current - 1) * epochBlocks;
        return _next < oldest ? oldest : _next;
    }

    /// @inheritdoc IRandomnessBeacon
    function seedOf(uint64 epoch_) external view returns (bytes32) {
        bytes32 own = _seeds[epoch_];
        if (own != 0) return own;
        uint64 current = epoch();
        // Until its value has come or was passed over, the next epoch may still get one.
        bool expected = epoch_ == current + 1 && _next != 0 && _next <= current * epochBlocks;
        if (epoch_ > current + 1 || expected) revert SeedNotFixed(epoch_);
        (uint256 low, uint256 high) = (0, _seeded.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_seeded[middle] < epoch_) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? dealt : _seeds[_seeded[low - 1]];
    }

    /// @inheritdoc IRandomnessBeacon
    function publicKey() external view returns (bytes memory) {
        return _publicKey;
    }

    /// @inheritdoc IRandomnessBeacon
    function ceremonyOf(uint64 epoch_) external view returns (Ceremony memory) {
        return _ceremonies[epoch_];
    }

    /// @inheritdoc IRandomnessBeacon
    function holdersEpoch() public view returns (uint64) {
        if (_sharingCount == 0) return epoch();
        return _sharings[(_sharingCount - 1) % SHARINGS].fromEpoch;
    }

    /// @inheritdoc IRandomnessBeacon
    function standing() external view returns (Standing memory) {
        bytes memory signature = _latest == 0 ? bytes("") : signatureOf(_latest);
        return Standing(_concluded, nextHeight(), _latest, signature, _publicKey);
    }

    /// @inheritdoc IRandomnessBeacon
    function sharings() external view returns (Sharing[] memory found) {
        uint256 kept = _sharingCount < SHARINGS ? _sharingCount : SHARINGS;
        found = new Sharing[](kept);
        for (uint256 i = 0; i < kept; i++) found[i] = _sharings[(_sharingCount - kept + i) % SHARINGS];
    }

    /// @inheritdoc IRandomnessBeacon
    function logsOf(uint64 epoch_) external view returns (DealerLog[] memory logs) {
        Round storage round = _rounds[epoch_ % ROUNDS];
        if (round.epochPlusOne != epoch_ + 1) return logs;
        logs = new DealerLog[](round.count);
        for (uint256 i = 0; i < logs.length; i++) logs[i] = round.logs[i];
    }

    /// @dev The value of this epoch's first height is the next epoch's seed.
    function _fixSeed(bytes calldata signature) private {
        uint64 next = epoch() + 1;
        _seeds[next] = sha256(signature);
        _seeded.push(next);
    }

    /// @dev Whether logs are no longer taken in this epoch.
    function _inLastQuarter() private view returns (bool) {
        return (block.number % epochBlocks) * 4 >= uint256(epochBlocks) * 3;
    }

    /// @dev The caller's operator, if it has that seat of the committee that deals.
    function _dealer(uint32 index, uint256 seat) private view returns (uint32 operator) {
        uint64 holders = holdersEpoch();
        (, Member memory member) = networks.memberOf(service, holders, index);
        bool seated = seat < member.endSeat - member.firstSeat && seat < validators.keysAt(member.operator, holders);
        if (member.account != msg.sender || !seated) revert NotTheDealer(index, seat);
        return member.operator;
    }
}
