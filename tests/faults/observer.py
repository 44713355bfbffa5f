"""Who watches: an observer of every final block of every node, and a load whose acknowledged transfers must stay."""

import threading
import time

from network import PATIENCE, Fault, batch, check, rpc

BLOCKS_A_READ = 200
POLL_S = 0.1
WINDOW = 60  # transfers of the load that are under way at a time


class Observer:
    """Reads every final block of every node and notes the first disagreement.

    A node that was started again is read again from its first block: what it once showed as final must be there still.
    """

    def __init__(self, network):
        self.network = network
        self.blocks = {}  # height -> (hash, name of the node that showed it first)
        self.disagreement = None
        self.height, self.height_at = 0, time.monotonic()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = []
        for node in network.nodes:
            self.watch(node)

    def watch(self, node):
        """Reads the blocks of this node, too."""
        self._threads.append(threading.Thread(target=self._watch, args=[node], daemon=True))
        self._threads[-1].start()

    def _watch(self, node):
        process, read = None, node.first - 1
        while not self._stopped.wait(POLL_S):
            if not node.runs():
                continue
            if node.process is not process:
                process, read = node.process, node.first - 1
            try:
                read = self._read(node, read, node.height())
            except (OSError, ValueError):
                continue  # It is down, or not up yet: that is for the case to judge.
            except Fault as fault:
                self.disagreement = self.disagreement or str(fault)

    def _read(self, node, read, height):
        while read < height:
            heights = range(read + 1, min(height, read + BLOCKS_A_READ) + 1)
            found = batch(node.ports["rpc"], [("eth_getBlockByNumber", [hex(number), False]) for number in heights])
            for number, block in zip(heights, found):
                check(block is not None, f"{node.name} shows block {height}, but has no block {number}")
                self._note(node, number, block)
            read = heights[-1]
        return read

    def _note(self, node, number, block):
        with self._lock:
            known, first = self.blocks.setdefault(number, (block["hash"], node.name))
            check(known == block["hash"], f"block {number} is {known} at {first} and {block['hash']} at {node.name}")
            parent = self.blocks.get(number - 1)
            check(not parent or parent[0] == block["parentHash"], f"block {number} of {node.name} has another parent")
            if number > self.height:
                self.height, self.height_at = number, time.monotonic()

    def seconds_to_next_block(self, timeout=20 * PATIENCE):
        """Seconds until some node shows a block that none has shown yet."""
        begun, height = time.monotonic(), self.height
        while time.monotonic() - begun < timeout:
            if self.height > height:
                return self.height_at - begun
            time.sleep(0.01)
        raise Fault(f"no block after block {height} within {timeout} s")

    def read_again(self, node):
        """The node has every block that anybody showed, as it was."""
        height = self.height
        node.wait_height(height, 30 * PATIENCE)
        self._read(node, node.first - 1, height)

    def verify(self):
        """All nodes agree, and each running one has every block that anybody showed."""
        for node in self.network.running():
            self.read_again(node)
        check(self.disagreement is None, self.disagreement)

    def stop(self):
        self._stopped.set()
        for thread in self._threads:
            thread.join()


class Load:
    """Transfers of one account, some tens a second, sent to every node in turn and again until they are final."""

    def __init__(self, network, wallet):
        self.network, self.wallet = network, wallet
        self.acknowledged = []  # hashes of transfers that a node showed as final
        self._sent = {}  # nonce -> (hash, raw)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        first = next_nonce = None
        while not self._stopped.wait(POLL_S):
            for node in self.network.running():
                try:
                    found = int(rpc(node.ports["rpc"], "eth_getTransactionCount", [self.wallet.address, "latest"]), 16)
                    first = found if first is None else max(first, found)
                    next_nonce = max(next_nonce or first, first)
                    # What is not final yet is told again: the node that had it may have been killed.
                    again = [self._sent[n][1] for n in range(first, next_nonce) if n in self._sent]
                    fresh = []
                    while len(fresh) < 4 and next_nonce - first < WINDOW:
                        raw = self.wallet.transfer(next_nonce)
                        fresh.append((next_nonce, raw))
                        next_nonce += 1
                    raws = again + [raw for _, raw in fresh]
                    for nonce, raw in fresh:
                        self._sent[nonce] = (self.wallet.hash(raw), raw)
                    if raws:
                        batch(node.ports["rpc"], [("eth_sendRawTransaction", [raw]) for raw in raws])
                except (OSError, ValueError):
                    continue
                self._acknowledge(first)

    def _acknowledge(self, first):
        for nonce in [nonce for nonce in self._sent if nonce < first]:
            self.acknowledged.append(self._sent.pop(nonce)[0])

    def verify(self):
        """Every running node has a receipt of every acknowledged transfer of the blocks that it has, in the same block."""
        hashes = list(self.acknowledged)
        for start in range(0, len(hashes), BLOCKS_A_READ):
            some = hashes[start : start + BLOCKS_A_READ]
            places = [self._places(node, some) for node in self.network.running()]
            for node, found in zip(self.network.running(), places):
                if node.first:
                    found = [own or (place if place and place[2] < node.first else None) for own, place in zip(found, places[0])]
                lost = [transfer for transfer, place in zip(some, found) if place is None]
                check(not lost, f"{node.name} lost {len(lost)} acknowledged transfers, the first {lost[:1]}")
                check(found == places[0], f"{node.name} has acknowledged transfers in other blocks")

    def _places(self, node, hashes):
        receipts = batch(node.ports["rpc"], [("eth_getTransactionReceipt", [transfer]) for transfer in hashes])
        place = lambda receipt: (receipt["blockHash"], receipt["transactionIndex"], int(receipt["blockNumber"], 16))
        return [receipt and place(receipt) for receipt in receipts]

    def stop(self):
        self._stopped.set()
        self._thread.join()
