//! The test token: ERC-20, permits, authorizations.

use crate::{
    chain::{CHAIN_ID, Chain},
    keys::Wallet,
};
use alloy_sol_types::{SolStruct, sol};
use contracts::{
    FAUCET_SUPPLY,
    abi::USDX,
    addresses,
    typed_data::{
        ReceiveWithAuthorization, TransferWithAuthorization, receive_with_authorization_digest,
        transfer_with_authorization_digest, usdx_domain,
    },
};
use primitives::{Address, B256, Bytes, U256};

sol! {
    struct CancelAuthorization { address authorizer; bytes32 nonce; }
    struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }
}

const PAYEE: Address = Address::repeat_byte(0xbb);
const SOMEBODY: Address = Address::repeat_byte(0x55);

fn scene() -> (Chain, Wallet) {
    let owner = Wallet::new(1);
    (Chain::genesis(owner.address, &[]), owner)
}

fn balance(chain: &mut Chain, account: Address) -> u64 {
    chain.view(addresses::USDX, &USDX::balanceOfCall { account }).to()
}

fn send<C: alloy_sol_types::SolCall>(chain: &mut Chain, from: Address, call: &C) -> Result<(), String> {
    chain.send(from, addresses::USDX, call).map(|_| ())
}

#[test]
fn the_faucet_has_all_of_it() {
    let (mut chain, owner) = scene();
    assert_eq!(balance(&mut chain, owner.address), FAUCET_SUPPLY);
    assert_eq!(
        chain.view(addresses::USDX, &USDX::totalSupplyCall {}),
        U256::from(FAUCET_SUPPLY)
    );
    assert_eq!(chain.view(addresses::USDX, &USDX::decimalsCall {}), 6);
    assert_eq!(
        chain.view(addresses::USDX, &USDX::DOMAIN_SEPARATORCall {}),
        usdx_domain(CHAIN_ID).separator()
    );
    send(
        &mut chain,
        owner.address,
        &USDX::transferCall {
            to: PAYEE,
            value: U256::from(3),
        },
    )
    .unwrap();
    let overdraft = send(
        &mut chain,
        PAYEE,
        &USDX::transferCall {
            to: SOMEBODY,
            value: U256::from(4),
        },
    )
    .unwrap_err();
    assert!(overdraft.starts_with("ERC20InsufficientBalance"), "{overdraft}");
}

#[test]
fn a_signed_transfer_happens_once_and_in_its_time() {
    let (mut chain, owner) = scene();
    let now = chain.time;
    let sign = |nonce: u8, after: u64, before: u64| {
        let authorization = TransferWithAuthorization {
            from: owner.address,
            to: PAYEE,
            value: U256::from(5),
            validAfter: U256::from(after),
            validBefore: U256::from(before),
            nonce: B256::repeat_byte(nonce),
        };
        let signature = owner.sign(transfer_with_authorization_digest(CHAIN_ID, &authorization));
        USDX::transferWithAuthorization_0Call {
            from: owner.address,
            to: PAYEE,
            value: authorization.value,
            validAfter: authorization.validAfter,
            validBefore: authorization.validBefore,
            nonce: authorization.nonce,
            signature,
        }
    };
    for (after, before) in [(now, now + 1), (now - 1, now)] {
        let refused = send(&mut chain, SOMEBODY, &sign(1, after, before)).unwrap_err();
        assert!(refused.starts_with("ERC3009InvalidAuthorizationTime"), "{refused}");
    }
    let call = sign(1, now - 1, now + 1);
    let more = USDX::transferWithAuthorization_0Call {
        value: U256::from(6),
        ..call.clone()
    };
    assert_eq!(
        send(&mut chain, SOMEBODY, &more).unwrap_err(),
        "ERC3009InvalidSignature"
    );
    send(&mut chain, SOMEBODY, &call).unwrap();
    assert_eq!(balance(&mut chain, PAYEE), 5);
    assert!(
        send(&mut chain, SOMEBODY, &call)
            .unwrap_err()
            .starts_with("ERC3009UsedAuthorization")
    );
    let state = USDX::authorizationStateCall {
        authorizer: owner.address,
        nonce: B256::repeat_byte(1),
    };
    assert!(chain.view(addresses::USDX, &state));
}

#[test]
fn only_the_payee_may_receive_with_authorization() {
    let (mut chain, owner) = scene();
    let authorization = |nonce: u8| ReceiveWithAuthorization {
        from: owner.address,
        to: PAYEE,
        value: U256::from(5),
        validAfter: U256::ZERO,
        validBefore: U256::MAX,
        nonce: B256::repeat_byte(nonce),
    };
    let (r, s, v) = owner.sign_split(receive_with_authorization_digest(CHAIN_ID, &authorization(1)));
    let ReceiveWithAuthorization {
        from,
        to,
        value,
        validAfter,
        validBefore,
        nonce,
    } = authorization(1);
    let split = USDX::receiveWithAuthorization_1Call {
        from,
        to,
        value,
        validAfter,
        validBefore,
        nonce,
        v,
        r,
        s,
    };
    let signature = owner.sign(receive_with_authorization_digest(CHAIN_ID, &authorization(2)));
    let nonce = authorization(2).nonce;
    let joined = USDX::receiveWithAuthorization_0Call {
        from,
        to,
        value,
        validAfter,
        validBefore,
        nonce,
        signature,
    };
    assert!(
        send(&mut chain, SOMEBODY, &split)
            .unwrap_err()
            .starts_with("ERC20InvalidReceiver")
    );
    assert!(
        send(&mut chain, SOMEBODY, &joined)
            .unwrap_err()
            .starts_with("ERC20InvalidReceiver")
    );
    send(&mut chain, PAYEE, &split).unwrap();
    send(&mut chain, PAYEE, &joined).unwrap();
    assert_eq!(balance(&mut chain, PAYEE), 10);
}

#[test]
fn a_cancelled_authorization_is_worth_nothing() {
    let (mut chain, owner) = scene();
    let cancel = |nonce: u8| {
        let message = CancelAuthorization {
            authorizer: owner.address,
            nonce: B256::repeat_byte(nonce),
        };
        message.eip712_signing_hash(&usdx_domain(CHAIN_ID))
    };
    let call = |signature: Bytes| USDX::cancelAuthorization_1Call {
        authorizer: owner.address,
        nonce: B256::repeat_byte(1),
        signature,
    };
    assert_eq!(
        send(&mut chain, SOMEBODY, &call(owner.sign(cancel(2)))).unwrap_err(),
        "ERC3009InvalidSignature"
    );
    send(&mut chain, SOMEBODY, &call(owner.sign(cancel(1)))).unwrap();
    let authorization = TransferWithAuthorization {
        from: owner.address,
        to: PAYEE,
        value: U256::from(5),
        validAfter: U256::ZERO,
        validBefore: U256::MAX,
        nonce: B256::repeat_byte(1),
    };
    let signature = owner.sign(transfer_with_authorization_digest(CHAIN_ID, &authorization));
    let TransferWithAuthorization {
        from,
        to,
        value,
        validAfter,
        validBefore,
        nonce,
    } = authorization;
    let transfer = USDX::transferWithAuthorization_0Call {
        from,
        to,
        value,
        validAfter,
        validBefore,
        nonce,
        signature,
    };
    assert!(
        send(&mut chain, SOMEBODY, &transfer)
            .unwrap_err()
            .starts_with("ERC3009UsedAuthorization")
    );
}

#[test]
fn a_permit_lets_the_spender_spend() {
    let (mut chain, owner) = scene();
    let permit = Permit {
        owner: owner.address,
        spender: SOMEBODY,
        value: U256::from(9),
        nonce: U256::ZERO,
        deadline: U256::MAX,
    };
    let (r, s, v) = owner.sign_split(permit.eip712_signing_hash(&usdx_domain(CHAIN_ID)));
    let Permit {
        owner: holder,
        spender,
        value,
        deadline,
        ..
    } = permit;
    let call = USDX::permitCall {
        owner: holder,
        spender,
        value,
        deadline,
        v,
        r,
        s,
    };
    send(&mut chain, PAYEE, &call).unwrap();
    send(
        &mut chain,
        SOMEBODY,
        &USDX::transferFromCall {
            from: holder,
            to: PAYEE,
            value,
        },
    )
    .unwrap();
    assert_eq!(balance(&mut chain, PAYEE), 9);
    assert!(send(&mut chain, PAYEE, &call).is_err(), "its nonce is spent");
}
