//! Whether a node's operator is registered.

use crate::provider::LedgerProvider;
use contracts::{CallError, ProviderError, abi::OperatorRegistry, addresses::OPERATOR_REGISTRY};
use crypto::bls;
use primitives::B256;
use std::future::pending;

/// Waits until the registry has an operator with these keys.
///
/// The stream key alone is no sign of it, for nobody proves to hold one: an operator that has it and another's BLS key is not this node's, and could sign
/// for none of the rows that the node would take. As keys never change, the node waits for ever then, and says why.
///
/// # Errors
///
/// [`CallError`] when the contract does not answer.
pub(super) async fn registered(
    provider: &LedgerProvider,
    stream_key: B256,
    bls_key: &bls::PublicKey,
) -> Result<(), CallError> {
    let call = OperatorRegistry::numberOfKeyCall { streamKey: stream_key };
    let mut finals = provider.ledger().subscribe();
    let operator = loop {
        match contracts::read(provider, OPERATOR_REGISTRY, &call).await {
            Ok(operator) => break operator,
            Err(CallError::Provider(ProviderError::Reverted { .. })) => {}
            Err(error) => return Err(error),
        }
        let _ = finals.recv().await;
    };
    let call = OperatorRegistry::operatorOfCall { operator };
    let entry = contracts::read(provider, OPERATOR_REGISTRY, &call).await?;
    if entry.blsKey[..] == bls_key.to_eip2537()[..] {
        return Ok(());
    }
    tracing::error!(operator, account = %entry.account, "another operator registered this node's stream key: the node takes no rows");
    pending().await
}
