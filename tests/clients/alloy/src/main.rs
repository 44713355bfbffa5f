//! alloy: fill, sign, send, deploy, call, logs, revert; where `DEVELOPMENT` is set also its `anvil_*` methods.

use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, Bytes, U256, address, hex};
use alloy_provider::{Provider, ProviderBuilder, ext::AnvilApi};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::sol;
use std::{env, error::Error};

sol! {
    #[sol(rpc)]
    contract Token {
        event Transfer(address indexed from, address indexed to, uint256 value);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
    }
}

/// The token that payments are made in.
const USDX: Address = address!("0xa10f700000000000000000000000000000000003");
const SOMEBODY: Address = address!("0x00000000000000000000000000000000000a1107");
/// Creation code of a contract that is one byte, STOP.
const CREATION: [u8; 11] = hex!("6001600a5f3960015ff300");

/// Fails with what was looked at.
macro_rules! check {
    ($holds:expr, $what:literal) => {
        if !$holds {
            return Err(concat!("alloy: ", $what).into());
        }
    };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("RPC_URL")?.parse()?;
    let signer: PrivateKeySigner = env::var("RPC_KEY")?.parse()?;
    let me = signer.address();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect_http(url);

    check!(provider.get_chain_id().await? == 16602, "the chain id");
    let before = provider.get_balance(SOMEBODY).await?;
    let transfer = TransactionRequest::default()
        .with_to(SOMEBODY)
        .with_value(U256::from(5));
    let receipt = provider.send_transaction(transfer.clone()).await?.get_receipt().await?;
    check!(receipt.status() && receipt.gas_used == 21_000, "a transfer");
    check!(
        provider.get_balance(SOMEBODY).await? == before + U256::from(5),
        "what it moved"
    );
    let sent = provider.get_transaction_by_hash(receipt.transaction_hash).await?;
    check!(
        sent.is_some_and(|sent| sent.inner.signer() == me),
        "the transaction by its hash"
    );
    let block = provider
        .get_block(receipt.block_hash.ok_or("no block")?.into())
        .full()
        .await?;
    check!(block.is_some_and(|block| !block.transactions.is_empty()), "its block");

    let creation = TransactionRequest::default().with_deploy_code(Bytes::from_static(&CREATION));
    let receipt = provider.send_transaction(creation).await?.get_receipt().await?;
    check!(
        receipt.status() && receipt.contract_address.is_some(),
        "a contract created"
    );

    let token = Token::new(USDX, &provider);
    let had = token.balanceOf(SOMEBODY).call().await?;
    let receipt = token
        .transfer(SOMEBODY, U256::from(3))
        .send()
        .await?
        .get_receipt()
        .await?;
    let event = receipt
        .decoded_log::<Token::Transfer>()
        .ok_or("no event in the receipt")?;
    check!(
        event.from == me && event.value == U256::from(3),
        "an event in a receipt"
    );
    check!(token.balanceOf(SOMEBODY).call().await? == had + U256::from(3), "a call");
    let number = receipt.block_number.ok_or("no block")?;
    let events = token
        .Transfer_filter()
        .from_block(number)
        .to_block(number)
        .topic2(SOMEBODY)
        .query()
        .await?;
    check!(events.len() == 1, "logs by a filter");
    let refused = token
        .transfer(SOMEBODY, U256::MAX)
        .call()
        .await
        .err()
        .ok_or("no revert")?;
    let error = refused
        .as_decoded_error::<Token::ERC20InsufficientBalance>()
        .ok_or("no error by name")?;
    check!(error.needed == U256::MAX, "a revert's own error");
    let proof = provider.get_proof(me, vec![]).await?;
    check!(!proof.account_proof.is_empty(), "a proof");
    check!(
        provider
            .get_fee_history(4, number.into(), &[50.0])
            .await?
            .reward
            .is_some(),
        "the history of fees"
    );

    if env::var_os("DEVELOPMENT").is_some() {
        development(&provider, transfer).await?;
    } else {
        let refused = provider
            .anvil_snapshot()
            .await
            .err()
            .ok_or("a network's node took a snapshot")?;
        check!(
            refused.to_string().contains("aloft up --dev"),
            "the way to a development chain"
        );
    }
    println!("alloy: all that was tried works");
    Ok(())
}

/// What only a development chain does.
async fn development(provider: &impl Provider, transfer: TransactionRequest) -> Result<(), Box<dyn Error>> {
    let info = provider.anvil_node_info().await?;
    check!(info.environment.chain_id == 16602, "the node's own words");
    let snapshot = provider.anvil_snapshot().await?;
    provider
        .anvil_set_balance(SOMEBODY, U256::from(10).pow(U256::from(18)))
        .await?;
    provider.anvil_set_nonce(SOMEBODY, 9).await?;
    check!(
        provider.get_transaction_count(SOMEBODY).await? == 9,
        "a nonce that was set"
    );
    let back = transfer
        .with_from(SOMEBODY)
        .with_to(USDX)
        .with_value(U256::ZERO)
        .with_input(hex!("18160ddd"));
    provider.anvil_impersonate_account(SOMEBODY).await?;
    let hash = provider.anvil_send_impersonated_transaction(back).await?;
    let receipt = provider
        .get_transaction_receipt(hash)
        .await?
        .ok_or("no receipt at once")?;
    check!(
        receipt.from == SOMEBODY && receipt.status(),
        "a transaction in another's name"
    );
    provider.anvil_increase_time(86_400).await?;
    let before = provider.get_block_number().await?;
    provider.anvil_mine(Some(3), Some(60)).await?;
    provider.evm_mine(None).await?;
    check!(
        provider.get_block_number().await? == before + 4,
        "blocks that were mined"
    );
    check!(provider.anvil_revert(snapshot).await?, "a snapshot");
    check!(
        provider.get_balance(SOMEBODY).await? < U256::from(1_000_000),
        "a balance of before"
    );
    check!(
        provider.get_transaction_receipt(hash).await?.is_none(),
        "a transaction that was taken back"
    );
    let state = provider.anvil_dump_state().await?;
    check!(provider.anvil_load_state(state).await?, "a state");
    Ok(())
}
