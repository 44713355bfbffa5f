// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title BLS signatures on BLS12-381 with public keys in G1, checked with the precompiles of EIP-2537.
/// @notice Conforms to draft-irtf-cfrg-bls-signature; messages are hashed by RFC 9380. Points are uncompressed, as EIP-2537 encodes them:
/// field elements are 64 bytes big endian, a point of G1 is `x | y` (128 bytes), one of G2 `x.c0 | x.c1 | y.c0 | y.c1` (256 bytes), the
/// point at infinity all zeros.
library Bls12381 {
    /// Suite of ordinary signatures, for keys whose possession was proven.
    bytes internal constant SIGNATURE_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    /// Suite of proofs of possession.
    bytes internal constant POSSESSION_DST = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

    uint256 internal constant G1_BYTES = 128;
    uint256 internal constant G2_BYTES = 256;

    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant G2_ADD = address(0x0d);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_FP2_TO_G2 = address(0x11);

    // The field's modulus p, and (p − 1) / 2: above it, a y coordinate counts as the greater of the two.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    uint256 private constant HALF_P_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_P_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    // The generator of G1, negated.
    uint256 private constant NEGATED_G1_X_HIGH = 0x17f1d3a73197d7942695638c4fa9ac0f;
    uint256 private constant NEGATED_G1_X_LOW = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    uint256 private constant NEGATED_G1_Y_HIGH = 0x114d1d6855d545a8aa7d76c8cf2e21f2;
    uint256 private constant NEGATED_G1_Y_LOW = 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca;

    /// A precompile refused its input (or this chain lacks it).
    error PrecompileFailed(address precompile);

    /// @notice Whether `signature` is `key`'s signature of `message` under the suite `dst`.
    /// @dev False for points that are not on the curve or not in the right subgroup, and for a key at infinity. The pairing precompile
    /// makes these checks; it takes all the gas it was given when one fails.
    function verify(bytes memory key, bytes memory message, bytes memory signature, bytes memory dst)
        internal
        view
        returns (bool)
    {
        if (key.length != G1_BYTES || signature.length != G2_BYTES || isInfinity(key)) return false;
        (bool success, bytes memory result) = PAIRING.staticcall(
            abi.encodePacked(
                NEGATED_G1_X_HIGH, NEGATED_G1_X_LOW, NEGATED_G1_Y_HIGH, NEGATED_G1_Y_LOW, signature, key, hashToG2(message, dst)
            )
        );
        return success && result.length == 32 && abi.decode(result, (uint256)) == 1;
    }

    /// @notice Sum of two points of G1.
    function add(bytes memory a, bytes memory b) internal view returns (bytes memory) {
        return _call(G1_ADD, bytes.concat(a, b), G1_BYTES);
    }

    /// @notice Sum of those of `keys`, 128 bytes each, that a bitmap names: key `i` by bit `i % 8` (least significant first) of byte `i / 8`.
    /// @return key All zero when it is the point at infinity.
    /// @return count How many they are.
    function sum(bytes calldata keys, bytes calldata bitmap) internal view returns (bytes memory key, uint256 count) {
        // The sum, and after it the next key: where the precompile reads both.
        bytes memory terms = new bytes(2 * G1_BYTES);
        bool success = true;
        for (uint256 i = 0; i < keys.length / G1_BYTES; i++) {
            if ((uint8(bitmap[i / 8]) >> (i % 8)) & 1 == 0) continue;
            count++;
            assembly ("memory-safe") {
                calldatacopy(add(terms, 160), add(keys.offset, mul(i, 128)), 128)
                success := and(success, staticcall(gas(), 0x0b, add(terms, 32), 256, add(terms, 32), 128))
            }
        }
        if (!success) revert PrecompileFailed(G1_ADD);
        assembly ("memory-safe") {
            // The first half is left.
            mstore(terms, 128)
        }
        key = terms;
    }

    /// @notice A point of G1 with its sign turned; `point` is on the curve.
    function negate(bytes memory point) internal pure returns (bytes memory) {
        if (isInfinity(point)) return point;
        (uint256 xHigh, uint256 xLow, uint256 yHigh, uint256 yLow) = _words(point);
        unchecked {
            // y < p, hence no borrow beyond the high words.
            return abi.encodePacked(xHigh, xLow, P_HIGH - yHigh - (yLow > P_LOW ? 1 : 0), P_LOW - yLow);
        }
    }

    /// @notice Whether a point is the point at infinity.
    function isInfinity(bytes memory point) internal pure returns (bool) {
        (uint256 a, uint256 b, uint256 c, uint256 d) = _words(point);
        return (a | b | c | d) == 0;
    }

    /// @notice A point of G1 other than infinity in the 48 bytes of the ZCash format, which proofs of possession sign.
    function compress(bytes memory point) internal pure returns (bytes memory) {
        (uint256 xHigh, uint256 xLow, uint256 yHigh, uint256 yLow) = _words(point);
        bool greater = yHigh > HALF_P_HIGH || (yHigh == HALF_P_HIGH && yLow > HALF_P_LOW);
        uint256 flags = greater ? 0xa0 : 0x80;
        return abi.encodePacked(uint128(xHigh | (flags << 120)), xLow);
    }

    /// @notice RFC 9380 `hash_to_curve` for the suite BLS12381G2_XMD:SHA-256_SSWU_RO.
    function hashToG2(bytes memory message, bytes memory dst) internal view returns (bytes memory) {
        bytes32[8] memory uniform = _expandMessage(message, dst);
        // The map clears the cofactor; that is linear, so it may come before the sum.
        bytes memory first = _call(MAP_FP2_TO_G2, bytes.concat(_reduce(uniform, 0), _reduce(uniform, 1)), G2_BYTES);
        bytes memory second = _call(MAP_FP2_TO_G2, bytes.concat(_reduce(uniform, 2), _reduce(uniform, 3)), G2_BYTES);
        return _call(G2_ADD, bytes.concat(first, second), G2_BYTES);
    }

    /// @dev RFC 9380 §5.3.1 `expand_message_xmd` with SHA-256, to 256 bytes.
    function _expandMessage(bytes memory message, bytes memory dst) private pure returns (bytes32[8] memory uniform) {
        bytes memory dstPrime = abi.encodePacked(dst, uint8(dst.length));
        bytes32 b0 = sha256(abi.encodePacked(new bytes(64), message, uint16(256), uint8(0), dstPrime));
        bytes32 previous = 0;
        for (uint256 i = 0; i < 8; i++) {
            previous = sha256(abi.encodePacked(b0 ^ previous, uint8(i + 1), dstPrime));
            uniform[i] = previous;
        }
    }

    /// @dev The 64 bytes at `64 · index`, big endian, modulo p.
    function _reduce(bytes32[8] memory uniform, uint256 index) private view returns (bytes memory) {
        return _call(
            MODEXP,
            // Lengths of base, exponent and modulus; then base^1 mod p.
            abi.encodePacked(
                uint256(64), uint256(1), uint256(64), uniform[2 * index], uniform[2 * index + 1], uint8(1), P_HIGH, P_LOW
            ),
            64
        );
    }

    function _words(bytes memory point) private pure returns (uint256 a, uint256 b, uint256 c, uint256 d) {
        return abi.decode(point, (uint256, uint256, uint256, uint256));
    }

    function _call(address precompile, bytes memory input, uint256 outputBytes) private view returns (bytes memory) {
        (bool success, bytes memory output) = precompile.staticcall(input);
        if (!success || output.length != outputBytes) revert PrecompileFailed(precompile);
        return output;
    }
}
