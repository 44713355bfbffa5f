"""A node that was not there in the first block joins, follows, votes and leaves; the others never stop."""

import json
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from network import PATIENCE, Fault, Node, check, post, rpc

# The shortest epochs but for a few blocks: deposits count four of them later, seats come three after that.
EPOCH_BLOCKS = 16
# From coins to a seat takes nine epochs, of 16 blocks of up to a second on a machine that is busy.
STEP_S = 240 * PATIENCE
GAP_S = 5 * PATIENCE
# By how much every answer is late from which a newcomer takes a state, so that it can be killed before the last.
SLOW_S = 0.1


class Liar:
    """Passes on what a node answers, but for methods that have a lie in `lies`: that makes another answer of it, given how to ask the node.

    All answers come `slow_s` late.
    """

    def __init__(self, port, lies, slow_s=0.0):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ask = lambda question: post(port, question, 10 * PATIENCE)
                time.sleep(slow_s)
                lie = lies.get(asked["method"])
                answer = lie(asked, ask) if lie else ask(asked)
                answer = json.dumps(answer).encode()
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


def with_params(asked, **changes):
    """The same question with other parameters, by their places: `p0`, `p1`, ..."""
    params = list(asked["params"])
    for place, value in changes.items():
        params[int(place[1:])] = value
    return asked | {"params": params}


def one_early(asked, ask):
    return ask(with_params(asked, p0=hex(int(asked["params"][0], 16) - 1)))


def flipped(text, place):
    """Hexadecimal text with another digit at this place."""
    return text[:place] + format(int(text[place], 16) ^ 1, "x") + text[place + 1 :]


def wrong(asked, ask):
    """A digit of the answer, or of the first part of it, is another: in the middle, where rows are."""
    answer = ask(asked)
    found = answer["result"]
    if isinstance(found, list):
        found[0] = flipped(found[0], len(found[0]) // 2)
    else:
        answer["result"] = flipped(found, len(found) // 2)
    return answer


def short(asked, ask):
    """Two accounts are said to be all that there are."""
    answer = ask(with_params(asked, p2="0x2"))
    answer["result"] = "0x00" + answer["result"][4:]
    return answer


def of_another_state(asked, ask):
    """The page of another checkpoint, if the node keeps another."""
    kept = ask(asked | {"method": "aloft_getCheckpoints", "params": []})["result"]
    other = [one["hash"] for one in kept if one["hash"] != asked["params"][0]]
    return ask(with_params(asked, p0=other[0])) if other else wrong(asked, ask)


def busy_while_kept(asked, ask):
    """No page of a state that the node keeps, but for the single accounts that a newcomer begins with."""
    kept = ask(asked | {"method": "aloft_getCheckpoints", "params": []})["result"]
    if int(asked["params"][2], 16) > 1 and asked["params"][0] in [one["hash"] for one in kept]:
        return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32005, "message": "busy"}}
    return ask(asked)


def of_the_first_block(asked, ask):
    return ask(with_params(asked, p0="0x1"))


def of_another_block(asked, ask):
    return ask(with_params(asked, p0=ask(asked | {"method": "eth_getBlockByNumber", "params": ["0x1", False]})["result"]["hash"]))


class Newcomer(Node):
    """A node that joins a network that runs, following the nodes at these URLs."""

    def __init__(self, network, dir, urls, checkpoint=None):
        self.urls, self.checkpoint = urls, checkpoint
        self.network, self.name, self.dir = network, "newcomer", dir
        self.log_path = dir.parent / "newcomer.log"
        self.process = self._logging = None
        self.ports = {}

    def command(self):
        genesis = rpc(self.network.nodes[0].ports["rpc"], "eth_getBlockByNumber", ["0x0", False])["hash"]
        options = ["--genesis", genesis]
        for url in self.urls:
            options += ["--follow", url]
        if self.checkpoint:
            options += ["--checkpoint", self.checkpoint]
        return [self.network.aloft, "node", "join", self.dir, *options]

    def start(self):
        self.launch()
        self.wait_folder()
        self.wait_ready()

    def wait_folder(self):
        """Waits until it has its folder, which says where it listens."""
        deadline = time.monotonic() + 30 * PATIENCE
        while not (self.dir / "node.json").exists():
            code = self.wait_end(0.05)
            check(code is None and time.monotonic() < deadline, f"{self.name} did not join: {self.log_tail()}")
        port = lambda address: int(address.rsplit(":", 1)[1])
        addresses = json.loads((self.dir / "node.json").read_text())["addresses"]
        self.ports = {"rpc": port(addresses["rpc"]), "http": port(addresses["http"])}

    def stage(self):
        """What it says that it does."""
        return self.aloft("node", "status", self.dir)["sync"]["stage"]

    def aloft(self, *arguments):
        """What a verb says, as JSON, asked of the first node."""
        command = [self.network.aloft, "--json", *arguments]
        if arguments[0] != "node":
            command += ["--rpc", f"http://127.0.0.1:{self.network.nodes[0].ports['rpc']}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE)
        check(done.returncode == 0, f"aloft {' '.join(map(str, arguments))}: {done.stdout}")
        return json.loads(done.stdout)

    def until(self, what, holds):
        """Waits until what is shown of the operator is so."""
        begun = time.monotonic()
        while time.monotonic() - begun < STEP_S:
            shown = self.aloft("operator", "show", "--keys", self.dir)
            if holds(shown):
                return shown
            check(self.runs(), f"{self.name} ended: {self.log_tail()}")
            time.sleep(0.5)
        raise Fault(f"{what} did not come within {STEP_S} s: {shown}; {self.log_tail()}")

    def make_keys(self):
        """Makes its keys, and gives its account coins; the account."""
        account = self.aloft("node", "keys", self.dir)["account"]
        check((self.dir / "seed").stat().st_mode & 0o77 == 0, "the newcomer's seed can be read by others")
        # Not the account of the load, whose transfers would be in the way.
        self.aloft("send", account, "1000", "--key", self.network.keys[2])
        return account

    def enlist(self, account):
        """Registers, deposits, joins the service, and waits for a vote and a block of its own."""
        addresses = json.loads((self.dir / "node.json").read_text())["addresses"]
        registered = ["operator", "register", "--keys", self.dir, "--endpoint", addresses["da"], "--validator", addresses["p2p"]]
        check(len(self.aloft(*registered)["transactions"]) == 6, "registering takes an operator, four vote keys, an endpoint")
        self.aloft("stake", "deposit", "100", "--keys", self.dir)
        check(self.until("joining", lambda shown: shown["standing"] != "registered")["standing"] == "joining", "no deposit waits")
        self.until("a stake that counts", lambda shown: shown["standing"] == "ready")
        self.aloft("operator", "join", "consensus", "--keys", self.dir)
        self.until("a vote", lambda shown: shown["votes"] > 0 and shown["standing"] == "serving")
        wait_for_block(self.network.nodes[0], account, self)

    def check_liars(self, liars, starts=1):
        """Its log names each of them, and at most once a start."""
        told = [line for line in self.log_since().splitlines() if "a node that lied is asked no more" in line]
        named = [sum(liar.url() in line for line in told) for liar in liars]
        check(all(1 <= times <= starts for times in named), f"{self.name} said of who lied {named}: {told}")

    def metric(self, name):
        """A figure of its page of metrics."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}/metrics", timeout=5 * PATIENCE).read().decode()
        found = [line.split()[1] for line in page.splitlines() if line.startswith(name + " ")]
        check(len(found) == 1, f"{self.name} shows {name} {len(found)} times")
        return float(found[0])


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
    liar = Liar(first.ports["rpc"], {"aloft_getBlocks": one_early})
    own = Newcomer(network, network.dir.parent / "own", [liar.url(), f"http://127.0.0.1:{network.nodes[1].ports['rpc']}"])
    account = own.make_keys()
    own.start()
    network.nodes.append(own)
    run.observer.watch(own)
    caught_up = own.wait_height(run.observer.height, 60 * PATIENCE)
    own.check_liars([liar])
    check(own.metric("aloft_chain_height") > 0, f"{own.name} counts no block")
    own.enlist(account)
    # Its engine began with the last block before the validators let it in: it has none before that for others.
    check(rpc(own.ports["rpc"], "aloft_getBlocks", ["0x1", "0x1"]) == [], f"{own.name} took all blocks twice")
    own.kill()
    own.launch()
    own.wait_height(run.observer.height, 60 * PATIENCE)
    wait_for_block(first, account, own)

    # It leaves, follows, and comes back with journals that end long before.
    own.aloft("operator", "leave", "consensus", "--keys", own.dir)
    own.until("an end of its seats", lambda shown: shown["standing"] == "ready")
    wait_for_line(own, "the operator has left", 1)
    own.aloft("operator", "join", "consensus", "--keys", own.dir)
    own.until("a vote again", lambda shown: shown["votes"] > 0 and shown["standing"] == "serving")
    wait_for_block(first, account, own)

    own.aloft("operator", "leave", "consensus", "--keys", own.dir)
    own.until("an end of its seats", lambda shown: shown["standing"] == "ready")
    left = own.log_size()
    wait_for_line(own, "the operator has left", 2)
    own.wait_height(run.observer.height + 2, 60 * PATIENCE)
    check(" ERROR " not in own.log_since(left), f"{own.name}: {own.log_tail()}")
    own.aloft("stake", "leave", "--keys", own.dir)
    own.until("stake that leaves", lambda shown: shown["standing"] == "unbonding")
    # It comes back to where it was, and finds the liar again.
    own.kill()
    own.launch()
    own.wait_height(run.observer.height, 60 * PATIENCE)
    longest = gaps.stop()
    check(longest <= GAP_S, f"{longest:.1f} s without a block while a node joined and left")
    return f"caught up in {caught_up:.1f} s; longest time without a block {longest:.1f} s"


newcomer.epoch_blocks = EPOCH_BLOCKS


def checkpoint(run):
    """A node begins with a recent state, which it takes from nodes of which most lie, is killed on the way, and ends as a validator."""
    network, first = run.network, run.network.nodes[0]
    gaps, honest = Gaps(first), network.nodes[1].ports["rpc"]
    lies = [
        ("debug_getRawHeader", of_another_block),
        ("aloft_getAccounts", short),
        ("aloft_getAccounts", wrong),
        ("aloft_getAccounts", of_another_state),
        ("aloft_getCodes", wrong),
        ("aloft_getSlots", wrong),
        ("aloft_getHeaders", wrong),
        ("debug_getRawReceipts", wrong),
        ("aloft_getBlocks", one_early),
    ]
    # Each lies at what comes later, too: what was taken before the kill is not asked for again, nor is who would have lied there found out by it.
    from_then_on = lambda place: {method: lie for method, lie in reversed(lies[place:])}
    liars = [Liar(honest, from_then_on(place), SLOW_S) for place in range(len(lies))]
    slow = Liar(honest, {}, SLOW_S)
    own = Newcomer(network, network.dir.parent / "own", [liar.url() for liar in [*liars, slow]])
    account = own.make_keys()
    begun, kept = time.monotonic(), []
    while len(kept) < 2:  # So that there is another state to lie with.
        check(time.monotonic() - begun < STEP_S, "no epoch ended")
        time.sleep(0.1)
        kept = rpc(honest, "aloft_getCheckpoints")
    height, hash = int(kept[-1]["number"], 16), kept[-1]["hash"]
    own.checkpoint = f"{height}:{hash}"
    own.first = height
    own.launch()
    own.wait_folder()
    # Some liars are found out before this line, by the contracts that come first; of the rest something must be left for after the kill.
    wait_for_line(own, "taking the state from others", 1)
    own.kill()
    check("the state is here" not in own.log_since(), "the state came too fast for a kill on the way")
    own.launch()
    wait_for_line(own, "the state is here", 1)
    own.wait_ready()
    network.nodes.append(own)
    run.observer.watch(own)
    caught_up = own.wait_height(run.observer.height, 60 * PATIENCE)
    peak_mib = own.memory_mib("VmHWM")
    own.check_liars(liars, 3)  # in two starts, and as it follows: a list of nodes of its own
    figures = arrival_figures(own)
    check(rpc(own.ports["rpc"], "eth_getBlockByNumber", [hex(height - 1), False]) is None, "it shows a block that it cannot have")
    earliest = rpc(own.ports["rpc"], "eth_getBlockByNumber", ["earliest", True])
    check(earliest == rpc(honest, "eth_getBlockByNumber", [hex(height), True]), "its first block is not the network's")
    check(int(rpc(own.ports["rpc"], "eth_feeHistory", ["0x400", "latest", []])["oldestBlock"], 16) == height, "wrong fee history")
    check(own.metric("aloft_chain_height") >= height, f"{own.name} counts no block")
    own.enlist(account)
    check(own.stage() == "validating", f"{own.name} is {own.stage()}")
    own.kill()
    own.launch()
    own.wait_height(run.observer.height, 60 * PATIENCE)
    wait_for_block(first, account, own)
    longest = gaps.stop()
    check(longest <= GAP_S, f"{longest:.1f} s without a block while a node joined")
    return (
        f"{figures['accounts']} accounts, {figures['slots']} slots, {figures['codes']} codes in {figures['bytes']} bytes "
        f"and {float(figures['seconds']):.1f} s after the kill, at most {peak_mib} MiB; caught up in {caught_up:.1f} s; "
        f"longest time without a block {longest:.1f} s"
    )


checkpoint.epoch_blocks = 3 * EPOCH_BLOCKS


def overtaken(run):
    """The state that a node takes is no longer kept before it has all of it, first while it runs and then while it is down: it goes on with later ones."""
    network, honest = run.network, run.network.nodes[1].ports["rpc"]
    lies = {"aloft_getAccounts": busy_while_kept}
    liar, gate = Liar(honest, lies | {"aloft_getFinality": of_the_first_block}), Liar(honest, lies)
    own = Newcomer(network, network.dir.parent / "own", [liar.url(), gate.url()])
    begun, kept = time.monotonic(), []
    while not kept:
        check(time.monotonic() - begun < STEP_S, "no epoch ended")
        time.sleep(0.1)
        kept = rpc(honest, "aloft_getCheckpoints")
    named = kept[-1]
    own.checkpoint = f"{int(named['number'], 16)}:{named['hash']}"
    own.launch()
    own.wait_folder()
    network.nodes.append(own)
    gone_on = "going on with that of a later block"
    wait_for_line(own, "taking the state from others", 1)
    check(own.stage() == "arriving", f"{own.name} is {own.stage()}")
    wait_for_line(own, gone_on, 1)
    wait_for_line(own, "taking the state from others", 2)
    own.kill()
    later = json.loads((own.dir / "node.json").read_text())["later"]
    check(later["height"] > int(named["number"], 16) and later["hash"] != named["hash"], f"{own.name} went on with {later}")
    while any(one["hash"] == later["hash"] for one in rpc(honest, "aloft_getCheckpoints")):
        check(time.monotonic() - begun < STEP_S, "no epoch ended")
        time.sleep(0.1)
    own.launch()
    wait_for_line(own, gone_on, 2)
    lies.clear()
    wait_for_line(own, "the state is here", 1)
    own.wait_ready()
    own.first = int(rpc(own.ports["rpc"], "eth_getBlockByNumber", ["earliest", False])["number"], 16)
    check(own.first > later["height"], f"{own.name} begins with block {own.first}")
    own.check_liars([liar], 2)
    run.observer.watch(own)
    caught_up = own.wait_height(run.observer.height, 60 * PATIENCE)
    check(own.stage() == "following", f"{own.name} is {own.stage()}")
    first, last = int(named["number"], 16), own.log_since().count(gone_on)
    return f"named block {first}, began with {own.first} after {last} states that were over; caught up in {caught_up:.1f} s"


overtaken.epoch_blocks = 2 * EPOCH_BLOCKS

# Of the case whose state is large: so many that it is not over before all of the state came.
LARGE_EPOCH_BLOCKS = 512
SHORT_LARGE_EPOCH_BLOCKS = 64
ACCOUNTS = 1_000_000
SHORT_ACCOUNTS = 5_000
# Contract: gives a wei to each of `count` addresses from `first` on; both are words of the input.
#   loop: while count: count -= 1; call(first + count, value 1)
SPRINKLER = bytes.fromhex("602035" "5b8015602357" "600190036000600060006000600185600035016000f150600356" "5b00")
# Creates what follows it: 37 bytes from the eleventh on.
CREATE = bytes.fromhex("602580600b6000396000f3")
# A new account costs a call, a value, and itself; as many as a transaction's gas allows (EIP-7825).
ACCOUNT_GAS = 37_000
TRANSACTION_GAS = 2**24
# By how much a node may grow while a state comes, however large that is: some pages, and what the store keeps of what it writes.
ARRIVING_MIB = 128


def large(run):
    """A node begins with a state of many accounts, a million in the long form, of which no more than a page is in memory until all is there."""
    network, honest = run.network, run.network.nodes[1].ports["rpc"]
    count = ACCOUNTS if run.is_long else SHORT_ACCOUNTS
    made_in = make_accounts(network.nodes[0].ports["rpc"], run.wallets[3], count)
    begun, kept, made = time.monotonic(), [], network.nodes[0].height()
    while not kept or int(kept[-1]["number"], 16) < made:
        check(time.monotonic() - begun < STEP_S, "no epoch ended")
        time.sleep(0.1)
        kept = rpc(honest, "aloft_getCheckpoints")
    own = Newcomer(network, network.dir.parent / "own", [f"http://127.0.0.1:{node.ports['rpc']}" for node in network.nodes])
    own.first = int(kept[-1]["number"], 16)
    own.checkpoint = f"{own.first}:{kept[-1]['hash']}"
    own.launch()
    own.wait_folder()
    arriving_mib, begun = [own.memory_mib()], time.monotonic()
    while "all of the state came" not in own.log_since():
        check(own.runs() and time.monotonic() - begun < STEP_S, f"the state does not come: {own.log_tail()}")
        arriving_mib.append(own.memory_mib())
        time.sleep(0.02)
    grown_mib = max(arriving_mib[:-1] or arriving_mib) - arriving_mib[0]
    wait_for_line(own, "the state is here", 1)
    own.wait_ready()
    run.observer.watch(own)
    caught_up = own.wait_height(run.observer.height, 60 * PATIENCE)
    network.nodes.append(own)
    balance = rpc(own.ports["rpc"], "eth_getBalance", [address(count - 1), "latest"])
    check(balance == "0x1", f"the last account has {balance}")
    figures = arrival_figures(own)
    check(int(figures["accounts"]) >= count, f"{figures['accounts']} accounts came")
    check(grown_mib <= ARRIVING_MIB, f"{own.name} grew by {grown_mib} MiB while the state came")
    seconds = float(figures["seconds"])
    return (
        f"{count} accounts made in {made_in:.0f} s; {figures['accounts']} accounts in {figures['bytes']} bytes and {seconds:.1f} s, "
        f"{int(figures['accounts']) / seconds:.0f} a second; memory grew by {grown_mib} MiB while they came, "
        f"{own.memory_mib()} MiB in the end; caught up in {caught_up:.1f} s"
    )


large.epoch_blocks = lambda is_long: LARGE_EPOCH_BLOCKS if is_long else SHORT_LARGE_EPOCH_BLOCKS


def address(index):
    """The address of account `index` of those that are made."""
    return f"0x{0xACC << 144 | index:040x}"


def make_accounts(port, wallet, count):
    """Makes accounts of a wei, at addresses that follow one another; the seconds that it took."""
    begun = time.monotonic()
    nonce_of = lambda: int(rpc(port, "eth_getTransactionCount", [wallet.address, "latest"]), 16)
    send = lambda *arguments, **more: rpc(port, "eth_sendRawTransaction", [wallet.transfer(*arguments, **more)])

    def wait(nonce):
        since, found = time.monotonic(), nonce_of()
        while found < nonce:
            check(time.monotonic() - since < 60 * PATIENCE, f"transaction {found} of {nonce} is not in a block")
            time.sleep(0.05)
            found = nonce_of()

    nonce = nonce_of()
    created = send(nonce, to="0x", value=0, gas=200_000, data=CREATE + SPRINKLER)
    wait(nonce + 1)
    contract = rpc(port, "eth_getTransactionReceipt", [created])["contractAddress"]
    each = (TRANSACTION_GAS - 100_000) // ACCOUNT_GAS
    sent = []
    for first in range(0, count, each):
        nonce += 1
        these = min(each, count - first)
        words = int(address(first), 16).to_bytes(32, "big") + these.to_bytes(32, "big")
        sent.append(send(nonce, to=contract, value=these, gas=100_000 + these * ACCOUNT_GAS, data=words))
        wait(nonce - 8)
    wait(nonce + 1)
    for status in (rpc(port, "eth_getTransactionReceipt", [hash])["status"] for hash in sent):
        check(status == "0x1", "making accounts failed")
    return time.monotonic() - begun


def arrival_figures(own):
    """What its log says of the state that came."""
    line = [line for line in own.log_since().splitlines() if "the state is here" in line][0]
    return dict(word.split("=") for word in line.split() if word.count("=") == 1)


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
