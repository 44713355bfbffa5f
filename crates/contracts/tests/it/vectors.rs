//! Digests and leaves of other implementations: x402's own client, viem, OpenZeppelin's merkle-tree.

use crate::keys::Wallet;
use contracts::{
    abi::{ContributionBook, X402BatchSettlement as Channels},
    addresses,
    typed_data::{self, ChannelConfig, VoucherClaim},
};
use primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} is a string"))
}

fn b256(value: &Value, pointer: &str) -> B256 {
    text(value, pointer).parse().unwrap()
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value, pointer: &str) -> T {
    text(value, pointer).parse().unwrap()
}

#[test]
fn payment_digests_are_those_of_the_x402_client() {
    let vector: Value = serde_json::from_str(include_str!("../vectors/x402.json")).unwrap();
    let chain_id = vector["chainId"].as_u64().unwrap();
    let address = |field: &str| text(&vector, &format!("/config/{field}")).parse::<Address>().unwrap();
    let config = ChannelConfig {
        payer: address("payer"),
        payerAuthorizer: address("payerAuthorizer"),
        receiver: address("receiver"),
        receiverAuthorizer: address("receiverAuthorizer"),
        token: address("token"),
        withdrawDelay: alloy_primitives::aliases::U40::from(vector["config"]["withdrawDelay"].as_u64().unwrap()),
        salt: b256(&vector, "/config/salt"),
    };
    let id = typed_data::channel_id(chain_id, &config);
    assert_eq!(id, b256(&vector, "/channelId"));

    let ceiling = number(&vector, "/voucher/maxClaimableAmount");
    let digest = typed_data::voucher_digest(chain_id, id, ceiling);
    assert_eq!(digest, b256(&vector, "/voucher/digest"));
    let payer = Wallet::from_bytes(hex::decode(text(&vector, "/payerKey")).unwrap().try_into().unwrap());
    assert_eq!(payer.address, config.payer);
    let signature: Bytes = text(&vector, "/voucher/signature").parse().unwrap();
    assert_eq!(payer.sign(digest), signature, "both sign by RFC 6979");

    let (nonce, amount) = (number(&vector, "/refund/nonce"), number(&vector, "/refund/amount"));
    assert_eq!(
        typed_data::refund_digest(chain_id, id, nonce, amount),
        b256(&vector, "/refund/digest")
    );
    let claim = VoucherClaim {
        voucher: Channels::Voucher {
            channel: config.clone(),
            maxClaimableAmount: ceiling,
        },
        signature,
        totalClaimed: number(&vector, "/claimBatch/totalClaimed"),
    };
    assert_eq!(
        typed_data::claim_batch_digest(chain_id, &[claim]),
        b256(&vector, "/claimBatch/digest")
    );

    let nonce = typed_data::deposit_nonce(id, number(&vector, "/deposit/salt"));
    assert_eq!(nonce, b256(&vector, "/deposit/nonce"));
    let (from, to) = (config.payer, addresses::ERC3009_COLLECTOR);
    let value: U256 = number(&vector, "/deposit/value");
    let (after, before) = (
        number(&vector, "/deposit/validAfter"),
        number(&vector, "/deposit/validBefore"),
    );
    let receive = typed_data::ReceiveWithAuthorization {
        from,
        to,
        value,
        validAfter: after,
        validBefore: before,
        nonce,
    };
    let transfer = typed_data::TransferWithAuthorization {
        from,
        to,
        value,
        validAfter: after,
        validBefore: before,
        nonce,
    };
    assert_eq!(
        typed_data::receive_with_authorization_digest(chain_id, &receive),
        b256(&vector, "/deposit/receiveDigest")
    );
    assert_eq!(
        typed_data::transfer_with_authorization_digest(chain_id, &transfer),
        b256(&vector, "/deposit/transferDigest")
    );
}

#[test]
fn weights_are_leaves_of_openzeppelins_tree() {
    let vector: Value = serde_json::from_str(include_str!("../vectors/merkle.json")).unwrap();
    let mut chain = crate::chain::Chain::genesis(contracts::addresses::FAUCET, &[]);
    let (publisher, model) = (Address::repeat_byte(1), B256::repeat_byte(2));
    let publish = ContributionBook::publishCall {
        modelRoot: model,
        weightsRoot: b256(&vector, "/root"),
        reportHash: B256::repeat_byte(3),
        totalWeight: 1_000_000_000_000,
    };
    chain.send(publisher, addresses::CONTRIBUTION_BOOK, &publish).unwrap();
    let leaves = vector["leaves"].as_array().unwrap();
    assert_eq!(leaves.len(), 5);
    for leaf in leaves {
        let account: Address = text(leaf, "/account").parse().unwrap();
        let weight: u64 = number(leaf, "/weight");
        assert_eq!(typed_data::contribution_leaf(account, weight), b256(leaf, "/leaf"));
        let proof = leaf["proof"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node.as_str().unwrap().parse().unwrap())
            .collect();
        let mut verify = ContributionBook::verifyCall {
            publisher,
            modelRoot: model,
            account,
            weight: U256::from(weight),
            proof,
        };
        assert!(chain.view(addresses::CONTRIBUTION_BOOK, &verify));
        verify.weight += U256::from(1);
        assert!(!chain.view(addresses::CONTRIBUTION_BOOK, &verify));
    }
}

#[test]
fn the_channels_have_every_function_and_event_that_x402s_client_knows() {
    let vector: Value = serde_json::from_str(include_str!("../vectors/x402.json")).unwrap();
    let ids = |field: &str| {
        let entries = vector[field].as_object().unwrap().iter();
        entries
            .map(|(signature, id)| (signature.clone(), hex::decode(id.as_str().unwrap()).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!((ids("functions").len(), ids("events").len()), (18, 1));
    for (signature, selector) in ids("functions") {
        let known = Channels::X402BatchSettlementCalls::SELECTORS
            .iter()
            .any(|known| known[..] == selector);
        assert!(known, "{signature}");
    }
    for (signature, topic) in ids("events") {
        let known = Channels::X402BatchSettlementEvents::SELECTORS
            .iter()
            .any(|known| known[..] == topic);
        assert!(known, "{signature}");
    }
}
