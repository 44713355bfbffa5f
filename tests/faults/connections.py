"""Connections that do nothing, read nothing or write a byte a second: others are served meanwhile, by the same node."""

import base64
import errno
import http.client
import json
import os
import socket
import time

from network import PATIENCE, Fault, check, descriptors, rpc

IDLE = 10_000  # at all ports together, as far as descriptors go
SHORT_IDLE = 5_000
# At a time, with a pause after: the kernel drops what comes when its queues are full, and sends it again a second later.
IDLE_BATCH = 250
IDLE_PAUSE_S = 0.05
SETTLE_S = 5 * PATIENCE
SLOW_WRITERS = 100
SLOW_READERS = 50
OTHERS_S = 5 * PATIENCE
MEMORY_MIB = 256
DESCRIPTORS = 4096  # that a node asks for (crates/node/src/descriptors.rs); with none left no journal could be opened


def connect(port):
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=2)
    except OSError:
        return None  # Refused, or the kernel's queue is full: that is an answer too.


def websocket(port, messages):
    """A WebSocket on which these messages were sent, and nothing was read since the handshake."""
    connection = connect(port)
    if connection is None:
        return None
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    try:
        if not connection.recv(4096).startswith(b"HTTP/1.1 101"):
            return None
        for message in messages:
            payload = json.dumps(message).encode()
            length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
            # A client masks what it sends; a mask of zeros changes nothing.
            connection.sendall(b"\x81" + length + bytes(4) + payload)
    except OSError:
        return None
    return connection


def all_kinds(run):
    """Idle connections to every port of a node, subscriptions that nobody reads, and requests that come a byte at a time."""
    node = run.network.nodes[0]
    before = node.memory_mib()
    node.reset_peak()
    held = []
    try:
        readers = slow_readers(node)
        held += readers
        writers = [connection for _ in range(SLOW_WRITERS) if (connection := connect(node.ports["rpc"]))]
        held += writers
        idle = idle_connections(run, node)
        held += idle
        head = b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n"
        slowest, open_files = 0, node.open_files()
        for byte in head:
            for writer in writers:
                try:
                    writer.send(bytes([byte]))
                except OSError:
                    pass  # It gave way to somebody else.
            slowest = max(slowest, ask(node), ask_http(node))
            open_files = max(open_files, node.open_files())
            time.sleep(1 if run.is_long else 0.05)
        blocks = run.observer.seconds_to_next_block()
        connected, shed = states(idle)
    finally:
        for connection in held:
            connection.close()
    peak = node.memory_mib("VmHWM")
    check(slowest <= OTHERS_S, f"an ordinary request took {slowest:.1f} s meanwhile")
    check(peak - before <= MEMORY_MIB, f"memory grew from {before} to {peak} MiB")
    check(blocks <= OTHERS_S, f"the next block took {blocks:.1f} s")
    check(open_files < DESCRIPTORS, f"{node.name} used up its {open_files} descriptors")
    check(shed > 0, "no idle connection gave way to another")
    return (
        f"{len(idle)} idle connections tried, {connected} there at the end and {shed} shed by the node, which had at most"
        f" {open_files} files open; {len(writers)} slow writers, {len(readers)} slow readers; ordinary requests within"
        f" {slowest:.2f} s, next block after {blocks:.1f} s; memory {before} MiB, at most {peak} MiB"
    )


def slow_readers(node):
    subscription = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
    fat = {"jsonrpc": "2.0", "id": 2, "method": "eth_getBlockByNumber", "params": ["latest", True]}
    readers = [websocket(node.ports["rpc"], [subscription] * 8 + [fat] * 500) for _ in range(SLOW_READERS)]
    return [reader for reader in readers if reader]


def idle_connections(run, node):
    """Connections on which nothing is ever said, to each port in turn."""
    count = min(IDLE if run.is_long else SHORT_IDLE, descriptors() - 1000)
    ports = [port for port in node.ports.values() if port]
    tried = []
    for index in range(count):
        connection = socket.socket()
        # Not waited for: where the node takes no more, the kernel leaves the connection in its queue or drops it.
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", ports[index % len(ports)]))
        tried.append(connection)
        if index % IDLE_BATCH == IDLE_BATCH - 1:
            time.sleep(IDLE_PAUSE_S)
    time.sleep(SETTLE_S)
    return tried


def states(connections):
    """How many are connected, and how many were and are closed by the other side."""
    connected = shed = 0
    for connection in connections:
        try:
            connection.getpeername()
        except OSError:
            # It was reset, or never came to be.
            shed += connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
            continue
        try:
            ended = connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        connected, shed = connected + (not ended), shed + ended
    return connected, shed


def ask(node):
    """Seconds that an ordinary JSON-RPC call takes, on a new connection."""
    begun = time.monotonic()
    try:
        rpc(node.ports["rpc"], "eth_blockNumber", timeout=2 * OTHERS_S)
    except OSError as error:
        raise Fault(f"{node.name} does not answer JSON-RPC: {error}; {node.log_tail()}") from error
    return time.monotonic() - begun


def ask_http(node):
    """Seconds that an ordinary HTTP request takes, on a new connection."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", node.ports["http"], timeout=2 * OTHERS_S)
    try:
        connection.request("GET", "/healthz")
        check(connection.getresponse().status == 200, f"{node.name} is not well")
    except (OSError, http.client.HTTPException) as error:
        raise Fault(f"{node.name} does not answer HTTP: {error}; {node.log_tail()}") from error
    finally:
        connection.close()
    return time.monotonic() - begun
