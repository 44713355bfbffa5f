//! A sale to damage: receipt, signature and evidence.

use compute::{
    inference::EngineId,
    receipt::{Evidence, RECEIPT_VERSION, Receipt, SignedReceipt, VerifyClass, request_hash, response_hash},
    till::Sale,
};
use crypto::ecdsa::Secret;
use primitives::{B256, BlobRoot};

/// A sale as a provider's till keeps it.
pub fn sale() -> Sale {
    let evidence = Evidence {
        salt: [2; 32],
        request: br#"{"inputs":[]}"#.to_vec(),
        response: br#"{"outputs":[]}"#.to_vec(),
    };
    let receipt = Receipt {
        version: RECEIPT_VERSION,
        chain_id: 16602,
        service: "rice".into(),
        model_root: BlobRoot(B256::repeat_byte(3)),
        engine: EngineId {
            name: "aloft".into(),
            version: "1".into(),
            numerics: "f32".into(),
        },
        request_hash: request_hash(&evidence.salt, &evidence.request),
        response_hash: response_hash(&evidence.salt, &evidence.response),
        price: 250,
        channel_id: B256::repeat_byte(4),
        sequence: 1,
        timestamp_ms: 1_760_000_000_000,
        verify_class: VerifyClass::Reexecutable,
    };
    let signer = Secret::from_bytes(&[1; 32]).expect("below the group's order");
    Sale {
        request_id: B256::repeat_byte(5),
        charged: 250,
        signed: SignedReceipt {
            signature: signer.sign(&receipt.id()),
            receipt,
        },
        evidence,
    }
}
