"""A node that was not there in the first block joins, follows, votes and leaves; the others never stop."""

import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from network import PATIENCE, Fault, Node, check, post, rpc

# The shortest epochs but for a few blocks: deposits count four of them later, seats come three after that.
EPOCH_BLOCKS = 16
# From coins to a seat takes nine epochs, of 16 blocks of up to a second on a machine that is busy.
STEP_S = 240 * PATIENCE
GAP_S = 5 * PATIENCE


class Liar:
    """Passes on what a node answers, but for blocks: those come one too early."""

    def __init__(self, port):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if asked["method"] == "aloft_getBlocks":
                    asked["params"][0] = hex(int(asked["params"][0], 16) - 1)
                answer = json.dumps(post(port, asked, 10 * PATIENCE)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


class Newcomer(Node):
    """A node that joins a network that runs. The first that it follows lies."""

    def __init__(self, network, dir):
        self.liar = Liar(network.nodes[0].ports["rpc"])
        self.network, self.name, self.dir = network, "newcomer", dir
        self.log_path = dir.parent / "newcomer.log"
        self.process = self._logging = None
        self.ports = {}

    def command(self):
        first, second = self.liar.url(), f"http://127.0.0.1:{self.network.nodes[1].ports['rpc']}"
        genesis = rpc(self.network.nodes[0].ports["rpc"], "eth_getBlockByNumber", ["0x0", False])["hash"]
        options = ["--genesis", genesis, "--follow", first, "--follow", second]
        return [self.network.aloft, "node", "join", self.dir, *options]

    def start(self):
        self.launch()
        deadline = time.monotonic() + 30 * PATIENCE
        while not (self.dir / "node.json").exists():
            code = self.wait_end(0.05)
            check(code is None and time.monotonic() < deadline, f"{self.name} did not join: {self.log_tail()}")
        addresses = json.loads((self.dir / "node.json").read_text())["addresses"]
        self.ports = {"rpc": int(addresses["rpc"].rsplit(":", 1)[1])}
        self.wait_ready()


class Gaps:
    """The longest time between two blocks that the first node showed."""

    def __init__(self, node):
        self.node, self.longest, self._stopped = node, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        height, at = 0, time.monotonic()
        while not self._stopped.wait(0.05):
            now = time.monotonic()
            try:
                found = self.node.height()
            except OSError:
                continue  # Too busy to answer: the next answer says how long there was no block.
            if found > height:
                height, at = found, now
            self.longest = max(self.longest, now - at)

    def stop(self):
        self._stopped.set()
        self._thread.join()
        return self.longest


def newcomer(run):
    """Coins, keys, registration, deposit, service, seats, blocks of its own; then back to nothing but following."""
    network, first = run.network, run.network.nodes[0]
    gaps = Gaps(first)
    own = Newcomer(network, network.dir.parent / "own")

    def aloft(*arguments):
        command = [network.aloft, "--json", *arguments]
        if arguments[:2] != ("node", "keys"):
            command += ["--rpc", f"http://127.0.0.1:{first.ports['rpc']}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE)
        check(done.returncode == 0, f"aloft {' '.join(map(str, arguments))}: {done.stdout}")
        return json.loads(done.stdout)

    def until(what, holds):
        begun = time.monotonic()
        while time.monotonic() - begun < STEP_S:
            shown = aloft("operator", "show", "--keys", own.dir)
            if holds(shown):
                return shown
            check(own.runs(), f"{own.name} ended: {own.log_tail()}")
            time.sleep(0.5)
        raise Fault(f"{what} did not come within {STEP_S} s: {shown}; {own.log_tail()}")

    account = aloft("node", "keys", own.dir)["account"]
    check((own.dir / "seed").stat().st_mode & 0o77 == 0, "the newcomer's seed can be read by others")
    # Not the account of the load, whose transfers would be in the way.
    aloft("send", account, "1000", "--key", network.keys[2])
    own.start()
    network.nodes.append(own)
    run.observer.watch(own)
    caught_up = own.wait_height(run.observer.height, 60 * PATIENCE)
    told = [line for line in own.log_since().splitlines() if "a node that lied is asked no more" in line]
    check(len(told) == 1 and own.liar.url() in told[0], f"{own.name} said of who lied: {told}")

    addresses = json.loads((own.dir / "node.json").read_text())["addresses"]
    registered = ["operator", "register", "--keys", own.dir, "--endpoint", addresses["da"], "--validator", addresses["p2p"]]
    check(len(aloft(*registered)["transactions"]) == 6, "registering takes an operator, four vote keys, an endpoint")
    aloft("stake", "deposit", "100", "--keys", own.dir)
    check(until("joining", lambda shown: shown["standing"] != "registered")["standing"] == "joining", "no deposit waits")
    until("a stake that counts", lambda shown: shown["standing"] == "ready")
    aloft("operator", "join", "consensus", "--keys", own.dir)
    until("a vote", lambda shown: shown["votes"] > 0 and shown["standing"] == "serving")
    wait_for_block(first, account, own)
    # Its engine began with the last block before the validators let it in: it has none before that for others.
    check(rpc(own.ports["rpc"], "aloft_getBlocks", ["0x1", "0x1"]) == [], f"{own.name} took all blocks twice")
    own.kill()
    own.launch()
    own.wait_height(run.observer.height, 60 * PATIENCE)
    wait_for_block(first, account, own)

    # It leaves, follows, and comes back with journals that end long before.
    aloft("operator", "leave", "consensus", "--keys", own.dir)
    until("an end of its seats", lambda shown: shown["standing"] == "ready")
    wait_for_line(own, "the operator has left", 1)
    aloft("operator", "join", "consensus", "--keys", own.dir)
    until("a vote again", lambda shown: shown["votes"] > 0 and shown["standing"] == "serving")
    wait_for_block(first, account, own)

    aloft("operator", "leave", "consensus", "--keys", own.dir)
    until("an end of its seats", lambda shown: shown["standing"] == "ready")
    left = own.log_size()
    wait_for_line(own, "the operator has left", 2)
    own.wait_height(run.observer.height + 2, 60 * PATIENCE)
    check(" ERROR " not in own.log_since(left), f"{own.name}: {own.log_tail()}")
    aloft("stake", "leave", "--keys", own.dir)
    until("stake that leaves", lambda shown: shown["standing"] == "unbonding")
    # It comes back to where it was, and finds the liar again.
    own.kill()
    own.launch()
    own.wait_height(run.observer.height, 60 * PATIENCE)
    longest = gaps.stop()
    check(longest <= GAP_S, f"{longest:.1f} s without a block while a node joined and left")
    return f"caught up in {caught_up:.1f} s; longest time without a block {longest:.1f} s"


newcomer.epoch_blocks = EPOCH_BLOCKS


def wait_for_block(node, account, own):
    """Waits for a block of this account, from now on."""
    begun, next_height = time.monotonic(), node.height() + 1
    while time.monotonic() - begun < STEP_S:
        while next_height <= node.height():
            block = rpc(node.ports["rpc"], "eth_getBlockByNumber", [hex(next_height), False])
            if block["miner"].lower() == account.lower():
                return
            next_height += 1
        time.sleep(0.1)
    raise Fault(f"{own.name} votes and makes no block: {own.log_tail()}")


def wait_for_line(own, text, count):
    """Waits until the node's log has a line so many times."""
    begun = time.monotonic()
    while own.log_since().count(text) < count:
        check(time.monotonic() - begun < STEP_S, f"{own.name} does not say for the {count}. time '{text}': {own.log_tail()}")
        time.sleep(0.2)
