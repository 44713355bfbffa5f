// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title ERC-3009: transfers that the owner signs and anybody sends.
/// @notice An authorization holds while `validAfter < now < validBefore` and once: its nonce is any 32 bytes its owner has not used.
interface IERC3009 {
    /// An authorization was used.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    /// An authorization was made useless by its owner.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// The authorization does not hold yet.
    error AuthorizationNotYetValid(uint256 validAfter);
    /// The authorization does not hold any more.
    error AuthorizationExpired(uint256 validBefore);
    /// The authorization was used or cancelled.
    error AuthorizationUsedOrCanceled(address authorizer, bytes32 nonce);
    /// Only the payee may use a `ReceiveWithAuthorization`.
    error CallerMustBePayee(address caller, address payee);
    /// The signature is not the owner's.
    error InvalidAuthorization(address authorizer);

    /// @notice Whether a nonce is used or cancelled.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

    /// @notice Moves `value` from `from` to `to` under the owner's signature.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the signature as bytes; an owner that is a contract signs by ERC-1271.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice The same, and only `to` may call it, so that nobody can use the authorization apart from the payee's own transaction.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the signature as bytes.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Makes an unused authorization useless.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice The same with the signature as bytes.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;
}
