// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title A test token that stands for a dollar: nothing backs it. Local networks mint all of it in genesis.
/// @notice ERC-20 with six decimals, ERC-2612 permits and ERC-3009 authorizations, all under the EIP-712 domain ("USDX", "1").
/// There is no owner, no further minting and no freezing. Below are the forms of ERC-3009 that take a signature as bytes, as USD Coin has
/// them: an owner that is a contract signs by ERC-1271.
contract USDX is ERC20Permit, ERC3009 {
    /// @param faucet Account that receives all of it.
    /// @param supply Millionths of a USDX.
    constructor(address faucet, uint256 supply) ERC20("USDX", "USDX") ERC20Permit("USDX") {
        _mint(faucet, supply);
    }

    /// @notice Six, as the dollars it stands for have elsewhere.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Moves `value` from `from` to `to` under the owner's signature; anybody may call it, once, while
    /// `validAfter < now < validBefore`.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _checkSignature(
            from,
            keccak256(abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice The same, and only `to` may call it, so that nobody can use the authorization apart from the payee's own transaction.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _checkSignature(
            from,
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Makes an unused authorization useless.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _checkSignature(
            authorizer, keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), signature
        );
        _cancelAuthorization(authorizer, nonce);
    }

    function _checkSignature(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNow(signer, _hashTypedDataV4(structHash), signature)) {
            revert ERC3009InvalidSignature();
        }
    }
}
