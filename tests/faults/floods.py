"""A flooded mempool: memory stays bounded, and an honest sender still gets in."""

import threading
import time

from network import PATIENCE, batch, check, rpc
from wallet import GWEI

FLOOD = 1_000_000
SHORT_FLOOD = 6_000
BATCH = 500
HONEST_S = 10 * PATIENCE
MEMORY_MIB = 320


def mempool(run):
    """One sender's endless nonces, nonces with gaps, and transfers that pay next to nothing, while an honest sender pays as usual."""
    node = run.network.nodes[0]
    before = max(node.memory_mib() for node in run.network.nodes)
    for node in run.network.nodes:
        node.reset_peak()
    spammer, gaps, poor, honest = run.wallets[1:5]
    target = FLOOD if run.is_long else SHORT_FLOOD
    sent = [0]
    stopped = threading.Event()

    def flood():
        nonce = 0
        while sent[0] < target and not stopped.is_set():
            kinds = [
                [spammer.transfer(nonce + index) for index in range(BATCH // 2)],
                [gaps.transfer(2 * (nonce + index) + 1) for index in range(BATCH // 4)],
                [poor.transfer(nonce + index, tip=0, fee=GWEI) for index in range(BATCH // 4)],
            ]
            calls = [("eth_sendRawTransaction", [raw]) for kind in kinds for raw in kind]
            try:
                batch(run.network.nodes[sent[0] // BATCH % 4].ports["rpc"], calls, timeout=30)
            except OSError:
                pass
            nonce += BATCH // 2
            sent[0] += BATCH

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    slowest, count = 0, 0
    while thread.is_alive() or count == 0:
        slowest = max(slowest, honest_transfer(run, honest, count))
        count += 1
    thread.join()
    peak = max(node.memory_mib("VmHWM") for node in run.network.nodes)
    status = rpc(node.ports["rpc"], "txpool_status")
    check(slowest <= HONEST_S, f"an honest transfer took {slowest:.1f} s")
    check(peak - before <= MEMORY_MIB, f"memory grew from {before} to {peak} MiB")
    waiting = {name: int(value, 16) for name, value in status.items()}
    return (
        f"{sent[0]} transactions; {count} honest transfers final within {slowest:.1f} s; {waiting} wait;"
        f" memory {before} MiB, at most {peak} MiB a node"
    )


def honest_transfer(run, wallet, nonce):
    """Seconds until an honest sender's transfer is final."""
    node = run.network.nodes[-1]
    begun = time.monotonic()
    sent = rpc(node.ports["rpc"], "eth_sendRawTransaction", [wallet.transfer(nonce, tip=2 * GWEI)], timeout=HONEST_S)
    while rpc(node.ports["rpc"], "eth_getTransactionReceipt", [sent], timeout=HONEST_S) is None:
        check(time.monotonic() - begun < HONEST_S, f"an honest transfer was not final within {HONEST_S} s")
        time.sleep(0.05)
    return time.monotonic() - begun
