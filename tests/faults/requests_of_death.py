"""Requests made to exhaust a node: each is answered or refused in bounded time and memory, and others are served meanwhile."""

import http.client
import json
import threading
import time

from network import PATIENCE, check, post_bytes, rpc

ANSWER_S = 60 * PATIENCE  # the longest that any of these may take, on a busy machine
MEMORY_MIB = 640  # the most that one node's memory may grow by, by any of these
OTHERS_S = 5 * PATIENCE  # the longest that an ordinary call beside them may take
FLOOD_THREADS = 16
REFUSED = (None, 400, 413)  # None: the connection was closed while the request was still being sent
# PUSH1 1, JUMPDEST-less loop: runs until its gas ends.
ENDLESS = "0x5b600056"


def huge_body(port, size):
    """A POST of `size` bytes, sent as long as the node takes them; the status, or `None` where it closed the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    piece = b" " * (1 << 16)
    try:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for _ in range(size // len(piece)):
            connection.send(piece)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def call(method, params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def bodies(run):
    """Name and bytes of each request."""
    number = call("eth_blockNumber", [])
    endless = {"to": "0x" + "ee" * 20, "gas": hex(2**63)}
    overrides = {"0x" + "ee" * 20: {"code": ENDLESS}}
    block = {"calls": [endless] * 100, "stateOverrides": overrides}
    simulation = {"blockStateCalls": [block] * 256}
    return {
        "a batch of 100,000 calls": json.dumps([number] * 100_000).encode(),
        "a batch of 1,000 whole blocks": json.dumps([call("eth_getBlockByNumber", ["latest", True])] * 1000).encode(),
        "JSON 1,000,000 deep": b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":' + b"[" * 1_000_000,
        "a 4 MiB string": json.dumps(call("eth_call", ["0x" + "ab" * (2 << 20)])).encode(),
        "eth_getLogs over everything": json.dumps(call("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])).encode(),
        "eth_call with 2^63 gas": json.dumps(call("eth_call", [endless, "latest", overrides])).encode(),
        "eth_estimateGas with 2^63 gas": json.dumps(call("eth_estimateGas", [endless, "latest", overrides])).encode(),
        "eth_simulateV1 of 25,600 calls": json.dumps(call("eth_simulateV1", [simulation, "latest"])).encode(),
        "debug_traceCall without an end": json.dumps(call("debug_traceCall", [endless, "latest", {"stateOverrides": overrides}])).encode(),
        "eth_feeHistory of 2^64 blocks": json.dumps(call("eth_feeHistory", [hex(2**64 - 1), "latest", [1.0] * 1000])).encode(),
        "not JSON": bytes(range(256)) * 4096,
    }


def send(port, body):
    """Status and body of the answer; no status where the node closed the connection before it had the whole request."""
    try:
        return post_bytes(port, body, ANSWER_S)
    except (BrokenPipeError, ConnectionResetError):
        return None, b""


def timed(work):
    begun = time.monotonic()
    result = work()
    return result, time.monotonic() - begun


def all_kinds(run):
    """Each request once, then the worst of them from many connections at once, while another client asks for the block number."""
    node = run.network.nodes[0]
    port = node.ports["rpc"]
    slowest_other = Bystander(port)
    before = node.memory_mib()
    node.reset_peak()
    found = []
    status, seconds = timed(lambda: huge_body(port, 100 << 20))
    check(status in REFUSED, f"a body of 100 MiB was answered with {status}")
    found.append(("a body of 100 MiB", seconds))
    for name, body in bodies(run).items():
        (status, answer), seconds = timed(lambda: send(port, body))
        check(len(answer) <= 33 << 20, f"{name}: an answer of {len(answer)} bytes")
        check(b'"result"' in answer or b'"error"' in answer or status in REFUSED, f"{name}: {status} {answer[:200]}")
        found.append((name, seconds))
    flood(port, [bodies(run)[name] for name in ("eth_call with 2^63 gas", "eth_simulateV1 of 25,600 calls")], run.seconds)
    peak = node.memory_mib("VmHWM")
    slowest_other = slowest_other.stop()
    name, slowest = max(found, key=lambda kind: kind[1])
    check(peak - before <= MEMORY_MIB, f"memory grew from {before} to {peak} MiB")
    check(slowest_other <= OTHERS_S, f"an ordinary call took {slowest_other:.1f} s meanwhile")
    return (
        f"{len(found)} kinds, the slowest ({name}) {slowest:.1f} s; memory {before} MiB, at most {peak} MiB;"
        f" ordinary calls within {slowest_other:.2f} s"
    )


def flood(port, kinds, seconds):
    """The same requests from many connections at once. Some wait for their turn until the client gives up: that is a bound too."""
    deadline = time.monotonic() + seconds

    def send():
        while time.monotonic() < deadline:
            for body in kinds:
                try:
                    post_bytes(port, body, timeout=max(0.1, deadline - time.monotonic()))
                except OSError:
                    pass

    threads = [threading.Thread(target=send) for _ in range(FLOOD_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Bystander:
    """Another client, which asks for the block number all the time and notes the longest wait."""

    def __init__(self, port):
        self.slowest, self._port, self._stopped = 0, port, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopped.wait(0.05):
            begun = time.monotonic()
            try:
                rpc(self._port, "eth_blockNumber", timeout=ANSWER_S)
            except OSError:
                self.slowest = max(self.slowest, ANSWER_S)  # No answer is as bad as the slowest.
            finally:
                self.slowest = max(self.slowest, time.monotonic() - begun)

    def stop(self):
        self._stopped.set()
        self._thread.join()
        return self.slowest
