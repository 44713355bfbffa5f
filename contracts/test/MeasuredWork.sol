// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Work of two kinds, for measurements: writing state, and what precompiles compute.
contract MeasuredWork {
    /// Words that were written.
    mapping(uint256 place => uint256) public words;
    /// Depends on all that was computed.
    bytes32 public result;

    /// @notice Writes `count` words that nobody wrote before, if each sender takes places of its own, and reads each again.
    function write(uint256 first, uint256 count) external {
        uint256 sum;
        for (uint256 place = first; place < first + count; place++) {
            words[place] = place + 1;
            sum += words[place];
        }
        result = bytes32(sum);
    }

    /// @notice Recovers a signer, hashes a kilobyte twice, raises to a power, and adds, multiplies and pairs points of alt_bn128, `count` times.
    function compute(uint256 count) external {
        bytes32 running = result;
        bytes memory kilobyte = new bytes(1024);
        // G1's generator, and twice the pair (G1, G2) with one negated: their product is one.
        (uint256 x, uint256 y) = (1, 2);
        for (uint256 round = 0; round < count; round++) {
            running = keccak256(abi.encode(running, ecrecover(running, 27, bytes32(uint256(1)), bytes32(uint256(2)))));
            assembly ("memory-safe") {
                mstore(add(kilobyte, 32), running)
            }
            running = sha256(kilobyte) ^ bytes32(ripemd160(kilobyte));
            running ^= abi.decode(_ask(address(5), abi.encode(32, 32, 32, running, uint256(65537), type(uint256).max - 188)), (bytes32));
            (x, y) = abi.decode(_ask(address(7), abi.encode(x, y, uint256(running) >> 4)), (uint256, uint256));
            (x, y) = abi.decode(_ask(address(6), abi.encode(x, y, uint256(1), uint256(2))), (uint256, uint256));
            running ^= abi.decode(_ask(address(8), _paired()), (bytes32));
        }
        result = running;
    }

    /// @dev e(P, Q) · e(-P, Q), as the precompile takes it.
    function _paired() private pure returns (bytes memory) {
        bytes memory g2 = abi.encode(
            uint256(0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
            uint256(0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed),
            uint256(0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b),
            uint256(0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
        );
        uint256 minusTwo = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45;
        return bytes.concat(abi.encode(uint256(1), uint256(2)), g2, abi.encode(uint256(1), minusTwo), g2);
    }

    function _ask(address precompile, bytes memory input) private view returns (bytes memory) {
        (bool done, bytes memory output) = precompile.staticcall(input);
        require(done && output.length > 0, "a precompile refused");
        return output;
    }
}
