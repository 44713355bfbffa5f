//! A transaction that decodes, signed by nobody in particular.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Signature, U256};

/// An EIP-1559 transaction of default fields, encoded. A decoder does not ask who signed it.
pub fn transfer() -> Vec<u8> {
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    TxEnvelope::from(TxEip1559::default().into_signed(signature)).encoded_2718()
}
