"""Everyday sums: percentages, shapes, and stories about buying and sharing."""

import math
from fractions import Fraction

NAMES = ("Ann", "Ben", "Eva", "Tom", "Mia", "Sam")
THINGS = ("pens", "books", "apples", "cups", "cards", "balls")


def percent_of(rng, level, work):
    """A part of a whole."""
    if level == 1:
        percent, whole = 5 * rng.randint(1, 19), 20 * rng.randint(2, 50)
    else:
        percent, whole = rng.randint(2, 98), 50 * rng.randint(1, 12)
    if whole * percent % 100:
        whole *= 2
    part = _take_percent(work, whole, percent)
    wordings = ("What is {}% of {}?", "Find {}% of {}.")
    return ("of", percent, whole), wordings, (percent, whole), part


def _take_percent(work, whole, percent):
    """Take percent of whole by a fraction, hundredths, or pieces."""
    ways, ones = ["fraction"], percent % 10
    if percent < 100 and (percent < 10 or not ones):
        ways.append("hundred")
    if 10 < percent < 100 and ones and whole * ones % 100 == 0:
        ways.append("pieces")
    way = work.pick(*ways)
    part = whole * percent // 100
    if way == "hundred":
        work.write(f"{work.multiply(whole, percent)}/100={part}")
    elif way == "fraction":
        share = Fraction(percent, 100)
        unit = whole // share.denominator
        work.write(f"{whole}/{share.denominator}={unit}")
        if share.numerator > 1:
            work.multiply(unit, share.numerator)
    else:
        large = whole * (percent - ones) // 100
        work.write(f"{percent - ones}%: {large}")
        work.write(f"{ones}%: {part - large}")
        work.add_up([large, part - large])
    return part


def percent_share(rng, level, work):
    """What percent a part is, by reducing or by hundreds."""
    percent, whole = 5 * rng.randint(1, 29), 20 * rng.randint(1, 30)
    part = whole * percent // 100
    common = math.gcd(part, whole)
    if work.pick("reduce", "hundred") == "hundred" or common == 1:
        work.write(f"{part}*100={part * 100}")
        work.write(f"{part * 100}/{whole}={percent}")
    else:
        small, base = part // common, whole // common
        work.write(f"{part}/{whole}={small}/{base}")
        work.write(f"100/{base}={100 // base}")
        work.multiply(small, 100 // base)
    wordings = ("What percent of {1} is {0}?", "{0} is what percent of {1}?")
    return ("share", part, whole), wordings, (part, whole), f"{percent}\\%"


def percent_change(rng, level, work):
    """One change (level 3) or two changes in a row (level 5)."""
    sizes = range(5, 60, 5) if level == 3 else range(10, 70, 10)
    count = 1 if level == 3 else 2
    changes = [rng.choice([1, -1]) * rng.choice(sizes) for _ in range(count)]
    start = 20 * rng.randint(2, 30)
    if level == 5:
        start = 100 * rng.randint(2, 12)
    amount, turns = start, []
    for change in changes:
        turns.append(f"{'rises' if change > 0 else 'falls'} by {abs(change)}%")
        if work.pick("add", "at once") == "at once":
            amount = _take_percent(work, amount, 100 + change)
        else:
            part = _take_percent(work, amount, abs(change))
            amount = work.add_up([amount, part if change > 0 else -part])
    subjects = ("price", "stock", "rent")
    wordings = [f"A {what} of {{}} {{}}. What is it now?" for what in subjects]
    shown = (start, " and then ".join(turns))
    return ("change", start, *changes), wordings, shown, amount


PERCENTAGES = [percent_of, percent_share, percent_change]
PERCENTAGES += [percent_of, percent_change]


def perimeter(rng, level, work):
    """Around a rectangle: twice the sum, or the sum of doubled sides."""
    sides = rng.randint(5, 60), rng.randint(5, 60)
    if work.pick("sum", "sides") == "sum":
        value = work.multiply(2, work.add_up(sides))
    else:
        value = work.add_up(work.multiply(2, n) for n in work.shuffled(sides))
    wordings = (
        "A rectangle is {} by {}. What is its perimeter?",
        "Find the perimeter of a rectangle with sides {} and {}.",
    )
    return ("perimeter", *sorted(sides)), wordings, sides, value


def triangle(rng, level, work):
    """Half of base times height, halving whichever is even or the product."""
    base, height = rng.randint(5, 99), rng.randint(2, 9)
    answer = f"{base * height / 2:g}"
    if base % 2 == 0 and work.pick("product", "half") == "half":
        work.write(f"{base}/2={base // 2}")
        work.multiply(base // 2, height)
    elif height % 2 == 0 and work.pick("product", "half") == "half":
        work.write(f"{height}/2={height // 2}")
        work.multiply(base, height // 2)
    else:
        work.write(f"{work.multiply(base, height)}/2={answer}")
    wordings = (
        "A triangle has base {} and height {}. Find its area.",
        "What is the area of a triangle with base {} and height {}?",
    )
    return ("triangle", base, height), wordings, (base, height), answer


def corner_shape(rng, level, work):
    """An L: subtract the corner, or cut it into two rectangles."""
    width, height = rng.randint(8, 25), rng.randint(4, 9)
    cut_width = rng.randint(3, width - 3)
    cut_height = rng.randint(2, height - 2)
    way = work.pick("subtract", "upright", "flat")
    if way == "subtract":
        pieces = [(width, height, 1), (cut_width, cut_height, -1)]
    elif way == "upright":
        rest = work.add_up([width, -cut_width])
        side = work.add_up([height, -cut_height])
        pieces = [(rest, height, 1), (cut_width, side, 1)]
    else:
        rest = work.add_up([height, -cut_height])
        side = work.add_up([width, -cut_width])
        pieces = [(width, rest, 1), (side, cut_height, 1)]
    question = (
        "A {} by {} corner is cut from a {} by {} rectangle. What area is "
        "left?"
    )
    shown = (cut_width, cut_height, width, height)
    key = ("corner", (width, height), (cut_width, cut_height))
    return key, [question], shown, _sum_areas(work, pieces)


def frame(rng, level, work):
    """A border of equal width: outer minus inner, or strips."""
    width, height = rng.randint(10, 40), rng.randint(3, 12)
    border = rng.randint(1, 3)
    outer = [work.add_up([side, 2 * border]) for side in (width, height)]
    if work.pick("subtract", "strips") == "subtract":
        pieces = [(*outer, 1), (width, height, -1)]
    else:
        pieces = [(outer[0], 2 * border, 1), (height, 2 * border, 1)]
    question = (
        "A {} by {} picture has a frame {} wide all around. What is the area "
        "of the frame?"
    )
    key = ("frame", *sorted((width, height)), border)
    return key, [question], (width, height, border), _sum_areas(work, pieces)


def _sum_areas(work, pieces):
    """The area of rectangles (width, height, sign), in any order."""
    pieces = work.shuffled(pieces)
    return work.add_up(s * work.multiply(w, h) for w, h, s in pieces)


def cuboid(rng, level, work):
    """The surface: twice the sum, or the sum of doubled faces."""
    sides = [rng.randint(2, 9), rng.randint(2, 9), rng.randint(4, 30)]
    rng.shuffle(sides)
    a, b, c = sides
    faces = work.multiply_all([(a, b), (b, c), (a, c)])
    if work.pick("sum", "double") == "sum":
        value = work.multiply(2, work.add_up(faces))
    else:
        value = work.add_up(work.multiply(2, face) for face in faces)
    wordings = (
        "A box is {} by {} by {}. What is its surface area?",
        "Find the surface area of a {} by {} by {} box.",
    )
    return ("cuboid", *sorted(sides)), wordings, sides, value


GEOMETRY = [perimeter, triangle, corner_shape, cuboid, frame]


def lending(rng, level, work):
    """What is there after some went and some came."""
    start, gone = rng.randint(30, 70), rng.randint(3, 29)
    back = rng.randint(3, 29)
    shown = (rng.choice(NAMES), start, rng.choice(THINGS), gone, back)
    wordings = (
        "{} has {} {}, sells {} and buys {}. How many are there now?",
        "{} had {} {}, lost {} and found {}. How many are left?",
    )
    value = work.add_up([start, -gone, back])
    return (level, start, gone, back), wordings, shown, value


def change(rng, level, work):
    """What comes back from a payment."""
    count, price = rng.randint(2, 9), rng.randint(11, 49)
    paid = 100 * (count * price // 100 + rng.randint(1, 3))
    value = work.add_up([paid, -work.multiply(count, price)])
    shown = (rng.choice(NAMES), count, rng.choice(THINGS), price, paid)
    question = (
        "{} buys {} {} at {} cents each and pays {} cents. How much change?"
    )
    return (level, count, price, paid), [question], shown, value


def two_kinds(rng, level, work):
    """The cost of two kinds of things."""
    basket = [(rng.randint(2, 6), rng.randint(6, 25)) for _ in range(2)]
    value = work.add_up(work.multiply_all(basket))
    wordings = (
        "{} buys {} {} at {} and {} {} at {}. What is the cost?",
        "{} sells {} {} for {} each and {} {} for {} each. What is the total?",
    )
    return (level, *sorted(basket)), wordings, _trade(rng, basket), value


def _trade(rng, basket):
    """Who trades: name, count, thing, price, count, thing, price."""
    name, things = rng.choice(NAMES), rng.sample(THINGS, 2)
    (first, price), (second, other_price) = basket
    return name, first, things[0], price, second, things[1], other_price


def sharing(rng, level, work):
    """A bill split evenly: add first, or share every part first."""
    people = rng.randint(2, 5)
    count, each = people * rng.randint(2, 5), rng.randint(4, 19)
    extra = people * rng.randint(3, 20)
    if work.pick("sum", "parts") == "sum":
        total = work.add_up([work.multiply(count, each), extra])
        value = total // people
        work.write(f"{total}/{people}={value}")
    else:
        work.write(f"{count}/{people}={count // people}")
        part = work.multiply(count // people, each)
        work.write(f"{extra}/{people}={extra // people}")
        value = work.add_up([part, extra // people])
    question = (
        "{} friends share the cost of {} {} at {} and a box for {}. What "
        "does each pay?"
    )
    shown = (people, count, rng.choice(THINGS), each, extra)
    return (level, people, count, each, extra), [question], shown, value


def trips(rng, level, work):
    """Income from two products less a cost, over several days."""
    basket = [(rng.randint(2, 6), rng.randint(6, 25)) for _ in range(2)]
    days, cost = rng.randint(2, 5), rng.randint(5, 40)
    shown = (*_trade(rng, basket), cost, days)
    way = work.pick("day", "all")
    amounts = [*work.multiply_all(basket), -cost]
    if way == "day":
        value = work.multiply(days, work.add_up(amounts))
    else:
        value = work.add_up(work.multiply(days, n) for n in amounts)
    question = (
        "A day {} sells {} {} at {} and {} {} at {} and spends {}. What is "
        "left after {} days?"
    )
    return (level, *sorted(basket), cost, days), [question], shown, value


WORDS = [lending, change, two_kinds, sharing, trips]
