"""SIGKILL under load: nothing that was shown as final is lost or changed, and blocks come again within seconds."""

import time
from statistics import median

from network import PATIENCE, check

RESUME_S = 5 * PATIENCE
# A leader that proposed before the cut does not propose again in that view, and its view and the next may each be waited for in full.
POWER_CUT_S = 8 * PATIENCE


def one_after_another(run):
    """Each node in turn is killed under load and comes back, again and again; the other three go on."""
    rounds = slowest = slowest_return = 0
    deadline = time.monotonic() + run.seconds
    while rounds < len(run.network.nodes) or time.monotonic() < deadline:
        node = run.network.nodes[rounds % len(run.network.nodes)]
        node.kill()
        # Not always at the same moment of a block's life.
        time.sleep(0.2 + 0.37 * (rounds % 4))
        node.launch()
        begun = time.monotonic()
        slowest = max(slowest, run.observer.seconds_to_next_block())
        node.wait_height(run.observer.height, 30 * PATIENCE)
        slowest_return = max(slowest_return, time.monotonic() - begun)
        rounds += 1
    check(slowest <= RESUME_S, f"the next block took {slowest:.1f} s")
    return f"{rounds} kills; next block within {slowest:.1f} s, the killed node at the head within {slowest_return:.1f} s"


def all_at_once(run):
    """Every node is killed at the same moment: a power cut."""
    rounds, waits = 0, []
    deadline = time.monotonic() + run.seconds
    while rounds < 2 or time.monotonic() < deadline:
        run.network.kill()
        run.network.start()
        waits.append(run.observer.seconds_to_next_block())
        # Long enough that the next cut finds other blocks.
        time.sleep(1)
        rounds += 1
    check(max(waits) <= POWER_CUT_S, f"the next block took {max(waits):.1f} s")
    return f"{rounds} power cuts; next block after {median(waits):.1f} s in the middle and {max(waits):.1f} s at worst, since all answered"
