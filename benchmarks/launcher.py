"""Runs one command and prints what it cost: seconds on the clock, seconds of the processors, peak KiB, exit code.

    python -I -S benchmarks/launcher.py COMMAND [ARGUMENT…]

A process begins as a copy of the one that starts it, whose memory is counted as its own. So this one is small.
"""

import os
import sys
import time


def launch(command: list[str]) -> str:
    """Run a command to its end and return what it cost."""
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    return f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}"


if __name__ == "__main__":
    # The command has the other streams for itself.
    with os.fdopen(int(sys.argv[1]), "w") as cost:
        cost.write(launch(sys.argv[2:]))
