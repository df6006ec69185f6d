"""The process that does symbolic algebra, and may be killed at any time.

It reads one JSON line per question from its standard input, writes "true" or
"false", and ends when the input ends. Started with `python -m`; it imports
SymPy, never torch. If its parent died while SymPy is busy, a watchdog ends
the process all the same.
"""

import faulthandler
import json
import os
import sys

from .limits import ALGEBRA_SECONDS
from .tree import decode

MAX_BYTES = 2 * 2**30  # of address space, where the system can limit it


def limit_memory():
    """Let an expression that explodes fail here, not on the machine."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


def answer(line):
    """The verdict on one line; anything that SymPy raises means False."""
    from .algebra import decide

    try:
        question, left, right = json.loads(line)
        return bool(decide(question, decode(left), decode(right)))
    except Exception:  # noqa: BLE001  SymPy raises whatever it likes
        return False


def main():
    """Answer questions until there are no more."""
    limit_memory()
    from .algebra import warm_up  # the slow import, before "ready"

    warm_up()
    print("ready", flush=True)
    with open(os.devnull, "w") as nowhere:
        for line in sys.stdin:
            faulthandler.dump_traceback_later(
                ALGEBRA_SECONDS + 1, exit=True, file=nowhere
            )
            print("true" if answer(line) else "false", flush=True)
            faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
