"""Where a draft first goes wrong, and how it could go on from there.

A line is right where some route of the problem writes it; the first that none
writes is the mistake. No family knows of this: the routes are drawn.
"""

import collections
import json
import sys
from random import Random

from drafts import exercise_of

NUM_ROUTES = 60
KNOWN = {}


def routes_of(seed, count=NUM_ROUTES):
    if (seed, count) not in KNOWN:
        KNOWN.clear()
        routes = {exercise_of(seed, number).steps for number in range(count)}
        KNOWN[seed, count] = sorted(routes)
    return KNOWN[seed, count]


def review(seed, draft, rng, count=NUM_ROUTES):
    """(right lines, the wrong line or None, lines that follow) or None.

    None: the right lines are those of no route in this order.
    """
    lines = draft.strip().rpartition(" \\boxed")[0].split("\n")
    routes = routes_of(seed, count)
    fitting, good = routes, []
    for line in lines:
        left = [
            route
            for route in fitting
            if len(route) > len(good) and route[len(good)] == line
        ]
        if not left:
            known = any(line in route for route in routes)
            rest = rng.choice(fitting)[len(good) :]
            if known and not rest:
                return None
            return good, line, rest, known
        fitting = left
        good.append(line)
    rest = rng.choice(fitting)[len(good) :]
    return good, None, rest, False


def main():
    counts = collections.Counter()
    for line in sys.stdin:
        row = json.loads(line)
        seed, draft = row["seed"], row["draft"]
        found = review(seed, draft, Random(0), count=100)
        if found is None:
            counts["order", row["right"]] += 1
            continue
        good, wrong, rest, known = found
        if (wrong and known and row["right"]) or (not wrong and rest):
            counts["dropped", row["right"]] += 1
            continue
        rests = [
            review(seed, draft, Random(number), count=100)[2]
            for number in range(3 if wrong else 0)
        ]
        counts["wrong" if wrong else "good", row["right"]] += 1
        row |= {"good": good, "wrong": wrong, "rests": rests}
        print(json.dumps(row))
    print(counts, file=sys.stderr)


if __name__ == "__main__":
    main()
