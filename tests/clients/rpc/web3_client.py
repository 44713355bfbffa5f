"""web3.py: connection, wallet, transfer, deployment, calls, revert reasons, logs, filters, fee history.

RPC_URL and RPC_KEY as for the JavaScript clients. Exits with a code other than zero unless all holds.
"""

import json
import os
import pathlib

from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError, TransactionNotFound

URL = os.environ.get("RPC_URL", "http://127.0.0.1:8545")
KEY = os.environ.get("RPC_KEY", "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ARTIFACT = pathlib.Path(__file__).resolve().parents[3] / "contracts/artifacts/USDX.json"


def check(condition: bool, what: str) -> None:
    """Fails the script unless the condition holds."""
    if not condition:
        raise SystemExit(f"web3.py: expected: {what}")
    print(f"  {what}")


def main() -> None:
    print(f"web3.py against {URL}")
    w3 = Web3(Web3.HTTPProvider(URL))
    check(w3.is_connected(), "a connection")
    check(w3.eth.chain_id == 16602 and w3.net.version == "16602", "the chain id")
    account = w3.eth.account.from_key(KEY)
    other = w3.eth.account.create().address

    def mined(transaction: dict) -> dict:
        """Fills in, signs and sends a transaction; its receipt."""
        transaction = {"from": account.address, "chainId": 16602, **transaction}
        transaction.setdefault("nonce", w3.eth.get_transaction_count(account.address, "pending"))
        transaction.setdefault("gas", w3.eth.estimate_gas(transaction))
        if "gasPrice" not in transaction and "maxFeePerGas" not in transaction:
            transaction["gasPrice"] = w3.eth.gas_price
        signed = account.sign_transaction(transaction)
        sent = w3.eth.send_raw_transaction(signed.raw_transaction)
        return w3.eth.wait_for_transaction_receipt(sent, timeout=60, poll_latency=0.05)

    blocks = w3.eth.filter("latest")
    receipt = mined({"to": other, "value": 12345})
    check(receipt.status == 1 and receipt.type == 0 and receipt.gasUsed == 21000, "a legacy transfer and its receipt")
    check(w3.eth.get_balance(other) == 12345, "the balance it moved")
    tip = w3.eth.max_priority_fee
    base = w3.eth.get_block("latest").baseFeePerGas
    dynamic = mined({"to": other, "value": 1, "maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip})
    check(dynamic.type == 2 and dynamic.effectiveGasPrice <= 2 * base + tip, "a transfer with a tip")
    block = w3.eth.get_block(receipt.blockNumber, full_transactions=True)
    check(block.transactions[receipt.transactionIndex].hash == receipt.transactionHash, "the block that holds it")
    check(receipt.blockHash in blocks.get_new_entries(), "a block filter")

    artifact = json.loads(ARTIFACT.read_text())
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    creation = factory.constructor(account.address, 1_000_000).build_transaction({"from": account.address, "gas": 3_000_000})
    deployed = mined({"data": creation["data"]})
    token = w3.eth.contract(address=deployed.contractAddress, abi=artifact["abi"])
    check(token.functions.balanceOf(account.address).call() == 1_000_000, "a deployed contract, called")
    call = token.functions.transfer(other, 9)
    paid = mined({"to": token.address, "data": call.build_transaction({"from": account.address})["data"]})
    check(token.events.Transfer().process_receipt(paid)[0].args.value == 9, "an event in a receipt")
    logs = token.events.Transfer().get_logs(from_block=receipt.blockNumber, argument_filters={"to": other})
    check(len(logs) == 1 and logs[0].transactionHash == paid.transactionHash, "a log found by its topics")

    try:
        token.functions.transfer(account.address, 10).call({"from": other})
        check(False, "a transfer above the balance fails")
    except ContractCustomError as error:
        check(error.data.startswith("0xe450d38c"), "a custom error with its data")
    reason = b"too late".hex().ljust(64, "0")
    runtime = "6064600a5f3960645ffd08c379a0" + f"{32:064x}{8:064x}" + reason
    failing = mined({"data": f"0x60{len(runtime) // 2:02x}8060095f395ff3{runtime}"}).contractAddress
    try:
        w3.eth.call({"to": failing})
        check(False, "a call that reverts fails")
    except ContractLogicError as error:
        check("too late" in str(error), "a revert reason")

    history = w3.eth.fee_history(4, "latest", [10, 90])
    check(len(history.baseFeePerGas) == len(history.gasUsedRatio) + 1, "a fee history")
    proof = w3.eth.get_proof(token.address, [0])
    check(len(proof.accountProof) > 0, "a proof of state")
    try:
        w3.eth.get_transaction_receipt("0x" + "00" * 32)
        check(False, "an unknown transaction has no receipt")
    except TransactionNotFound:
        check(True, "an unknown transaction has no receipt")
    print("web3.py: passed")


if __name__ == "__main__":
    main()
