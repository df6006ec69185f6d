"""Numbers: whole ones, decimals, fractions, divisors and multiples.

(rng, level, work) -> (key, wordings, what stands in them, answer), the
problem drawn from `rng` and solved in `work`.
"""

from __future__ import annotations

import math
from fractions import Fraction

from ..exercises import (
    decimal_text,
    fraction_answer,
    signed,
    spaced_sum,
)

# ---- Whole numbers ----


def arithmetic(rng, level, work):
    """Chains of sums, products and brackets: 7*(34 + 18) - 6*23."""
    terms = _draw_terms(rng, level)
    values = [
        value
        for numbers in work.shuffled(terms)
        for value in _term_values(work, *numbers)
    ]
    total = work.add_up(values)
    text = spaced_sum(_term_text(*numbers) for numbers in terms)
    key = sorted(_term_key(numbers) for numbers in terms)
    wordings = ("What is {}?", "Calculate {}.", "Work out {}.")
    return key, wordings, (text,), total


def _draw_terms(rng, level):
    """Draw terms (n,), (a, b) for a*b and (a, b, c) for a*(b + c)."""
    sign = rng.choice([1, -1])
    high = 9 if level == 5 else 5

    def plain(low, high):
        return (signed(rng, low, high),)

    def product():
        return (sign * rng.randint(2, high), rng.randint(6, 19))

    def bracket():
        inner = signed(rng, 2, 9)
        return (rng.randint(2, high), rng.randint(11, 25), inner)

    if level == 1:
        return [(rng.randint(11, 60),), plain(2, 29), plain(2, 29)]
    if level == 2:
        first = (rng.randint(2, 6), rng.randint(11, 25))
        return [first, plain(3, 40)]
    if level == 3:
        return [(rng.randint(2, 5), rng.randint(6, 19)), product()]
    if level == 4:
        return [bracket(), product()]
    return [bracket(), product(), plain(11, 60)]


def _term_text(outer, *inner):
    if len(inner) < 2:
        return "*".join(map(str, (outer, *inner)))
    return f"{outer}*({spaced_sum(inner)})"


def _term_key(numbers):
    if len(numbers) == 2:
        return (numbers[0] * numbers[1], *sorted(abs(n) for n in numbers))
    return (numbers[0], *sorted(numbers[1:]))


def _term_values(work, outer, *inner):
    """Compute a term; an expanded bracket gives two values."""
    if not inner:
        return [outer]
    if len(inner) == 1:
        return [work.multiply(outer, *inner)]
    if work.pick("bracket", "expand") == "bracket":
        return [work.multiply(outer, work.add_up(inner))]
    return [work.multiply(outer, number) for number in work.shuffled(inner)]


def decimals(rng, level, work):
    """Sums of decimals and their multiples, worked in tenths."""
    terms = _draw_decimal_terms(rng, level)
    values = [
        number if times == 1 else work.multiply(times, number)
        for times, number in work.shuffled(terms)
    ]
    total = work.add_up(values)
    answer = decimal_text(total, 1)
    work.write(f"{total}/10={answer}")
    texts = [
        decimal_text(number, 1)
        if times == 1
        else f"{times}*{decimal_text(number, 1)}"
        for times, number in terms
    ]
    wordings = ("Work out {}.", "What is {}?")
    return sorted(terms), wordings, (spaced_sum(texts),), answer


def _draw_decimal_terms(rng, level):
    """Draw pairs (times, number of tenths)."""

    def plain():
        return (1, signed(rng, 11, 59))

    def product():
        times = signed(rng, 2, 6)
        return (times, rng.randint(11, 29))

    num_products, num_plain = ((0, 2), (0, 3), (1, 1), (2, 0), (2, 1))[
        level - 1
    ]
    return [product() for _ in range(num_products)] + [
        plain() for _ in range(num_plain)
    ]


# ---- Fractions ----


def fractions(rng, level, work):
    """Sums, products and quotients of fractions, in lowest terms."""
    high = (6, 7, 8, 4, 5)[level - 1]
    first, second, third = (_draw_fraction(rng, high) for _ in range(3))
    sign = rng.choice([1, -1])
    if level == 2:
        total = _multiply_fractions(work, first, second)
        key = ("product", *sorted([first, second]))
        shown = f"{first} * {second}"
        if rng.random() < 0.5:
            key = ("quotient", first, second)
            shown = f"{first} : {1 / second}"
            work.steps.insert(0, f"{first}*{second}")
    elif level == 4:
        pair = [first, sign * second]
        total = _bracket_product(work, pair, third)
        key = ("bracket", *sorted(pair), third)
        shown = f"({spaced_sum(pair)}) * {third}"
    else:
        terms = [first, sign * second, third][: 3 if level == 5 else 2]
        total = _add_fractions(work, terms)
        key = ("sum", *sorted(terms))
        shown = spaced_sum(terms)
    wordings = ("What is {}?", "Simplify {}.", "Work out {}.")
    return key, wordings, (shown,), fraction_answer(total)


def _draw_fraction(rng, high):
    while True:
        denominator = rng.randint(2, high)
        numerator = rng.randint(1, high + 3)
        if math.gcd(numerator, denominator) == 1:
            return Fraction(numerator, denominator)


def _add_fractions(work, terms):
    """Bring all terms to one denominator, add, and reduce."""
    denominators = [value.denominator for value in terms]
    common = work.pick(math.lcm(*denominators), math.prod(denominators))
    numerators = [int(value * common) for value in terms]
    for value, numerator in zip(terms, numerators, strict=True):
        if value.denominator != common:
            work.note_quotient(common, value.denominator)
            work.note_product(value.numerator, common // value.denominator)
            work.write(f"{value}={numerator}/{common}")
    return _reduce(work, work.add_up(numerators), common)


def _multiply_fractions(work, first, second):
    """Cancel across before multiplying, or multiply and then reduce."""
    top = [first.numerator, second.numerator]
    bottom = [first.denominator, second.denominator]
    if work.pick("multiply", "cancel") == "cancel":
        for i in (0, 1):
            shared = math.gcd(top[i], bottom[1 - i])
            if shared > 1:
                work.note_quotient(top[i], shared)
                work.note_quotient(bottom[1 - i], shared)
            top[i] //= shared
            bottom[1 - i] //= shared
        work.write(f"{top[0]}/{bottom[0]}*{top[1]}/{bottom[1]}")
    for pair in work.shuffled([top, bottom]):
        work.write(f"{pair[0]}*{pair[1]}={math.prod(pair)}")
    return _reduce(work, math.prod(top), math.prod(bottom))


def _bracket_product(work, terms, outer):
    """(a + b)*c: the bracket first, or both products and then their sum."""
    if work.pick("bracket", "expand") == "bracket":
        return _multiply_fractions(work, _add_fractions(work, terms), outer)
    return _add_fractions(
        work, [_multiply_fractions(work, value, outer) for value in terms]
    )


def _reduce(work, numerator, denominator):
    """Write the reduced fraction."""
    value = Fraction(numerator, denominator)
    plain = f"{numerator}/{denominator}"
    shared = math.gcd(numerator, denominator)
    if shared > 1:
        work.note_quotient(numerator, shared)
        work.note_quotient(denominator, shared)
    work.write(plain if str(value) == plain else f"{plain}={value}")
    return value


# ---- Divisors and multiples ----


GCD, LCM = "greatest common divisor", "least common multiple"


def of_two_numbers(rng, level, work):
    """The gcd (level 1) or the lcm (level 2) of two numbers."""
    if level == 1:
        word, short, find, high = GCD, "gcd", _find_gcd, 12
    else:
        word, short, find, high = LCM, "lcm", _find_lcm, 11
    pair = _draw_pair(rng, high)
    wordings = (
        f"What is the {word} of {{}} and {{}}?",
        f"Find {short}({{}}, {{}}).",
    )
    return (short, *sorted(pair)), wordings, pair, find(work, *pair)


def of_three_numbers(rng, level, work):
    """gcd or lcm of three numbers, two at a time in any order."""
    word = rng.choice([GCD, LCM])
    find, low, most, high = (
        (_find_gcd, 2, 12, 13) if word == GCD else (_find_lcm, 1, 5, 9)
    )
    common = rng.randint(low, most)
    numbers = [common * n for n in rng.sample(range(2, high), 3)]
    first, second, third = work.shuffled(numbers)
    value = find(work, first, second)
    if value != third:
        value = find(work, value, third)
    shown = "{}, {} and {}".format(*numbers)
    wordings = ("What is the {} of {}?", "Find the {} of {}.")
    return (word, *sorted(numbers)), wordings, (word, shown), value


def common_divisors(rng, level, work):
    """All common divisors: those of the gcd, or of both numbers."""
    first, second = _draw_pair(rng, 13)
    common = math.gcd(first, second)
    if work.pick("gcd", "lists") == "gcd":
        _find_gcd(work, first, second)
        _write_pairs(work, common)
    else:
        for number in work.shuffled([first, second]):
            _write_pairs(work, number)
    key = ("common set", *sorted((first, second)))
    wordings = (
        "List the set of common divisors of {} and {}.",
        "Which numbers divide both {} and {}?",
    )
    return key, wordings, (first, second), _set_text(common)


def all_divisors(rng, level, work):
    """All divisors of one number, in pairs."""
    number = rng.randint(12, 800)
    while not 4 <= len(_divisors_of(number)) <= 12:
        number = rng.randint(12, 800)
    if work.pick("pairs", "primes") == "primes":
        _note_primes(work, number)
        work.write(f"{number}={_prime_text(number)}")
    _write_pairs(work, number)
    wordings = ("List the set of divisors of {}.", "Which numbers divide {}?")
    return ("set", number), wordings, (number,), _set_text(number)


def _draw_pair(rng, high):
    """Two different numbers that share a divisor above 1."""
    while True:
        common = rng.randint(2, 14)
        first, second = (common * rng.randint(2, high) for _ in range(2))
        if first != second:
            return first, second


def _find_gcd(work, first, second):
    """Euclid's remainders, or the shared prime factors."""
    value = math.gcd(first, second)
    if work.pick("Euclid", "primes") == "Euclid":
        large, small = max(first, second), min(first, second)
        while small:
            times, rest = divmod(large, small)
            work.note_product(times, small)
            if rest:
                work.note_sum(large, -times * small)
            tail = f"+{rest}" if rest else ""
            work.write(f"{large}={times}*{small}{tail}")
            large, small = small, rest
        return value
    for number in work.shuffled([first, second]):
        _note_primes(work, number)
        work.write(f"{number}={_prime_text(number)}")
    if "*" in _prime_text(value):
        work.write(f"{_prime_text(value)}={value}")
    return value


def _find_lcm(work, first, second):
    """Through the gcd, or by multiples of the larger number."""
    value = math.lcm(first, second)
    large, small = max(first, second), min(first, second)
    ways = ["gcd", "multiples"] if value // large <= 7 else ["gcd"]
    if work.pick(*ways) == "multiples":
        multiples = range(large, value + 1, large)
        work.write(", ".join(str(number) for number in multiples))
        work.write(f"{value}={value // small}*{small}")
        return value
    common = _find_gcd(work, first, second)
    part, whole = work.pick((first, second), (second, first))
    work.write(f"{part}/{common}={part // common}")
    if part != common:
        work.multiply(whole, part // common)
    return value


def _note_primes(work, number):
    """The quotients on the way to the prime factors."""
    for prime in map(int, _prime_text(number).split("*")[:-1]):
        work.note_quotient(number, prime)
        number //= prime


def _prime_text(number):
    primes, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            primes.append(str(divisor))
            number //= divisor
        divisor += 1
    return "*".join(primes)


def _divisors_of(number):
    return [d for d in range(1, number + 1) if number % d == 0]


def _set_text(number):
    return "\\{" + ", ".join(map(str, _divisors_of(number))) + "\\}"


def _write_pairs(work, number):
    """List the divisors of a number as products."""
    pairs = [
        f"{d}*{number // d}" for d in _divisors_of(number) if d * d <= number
    ]
    for divisor in _divisors_of(number):
        if 1 < divisor and divisor * divisor <= number:
            work.note_quotient(number, divisor)
    work.write("=".join([str(number), *pairs]))
