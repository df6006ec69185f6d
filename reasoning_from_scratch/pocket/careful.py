"""The teacher's careful arithmetic: every hard line is worked by digits.

The pocket models compute `47*6=282` in one go, often wrongly. The teacher
writes what a careful pupil would: sums, differences and products by columns
from the right with the carry, quotients by digits from the left with the
remainder. It reads our own step lines and puts the pieces beside them.
"""

from __future__ import annotations

import re

_SUM = re.compile(r"(-?\d+)([+-])(\d+)=-?\d+")
_PRODUCT = re.compile(r"(-?\d+)\*\(?(-?\d+)\)?=-?\d+")
_QUOTIENT = re.compile(r"(-?\d+)/(\d+)=-?\d+")
_SCALED = re.compile(r"(-?\d+)[xy]=(?:.*=)?(-?\d+)")  # 5x=65


def careful_steps(steps):
    """Return the lines with the pieces of every long calculation."""
    return tuple(line for step in steps for line in _explain(step) if line)


def _explain(step):
    if match := _SUM.fullmatch(step):
        first, second = int(match[1]), int(match[2] + match[3])
        return _sum_columns(first, second), step
    if match := _PRODUCT.fullmatch(step):
        first, second = (abs(int(match[i])) for i in (1, 2))
        return _product_columns(first, second), step
    if match := _QUOTIENT.fullmatch(step):
        return _quotient_digits(abs(int(match[1])), int(match[2])), step
    if match := _SCALED.fullmatch(step):
        divisor, number = (abs(int(match[i])) for i in (1, 2))
        return step, _quotient_digits(number, divisor)
    return (step,)


def _sum_columns(first, second):
    """347+285: 7+5=12 4+8+1=13 3+2+1=6; empty when it is easy."""
    large, small = sorted((abs(first), abs(second)), reverse=True)
    if large < 20 and small < 10:
        return ""
    is_sum = (first < 0) == (second < 0)
    columns, carry = [], 0
    digits = str(large)[::-1]
    for a, b in zip(digits, str(small).zfill(len(digits))[::-1], strict=True):
        sign = "+" if is_sum else "-"
        carried = f"{sign}1" if carry else ""
        if is_sum:
            value = int(a) + int(b) + carry
            carry, borrowed = value // 10, ""
        else:
            value = int(a) - int(b) - carry
            carry = int(value < 0)
            borrowed = "1" if carry else ""
            value += 10 * carry
        columns.append(f"{borrowed}{a}{sign}{b}{carried}={value}")
    return " ".join(columns)


def _product_columns(first, second):
    """47*6: 7*6=42 4*6+4=28; empty unless one factor has one digit."""
    first, second = (int(str(n).rstrip("0") or 0) for n in (first, second))
    long, short = max(first, second), min(first, second)
    if long < 10 or not 2 <= short <= 9:
        return ""
    columns, carry = [], 0
    for digit in reversed(str(long)):
        value = int(digit) * short + carry
        carried = f"+{carry}" if carry else ""
        columns.append(f"{digit}*{short}{carried}={value}")
        carry = value // 10
    return " ".join(columns)


def _quotient_digits(number, divisor):
    """342/6: 34/6=5r4 42/6=7; empty unless it comes out with a digit."""
    while divisor % 10 == 0 and number % 10 == 0:
        number, divisor = number // 10, divisor // 10
    if not 2 <= divisor <= 9 or number < 20 or number % divisor:
        return ""
    pieces, rest = [], 0
    for digit in str(number):
        value = 10 * rest + int(digit)
        rest = value % divisor
        if value < divisor and not pieces:
            continue  # no digit of the result yet
        remainder = f"r{rest}" if rest else ""
        pieces.append(f"{value}/{divisor}={value // divisor}{remainder}")
    return " ".join(pieces)
