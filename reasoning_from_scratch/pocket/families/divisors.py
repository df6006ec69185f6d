"""Greatest common divisors, least common multiples, divisor sets."""

from __future__ import annotations

import math

from reasoning_from_scratch.pocket.exercises import (
    Exercise,
    between,
    multiply,
)


def divisors(rng, level, routes):
    """Greatest common divisors, least common multiples, divisor sets."""
    makers = [_common_divisor, _common_multiple, _three_numbers]
    maker = [*makers, _common_set, _divisor_set][level - 1]
    key, question, answer, steps = maker(rng, routes)
    return Exercise(
        "divisors", level, ("divisors", *key), question, answer, tuple(steps)
    )


def _draw_pair(rng, high):
    """Two different numbers that share a divisor above 1."""
    while True:
        common = between(rng, 2, 14)
        first, second = (common * between(rng, 2, high) for _ in range(2))
        if first != second:
            return first, second


def _common_divisor(rng, routes):
    first, second = _draw_pair(rng, 12)
    steps = []
    value = _find_gcd(routes, first, second, steps)
    wording = rng.choice(
        [
            "What is the greatest common divisor of {} and {}?",
            "Find gcd({}, {}).",
        ]
    )
    key = ("gcd", *sorted((first, second)))
    return key, wording.format(first, second), str(value), steps


def _find_gcd(routes, first, second, steps):
    """Euclid's remainders, or the shared prime factors."""
    if routes.pick("Euclid", "primes") == "Euclid":
        large, small = max(first, second), min(first, second)
        while small:
            times, rest = divmod(large, small)
            tail = f"+{rest}" if rest else ""
            steps.append(f"{large}={times}*{small}{tail}")
            large, small = small, rest
        return large
    for number in routes.shuffled([first, second]):
        steps.append(f"{number}={_prime_text(number)}")
    value = math.gcd(first, second)
    if len(_prime_factors(value)) > 1:
        steps.append(f"{_prime_text(value)}={value}")
    return value


def _prime_factors(number):
    primes, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            primes.append(divisor)
            number //= divisor
        divisor += 1
    return primes


def _prime_text(number):
    return "*".join(str(prime) for prime in _prime_factors(number))


def _common_multiple(rng, routes):
    first, second = _draw_pair(rng, 11)
    steps = []
    value = _find_lcm(routes, first, second, steps)
    wording = rng.choice(
        [
            "What is the least common multiple of {} and {}?",
            "Find lcm({}, {}).",
        ]
    )
    key = ("lcm", *sorted((first, second)))
    return key, wording.format(first, second), str(value), steps


def _find_lcm(routes, first, second, steps):
    """Through the gcd, or by multiples of the larger number."""
    value = math.lcm(first, second)
    large = max(first, second)
    ways = ["gcd", "multiples"] if value // large <= 7 else ["gcd"]
    if routes.pick(*ways) == "multiples":
        multiples = range(large, value + 1, large)
        steps.append(", ".join(str(number) for number in multiples))
        steps.append(
            f"{value}={value // min(first, second)}*{min(first, second)}"
        )
        return value
    common = _find_gcd(routes, first, second, steps)
    part, whole = routes.pick((first, second), (second, first))
    steps.append(f"{part}/{common}={part // common}")
    if part != common:
        multiply(routes, whole, part // common, steps)
    return value


def _set_text(numbers):
    return "\\{" + ", ".join(str(number) for number in numbers) + "\\}"


def _divisors_of(number):
    return [d for d in range(1, number + 1) if number % d == 0]


def _pair_lines(number, steps):
    """List the divisors of a number as products."""
    pairs = [(d, number // d) for d in _divisors_of(number) if d * d <= number]
    steps.append(f"{number}=" + "=".join(f"{a}*{b}" for a, b in pairs))


def _divisor_set(rng, routes):
    number = between(rng, 12, 800)
    while not 4 <= len(_divisors_of(number)) <= 12:
        number = between(rng, 12, 800)
    steps = []
    if routes.pick("pairs", "primes") == "primes":
        steps.append(f"{number}={_prime_text(number)}")
    _pair_lines(number, steps)
    wording = rng.choice(
        ["List the set of divisors of {}.", "Which numbers divide {}?"]
    )
    answer = _set_text(_divisors_of(number))
    return ("set", number), wording.format(number), answer, steps


def _common_set(rng, routes):
    """Common divisors: those of the gcd, or of one number, tested."""
    first, second = _draw_pair(rng, 13)
    steps = []
    common = math.gcd(first, second)
    if routes.pick("gcd", "lists") == "gcd":
        _find_gcd(routes, first, second, steps)
        _pair_lines(common, steps)
    else:
        for number in routes.shuffled([first, second]):
            _pair_lines(number, steps)
    wording = rng.choice(
        [
            "List the set of common divisors of {} and {}.",
            "Which numbers divide both {} and {}?",
        ]
    )
    key = ("common set", *sorted((first, second)))
    answer = _set_text(_divisors_of(common))
    return key, wording.format(first, second), answer, steps


def _three_numbers(rng, routes):
    """gcd or lcm of three numbers, two at a time in any order."""
    find, word = rng.choice(
        [
            (_find_gcd, "greatest common divisor"),
            (_find_lcm, "least common multiple"),
        ]
    )
    if find is _find_gcd:
        common = between(rng, 2, 12)
        numbers = rng.sample(range(2, 13), 3)
    else:
        common = between(rng, 1, 5)
        numbers = rng.sample(range(2, 9), 3)
    numbers = [common * number for number in numbers]
    steps = []
    first, second, third = routes.shuffled(numbers)
    value = find(routes, first, second, steps)
    if value != third:
        value = find(routes, value, third, steps)
    shown = f"{numbers[0]}, {numbers[1]} and {numbers[2]}"
    wording = rng.choice(["What is the {} of {}?", "Find the {} of {}."])
    key = (word, *sorted(numbers))
    return key, wording.format(word, shown), str(value), steps
