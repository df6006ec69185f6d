"""Units: which words are units, and when two of them are the same.

A unit that only one of two answers names does not matter: "5 cm" answers a
question whose reference says "5". Units that both name must agree. Nothing is
converted: "1 m" and "100 cm" are left unequal.
"""

import re

from .vocabulary import words

UNITS = {
    "cm": "cm centimeter centimetre",
    "mm": "mm millimeter millimetre",
    "km": "km kilometer kilometre",
    "dm": "dm decimeter decimetre",
    "m": "m meter metre mtr",
    "nm": "nm nanometer",
    "in": "in inch inches",
    "ft": "ft foot feet",
    "yd": "yd yard",
    "mi": "mi mile",
    "kg": "kg kilogram",
    "mg": "mg milligram",
    "g": "g gm gram",
    "lb": "lb pound",
    "oz": "oz ounce",
    "ton": "ton tonne",
    "l": "l liter litre",
    "ml": "ml milliliter millilitre",
    "gal": "gal gallon",
    "s": "s sec second",
    "min": "min minute",
    "h": "h hr hour",
    "day": "day",
    "week": "week wk",
    "month": "month",
    "year": "year yr",
    "dollar": "dollar usd buck",
    "cent": "cent ¢",
    "euro": "euro eur",
    "rupee": "rupee rs inr",
    "yen": "yen",
    "percent": "percent",
    "degree": "degree deg",
    "rad": "rad radian",
    "mi/h": "mph",
    "km/h": "kmph kph kmh",
    "hz": "hz hertz",
    "j": "j joule",
    "n": "newton",
    "w": "w watt",
    "v": "v volt",
    "pa": "pa pascal",
    "k": "kelvin",
    "mol": "mol mole",
    "acre": "acre",
    "hectare": "hectare ha",
    "unit": "unit",
}
CANONICAL = {
    spelling: unit
    for unit, spellings in UNITS.items()
    for spelling in spellings.split()
}
MODIFIERS = words("square sq cubic cu cubed squared per")
NAMES = {name for name in CANONICAL if len(name) > 1} | MODIFIERS
UNIT_WORDS = (NAMES | {name + "s" for name in NAMES if len(name) > 2}) | words(
    "lbs hrs yrs mins secs mL kW MHz kHz ways way th nd rd st"
)
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
TERM = re.compile(r"[a-z¢]+|\^?-?\d+|[/*]")


def canonical_unit(text):
    """One spelling of a unit: "square inches" and "in^2" give "in^2"."""
    terms, power, sign, known = [], 1, 1, False
    for term in TERM.findall(text.lower().replace(".", "")):
        if term in ("/", "per"):
            sign = -1
        elif term in ("squared", "cubed"):
            terms[-1:] = [(n, p * POWERS[term]) for n, p in terms[-1:]]
        elif term in POWERS:
            power = POWERS[term]
        elif term[-1].isdigit():
            exponent = int(term.strip("^")[:3])
            terms[-1:] = [(n, p * exponent) for n, p in terms[-1:]]
        elif term != "*":
            name = singular(term)
            known = known or name in CANONICAL
            name = CANONICAL.get(name, name)
            for base in name.split("/"):
                terms.append((base, sign * power))
                sign = -sign if "/" in name else sign
            power = 1
    names = {name for name, _ in terms}
    if names <= {"unit"}:
        return ""
    return " ".join(f"{n}^{p}" for n, p in sorted(terms))


def singular(word):
    """A word without its plural s, if the rest is a unit or long enough."""
    if word in CANONICAL or not word.endswith("s") or len(word) < 3:
        return word
    if word.endswith("es") and word[:-2] in CANONICAL:
        return word[:-2]
    return word[:-1]


def is_unit(text):
    """Whether every word of the text belongs to a unit we know."""
    found = re.findall(r"[a-z¢]+", text.lower())
    return bool(found) and all(
        singular(word) in CANONICAL or word in MODIFIERS for word in found
    )
