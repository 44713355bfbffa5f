"""Disks that are full and files that are damaged: told by name, repaired or refused, never answered from wrongly."""

import fnmatch
import os
import random
import shutil
import subprocess
import time

from network import PATIENCE, Fault, check, copy_folder

TOLD_S = 20 * PATIENCE  # the longest until a node that cannot write has said so
HEAD_S = 30 * PATIENCE  # the longest until a node that came back has every block
REFUSED_S = 8 * PATIENCE  # the longest until a node has refused its files
# What the other validators have too.
SHARED = ("consensus-blocks", "consensus-finalizations", "consensus-marshal")
# Enough in the short form to meet each way of being found; the long form takes every file, both ways.
SHORT = [
    ("chain.redb", "flips"),
    ("runtime/consensus-blocks-value", "cut"),
    ("runtime/consensus-marshal-cache-cache-*-verified-key", "flips"),
    ("runtime/consensus-simplex-[0-9]*", "flips"),
    ("runtime/rows", "flips"),
    ("seed", "cut"),
    ("till.redb", "cut"),
]


def full(run):
    """A node's files may not grow, first the chain's, then none; it says which, and goes on from there when there is room."""
    run.may_assert = True
    node = run.network.nodes[1]
    told = []
    for limit in (os.stat(node.dir / "chain.redb").st_size, 0):
        said = node.log_size()
        node.limit_file_bytes(limit)
        code = node.wait_end(TOLD_S)
        check(code is not None, f"{node.name} went on without a disk for {TOLD_S} s")
        check(code == 1, f"{node.name} ended with {code}: {node.log_tail()}")
        log = node.log_since(said)
        check(str(node.dir) in log, f"{node.name} does not say which disk is full: {log[-500:]}")
        told.append(next(line for line in log.splitlines() if line.startswith("error:")))
        node.launch()
        node.wait_height(run.observer.height, HEAD_S)
    return f"told {len(told)} times, the last: {told[-1].replace(str(run.network.dir.parent), '')!r}"


def damaged(run):
    """Each kind of file is cut in half or has bits flipped while its node is down; then the node is started."""
    run.may_assert = True
    node = run.network.nodes[-1]
    store_a_blob(run)
    dice = random.Random(5)
    outcomes = {"refused": 0, "went on": 0}
    began = time.monotonic()
    for kind, how in every_kind(node) if run.is_long else SHORT:
        outcomes[attempt(run, node, kind, how, dice)] += 1
        if time.monotonic() - began > max(run.seconds, 30):
            break
    recovered = follow_the_advice(run, node)
    return (
        f"{outcomes['refused']} refused by name, {outcomes['went on']} found and repaired; without its chain and journals the node had"
        f" every block again after {recovered:.1f} s"
    )


def store_a_blob(run):
    file = run.network.dir.parent / "blob"
    file.write_bytes(random.Random(1).randbytes(100_000))
    rpc_url = f"http://127.0.0.1:{run.network.nodes[0].ports['rpc']}"
    environment = dict(os.environ, ALOFT_RPC=rpc_url, ALOFT_HOME=str(run.network.dir.parent / "home"))
    environment.pop("ALOFT_API", None)
    # An account that the load does not use.
    put = [run.network.aloft, "put", file, "--key", run.network.keys[5]]
    done = subprocess.run(put, env=environment, capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"aloft put: {done.stderr}")


def kind_of(node, path):
    parent = path.relative_to(node.dir).parent
    return path.name if str(parent) == "." else str(parent)


def files(node):
    return [path for path in sorted(node.dir.rglob("*")) if path.is_file() and path.stat().st_size > 0]


def every_kind(node):
    kinds = dict.fromkeys(kind_of(node, path) for path in files(node))
    return [(kind, how) for kind in kinds for how in ("cut", "flips")]


def attempt(run, node, kind, how, dice):
    """Whether the node refused the damaged file by name, or went on with every block as it was."""
    node.stop()
    of_kind = [path for path in files(node) if fnmatch.fnmatch(kind_of(node, path), kind)]
    check(of_kind, f"{node.name} has no file {kind}")
    # A pattern names what there is of each epoch: the last one's is in use.
    kind = kind_of(node, max(of_kind, key=lambda path: path.stat().st_mtime))
    path = max((path for path in of_kind if kind_of(node, path) == kind), key=lambda path: path.stat().st_size)
    backup = run.network.dir.parent / "backup"
    copy_folder(node.dir, backup)
    damage(path, how, dice)
    said = node.log_size()
    node.launch()
    what = f"{kind} {how}"
    if starts(run, node, what):
        run.observer.read_again(node)
        return "went on"
    check(node.process.returncode == 1, f"{what}: {node.name} ended with {node.process.returncode}: {node.log_tail()}")
    log = node.log_since(said)
    family = kind.removeprefix("runtime/")
    named = kind in log or family in log or any(family.startswith(part) for part in SHARED) and "consensus-{blocks" in log
    check(named, f"{what}: the refusal does not name the file: {log[-800:]}")
    # It did not vote since the copy was taken, so the copy is no step back.
    copy_folder(backup, node.dir)
    node.launch()
    node.wait_height(run.observer.height, HEAD_S)
    return "refused"


def starts(run, node, what):
    """Whether the node comes to the head of the chain with its damaged file."""
    height = run.observer.height
    deadline = time.monotonic() + REFUSED_S
    while time.monotonic() < deadline:
        if node.wait_end(0.05) is not None:
            return False
        try:
            if node.height() > height:
                # Journals are opened when the node already answers: it may still refuse.
                return node.wait_end(0.5) is None
        except OSError:
            pass
    raise Fault(f"{what}: {node.name} neither refused nor went on: {node.log_tail()}")


def damage(path, how, dice):
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[len(data) // 2 :]
    else:
        # One in some hundred bytes, and one at the beginning, which is where files say what they are.
        places = [dice.randrange(len(data)) for _ in range(max(8, len(data) // 512))] + [dice.randrange(min(64, len(data)))]
        for place in places:
            data[place] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def follow_the_advice(run, node):
    """Moves away what a node says to move away when its chain's file is damaged; seconds until it has every block again."""
    node.stop()
    (node.dir / "chain.redb").unlink()
    for folder in (node.dir / "runtime").iterdir():
        if folder.name.startswith(SHARED):
            shutil.rmtree(folder)
    begun = time.monotonic()
    node.launch()
    node.wait_height(run.observer.height, HEAD_S)
    run.observer.read_again(node)
    return time.monotonic() - begun
