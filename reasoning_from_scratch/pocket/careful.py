"""The teacher's careful arithmetic: every hard line is worked in pieces.

The pocket models compute `47*6=282` in one go, often wrongly. The teacher
writes what a careful pupil would: sums and differences by columns from the
right, products by tens and ones. It reads our own step lines and puts the
pieces before them.
"""

from __future__ import annotations

import re

_SUM = re.compile(r"^(-?\d+)([+-])(\d+)=(-?\d+)$")
_PRODUCT = re.compile(r"^(-?\d+)\*\(?(-?\d+)\)?=(-?\d+)$")


def careful_steps(steps):
    """Return the lines with the pieces of every long calculation before it."""
    return tuple(line for step in steps for line in [*_pieces(step), step])


def _pieces(step):
    if match := _PRODUCT.match(step):
        first, second = (abs(int(match[i])) for i in (1, 2))
        return _product_pieces(max(first, second), min(first, second))
    if match := _SUM.match(step):
        first, second = int(match[1]), int(match[3])
        second = second if match[2] == "+" else -second
        return _sum_pieces(first, second)
    return []


def _product_pieces(long, short):
    """47*6: 7*6=42, 40*6=240 and their sum."""
    long, short = (int(str(n).rstrip("0") or 0) for n in (long, short))
    long, short = max(long, short), min(long, short)
    if long < 11 or short < 2 or short > 9:
        return []
    parts, place = [], 1
    for digit in reversed(str(long)):
        if digit != "0":
            parts.append(f"{int(digit) * place}*{short}")
        place *= 10
    values = [int(p.split("*")[0]) * short for p in parts]
    lines = [f"{p}={v}" for p, v in zip(parts, values, strict=True)]
    return [" ".join(lines)]


def _sum_pieces(first, second):
    """Columns from the right, with the carry: 5+7=12 4+8+1=13."""
    large, small = sorted((abs(first), abs(second)), reverse=True)
    if small < 10 and large < 20:
        return []
    sign = "+" if (first < 0) == (second < 0) else "-"
    columns, carry = [], 0
    width = len(str(large))
    pairs = zip(f"{large}"[::-1], f"{small:0{width}d}"[::-1], strict=True)
    for a, b in pairs:
        value = int(a) + int(b) + carry
        text = f"{a}+{b}" + ("+1" if carry else "")
        if sign == "-":
            value = int(a) - int(b) - carry
            text = f"{a}-{b}" + ("-1" if carry else "")
            if value < 0:
                text, value = "1" + text, value + 10
                carry = 1
            else:
                carry = 0
        else:
            carry = value // 10
        columns.append(f"{text}={value}")
    return [" ".join(columns)]
