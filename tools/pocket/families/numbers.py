"""Numbers: whole ones, decimals, fractions, divisors and multiples."""

import math
from fractions import Fraction

from ..exercises import fraction_answer, signed, spaced_sum


def arithmetic(rng, level, work):
    """Chains of sums, products and brackets: 7*(34 + 18) - 6*23."""
    terms = _draw_terms(rng, level)
    values, texts, key = [], [], []
    for outer, *inner in work.shuffled(terms):
        if len(inner) > 1 and work.pick("bracket", "expand") == "bracket":
            inner = [work.add_up(inner)]
        products = [work.multiply(outer, n) for n in work.shuffled(inner)]
        values += products or [outer]
    for outer, *inner in terms:
        text = f"({spaced_sum(inner)})" if len(inner) > 1 else str(*inner)
        texts.append(f"{outer}*{text}" if inner else outer)
        if len(inner) == 1:
            outer, inner = outer * inner[0], (abs(outer), *inner)
        key.append((outer, *sorted(inner)))
    wordings = ("What is {}?", "Calculate {}.", "Work out {}.")
    return sorted(key), wordings, (spaced_sum(texts),), work.add_up(values)


def _draw_terms(rng, level):
    """Draw terms (n,), (a, b) for a*b and (a, b, c) for a*(b + c)."""
    sign, most = rng.choice([1, -1]), 9 if level == 5 else 5
    if level == 1:
        first = (rng.randint(11, 60),)
        return [first, (signed(rng, 2, 29),), (signed(rng, 2, 29),)]
    if level == 2:
        first = (rng.randint(2, 6), rng.randint(11, 25))
        return [first, (signed(rng, 3, 40),)]
    if level == 3:
        first = (rng.randint(2, 5), rng.randint(6, 19))
    else:
        shift = signed(rng, 2, 9)
        first = (rng.randint(2, most), rng.randint(11, 25), shift)
    terms = [first, (sign * rng.randint(2, most), rng.randint(6, 19))]
    return terms if level < 5 else [*terms, (signed(rng, 11, 60),)]


def decimals(rng, level, work):
    """Sums of decimals and their multiples, worked in tenths."""
    num_products, num_plain = [(0, 2), (0, 3), (1, 1), (2, 0), (2, 1)][
        level - 1
    ]
    terms = [
        (signed(rng, 2, 6), rng.randint(11, 29)) for _ in range(num_products)
    ] + [(1, signed(rng, 11, 59)) for _ in range(num_plain)]
    total = work.add_up(
        number if times == 1 else work.multiply(times, number)
        for times, number in work.shuffled(terms)
    )
    answer = f"{total / 10:g}"
    work.write(f"{total}/10={answer}")
    texts = [f"{times}*{n / 10:g}".removeprefix("1*") for times, n in terms]
    wordings = ("Work out {}.", "What is {}?")
    return sorted(terms), wordings, (spaced_sum(texts),), answer


def fractions(rng, level, work):
    """Sums, products and quotients of fractions, in lowest terms."""
    high = (6, 7, 8, 4, 5)[level - 1]
    first, second, third = (_draw_fraction(rng, high) for _ in range(3))
    terms = [first, rng.choice([1, -1]) * second, third]
    if level == 2:
        total = _multiply_fractions(work, first, second)
        key = ("product", *sorted([first, second]))
        shown = f"{first} * {second}"
        if rng.random() < 0.5:
            key = ("quotient", first, second)
            shown = f"{first} : {1 / second}"
            work.steps.insert(0, f"{first}*{second}")
    elif level == 4:
        total = _bracket_product(work, terms[:2], third)
        key = ("bracket", *sorted(terms[:2]), third)
        shown = f"({spaced_sum(terms[:2])}) * {third}"
    else:
        terms = terms if level == 5 else terms[:2]
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
            work.write(f"{value}={numerator}/{common}")
    return _reduce(work, work.add_up(numerators), common)


def _multiply_fractions(work, first, second):
    """Cancel across before multiplying, or multiply and then reduce."""
    top = [first.numerator, second.numerator]
    bottom = [first.denominator, second.denominator]
    if work.pick("multiply", "cancel") == "cancel":
        for i in (0, 1):
            shared = math.gcd(top[i], bottom[1 - i])
            top[i] //= shared
            bottom[1 - i] //= shared
        work.write(f"{top[0]}/{bottom[0]}*{top[1]}/{bottom[1]}")
    for one, other in work.shuffled([top, bottom]):
        work.write(f"{one}*{other}={one * other}")
    return _reduce(work, math.prod(top), math.prod(bottom))


def _bracket_product(work, terms, outer):
    """(a + b)*c: the bracket first, or both products and then their sum."""
    if work.pick("bracket", "expand") == "bracket":
        return _multiply_fractions(work, _add_fractions(work, terms), outer)
    products = [_multiply_fractions(work, value, outer) for value in terms]
    return _add_fractions(work, products)


def _reduce(work, numerator, denominator):
    """Write the reduced fraction."""
    value, plain = (
        Fraction(numerator, denominator),
        f"{numerator}/{denominator}",
    )
    work.write(plain if str(value) == plain else f"{plain}={value}")
    return value


def of_two_numbers(rng, level, work):
    """The gcd (level 1) or the lcm (level 2) of two numbers."""
    if level == 1:
        word, short, find, high = GCD, "gcd", _find_gcd, 12
    else:
        word, short, find, high = LCM, "lcm", _find_lcm, 11
    pair = _draw_pair(rng, high)
    wordings = ("What is the {2} of {0} and {1}?", "Find {3}({0}, {1}).")
    shown = (*pair, word, short)
    return (short, *sorted(pair)), wordings, shown, find(work, *pair)


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
    pair = _draw_pair(rng, 13)
    numbers = [math.gcd(*pair)]
    if work.pick("gcd", "lists") == "gcd":
        _find_gcd(work, *pair)
    else:
        numbers = work.shuffled(pair)
    for number in numbers:
        _write_pairs(work, number)
    key = ("common set", *sorted(pair))
    wordings = (
        "List the set of common divisors of {} and {}.",
        "Which numbers divide both {} and {}?",
    )
    return key, wordings, pair, _set_text(math.gcd(*pair))


def all_divisors(rng, level, work):
    """All divisors of one number, in pairs."""
    number = rng.randint(12, 800)
    while not 4 <= len(_divisors_of(number)) <= 12:
        number = rng.randint(12, 800)
    if work.pick("pairs", "primes") == "primes":
        work.write(f"{number}={_prime_text(number)}")
    _write_pairs(work, number)
    wordings = ("List the set of divisors of {}.", "Which numbers divide {}?")
    return ("set", number), wordings, (number,), _set_text(number)


GCD, LCM = "greatest common divisor", "least common multiple"
DIVISORS = [of_two_numbers, of_two_numbers, of_three_numbers]
DIVISORS += [common_divisors, all_divisors]


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
            tail = f"+{rest}" if rest else ""
            work.write(f"{large}={times}*{small}{tail}")
            large, small = small, rest
        return value
    for number in work.shuffled([first, second]):
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
        work.write(", ".join(map(str, range(large, value + 1, large))))
        work.write(f"{value}={value // small}*{small}")
        return value
    common = _find_gcd(work, first, second)
    part, whole = work.pick((first, second), (second, first))
    work.write(f"{part}/{common}={part // common}")
    if part != common:
        work.multiply(whole, part // common)
    return value


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
    small = [d for d in _divisors_of(number) if d * d <= number]
    work.write(f"{number}=" + "=".join(f"{d}*{number // d}" for d in small))
