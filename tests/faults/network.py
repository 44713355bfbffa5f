"""A local network, one process a node, that a test kills, starves and restarts."""

import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

# By how much every limit on time is stretched: on a machine that is busy with other things, whether is the question and not how soon.
PATIENCE = float(os.environ.get("PATIENCE", "1"))
START_S = 30 * PATIENCE
STOP_S = 15 * PATIENCE


class Fault(Exception):
    """What a case found: the network broke a promise."""


def check(holds, what):
    if not holds:
        raise Fault(what)


def rpc(port, method, params=(), timeout=5 * PATIENCE):
    """The result of one JSON-RPC call; `OSError` or `Fault` when there is none."""
    answer = post(port, {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, timeout)
    if "result" not in answer:
        raise Fault(f"{method}: {answer.get('error')}")
    return answer["result"]


def batch(port, calls, timeout=10 * PATIENCE):
    """The results of `(method, params)` calls, in order; `None` for a call that failed."""
    body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
    answers = {answer["id"]: answer for answer in post(port, body, timeout)}
    return [answers.get(i, {}).get("result") for i in range(len(calls))]


def post(port, body, timeout):
    return json.loads(post_bytes(port, json.dumps(body).encode(), timeout)[1])


def post_bytes(port, body, timeout):
    """Status and body of the answer to any bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def prepare_node():
    """What holds for a node's process: a file that may not grow is an error to be told, not a signal (EFBIG stands for ENOSPC), and as many
    descriptors as most systems give a process that does not ask for more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))


class Node:
    """One node: its folder, its ports, its process when it runs."""

    first = 0  # height of the first block that it has

    def __init__(self, network, index, entry):
        self.network, self.index, self.name = network, index, entry["name"]
        self.ports = entry["ports"]
        self.dir = network.dir / self.name
        self.log_path = network.dir.parent / f"{self.name}.log"
        self.process = self._logging = None

    def command(self):
        return [self.network.aloft, "node", "run", "--network", self.network.dir, "--index", str(self.index)]

    def launch(self):
        """Starts the process, without waiting for anything."""
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=prepare_node,
        )
        # Through a pipe, because a full disk must not keep the node from saying so.
        self._logging = threading.Thread(target=self._log, args=[self.process.stdout], daemon=True)
        self._logging.start()

    def _log(self, output):
        with self.log_path.open("ab", buffering=0) as log:
            for line in output:
                log.write(line)

    def start(self):
        self.launch()
        self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            check(self.runs(), f"{self.name} ended while starting: {self.log_tail()}")
            try:
                rpc(self.ports["rpc"], "eth_blockNumber", timeout=1)
                return
            except OSError:
                time.sleep(0.02)
        raise Fault(f"{self.name} did not answer within {START_S} s")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as a power cut."""
        if self.runs():
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM: a clean end, with exit code 0."""
        if self.runs():
            self.process.terminate()
            code = self.process.wait(STOP_S)
            check(code == 0, f"{self.name} ended with {code}: {self.log_tail()}")

    def wait_end(self, timeout):
        """Exit code of a node that ends by itself, all that it said being in its log; `None` while it still runs."""
        try:
            code = self.process.wait(timeout)
            self._logging.join()
            return code
        except subprocess.TimeoutExpired:
            return None

    def height(self):
        return int(rpc(self.ports["rpc"], "eth_blockNumber"), 16)

    def wait_height(self, height, timeout):
        """Seconds until the node has this block."""
        begun = time.monotonic()
        while time.monotonic() - begun < timeout:
            check(self.runs(), f"{self.name} ended: {self.log_tail()}")
            try:
                if self.height() >= height:
                    return time.monotonic() - begun
            except OSError:
                pass
            time.sleep(0.02)
        raise Fault(f"{self.name} did not reach block {height} within {timeout} s: {self.log_tail()}")

    def log_size(self):
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def log_since(self, offset=0):
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def log_tail(self):
        return self.log_since(max(0, self.log_size() - 1500)).strip()

    def limit_file_bytes(self, limit):
        """No file of the running process may grow beyond so many bytes; `None` lifts the limit."""
        infinity = resource.RLIM_INFINITY
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit if limit is not None else infinity, infinity))

    def memory_mib(self, field="VmRSS"):
        """Resident memory of the process; of `VmHWM`, the most since `reset_peak`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) // 1024
        raise Fault(f"{self.name} has no {field}")

    def open_files(self):
        """Descriptors of the process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def reset_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


class Network:
    """Four nodes and their folder, made by `aloft up`."""

    def __init__(self, aloft, folder, epoch_blocks=None):
        self.aloft, self.dir = str(aloft), Path(folder) / "net"
        up = subprocess.Popen(
            [self.aloft, "--json", "up", "--dir", self.dir], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        facts = json.loads(up.stdout.readline())
        up.send_signal(signal.SIGINT)
        check(up.wait(STOP_S) == 0, "aloft up did not stop cleanly")
        self.chain_id = facts["chain_id"]
        self.keys = [account["private_key"] for account in facts["accounts"]]
        if epoch_blocks:
            self._begin_anew(epoch_blocks)
        entries = json.loads((self.dir / "network.json").read_text())["nodes"]
        self.nodes = [Node(self, index, entry) for index, entry in enumerate(entries)]

    def _begin_anew(self, epoch_blocks):
        """Another first block, with epochs of so many blocks, for the same keys."""
        path = self.dir / "network.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"epoch_blocks": epoch_blocks}))
        for folder in self.dir.glob("node-*"):
            (folder / "chain.redb").unlink()
            shutil.rmtree(folder / "runtime")

    def start(self):
        for node in self.nodes:
            if not node.runs():
                node.launch()
        for node in self.nodes:
            node.wait_ready()

    def running(self):
        return [node for node in self.nodes if node.runs()]

    def stop(self):
        for node in self.running():
            node.process.terminate()
        for node in self.nodes:
            if node.process:
                node.process.wait(STOP_S)

    def kill(self):
        for node in self.running():
            node.process.kill()
        for node in self.nodes:
            if node.process:
                node.process.wait()

    def panics(self):
        """Lines of the nodes' logs that tell of a panic."""
        return [
            f"{node.name}: {line}"
            for node in self.nodes
            if node.log_path.exists()
            for line in node.log_since().splitlines()
            if "panicked at" in line
        ]

    def keep_logs(self, folder):
        for node in self.nodes:
            if node.log_path.exists():
                shutil.copy(node.log_path, folder)


def descriptors():
    """How many files this process may hold open, after asking for as many as it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def copy_folder(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def environment_binary():
    return Path(os.environ["ALOFT"]).resolve()
