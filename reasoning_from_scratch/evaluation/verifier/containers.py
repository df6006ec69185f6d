"""Rules for answers with items: sets, lists, points, intervals, matrices.

A rule takes two settled answers and the judge that compares their parts; it
returns True, False, or None for "not my kind".
"""

from . import tree
from .tree import Collection, Matrix, Sequence, in_order


def compare_collections(left, right, judge):
    """Sets and lists: the order of items does not count."""
    pair = in_order(left, right, Collection)
    if pair is None:
        return None
    collection, other = pair
    if collection.kind == "or" and all_same(collection.items, judge):
        return judge.same(collection.items[0], other)
    if isinstance(other, Collection):
        if other.kind == "or" and all_same(other.items, judge):
            return judge.same(collection, other.items[0])
        if collection.kind == other.kind == "set":
            return all(
                any(judge.same(a, b) for b in many)
                for few, many in (
                    (collection.items, other.items),
                    (other.items, collection.items),
                )
                for a in few
            )
        return same_items(collection.items, other.items, judge)
    if collection.kind == "set" and len(collection.items) == 1:
        return judge.same(collection.items[0], other)
    return False


def all_same(items, judge):
    """Whether all items are one answer in several forms."""
    first, *rest = items
    return all(judge.same(first, item) for item in rest)


def same_items(left, right, judge):
    """Whether the items can be paired off, in any order."""
    if len(left) != len(right):
        return False
    unpaired = list(right)
    for item in left:
        for number, other in enumerate(unpaired):
            if judge.same(item, other):
                del unpaired[number]
                break
        else:
            return False
    return True


def same_row(left, right, judge):
    """Whether the items are the same, one by one."""
    return len(left) == len(right) and all(
        judge.same(a, b) for a, b in zip(left, right, strict=True)
    )


def compare_sequences(left, right, judge):
    """Points and intervals: order and brackets count."""
    pair = in_order(left, right, Sequence)
    if pair is None:
        return None
    sequence, other = pair
    if isinstance(other, Matrix):
        is_point = (sequence.left, sequence.right) == ("(", ")")
        is_vector = 1 in (len(other.rows), len(other.rows[0]))
        cells = tree.parts(other)
        same_cells = same_row(sequence.items, cells, judge)
        return is_point and is_vector and same_cells
    if not isinstance(other, Sequence):
        return False
    brackets = [(s.left, s.right) for s in (sequence, other)]
    is_tuple = len(sequence.items) > 2 and all(
        pair in (("(", ")"), ("[", "]")) for pair in brackets
    )
    if brackets[0] != brackets[1] and not is_tuple:
        return False
    return same_row(sequence.items, other.items, judge)


def compare_matrices(left, right, judge):
    """Matrices of one shape, cell by cell."""
    pair = in_order(left, right, Matrix)
    if pair is None:
        return None
    matrix, other = pair
    if not isinstance(other, Matrix):
        return False
    return len(matrix.rows) == len(other.rows) and all(
        same_row(a, b, judge)
        for a, b in zip(matrix.rows, other.rows, strict=True)
    )
