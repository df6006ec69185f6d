"""The value of an expression when its symbols are given numbers.

One walk over the tree serves two number types: `exact` computes with
fractions and gives up at the first irrational value, `numeric` computes with
60 digits. Both count their steps, so that nested sums end.
"""

from .limits import MAX_STEPS, TooLong, Undecided
from .tree import BINDERS, Number, Operation, Symbol, applied_name


class Evaluator:
    """Walks a tree; `functions` maps operation names to functions."""

    functions = {}

    def __init__(self, values):
        self.values = dict(values)
        self.steps = 0

    def number(self, value):
        """A Fraction as the number type of the evaluator."""
        raise NotImplementedError

    def constant(self, name):
        """The value of pi, e or i."""
        raise NotImplementedError

    def evaluate(self, tree):
        """The value of a tree.

        Raises:
            Undecided: there is no value of this number type, or it is out
                of the limits.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooLong("too many steps")
        if isinstance(tree, Number):
            return self.number(tree.value)
        if isinstance(tree, Symbol):
            if tree.name in self.values:
                return self.number(self.values[tree.name])
            return self.constant(tree.name)
        if not isinstance(tree, Operation):
            raise Undecided(f"{type(tree).__name__} has no value")
        if tree.name == "apply":
            return self.number(self.values[applied_name(tree)])
        if tree.name in BINDERS:
            return self.unroll(tree)
        function = self.functions.get(tree.name)
        if function is None:
            raise Undecided(f"{tree.name} has no value")
        return function(*map(self.evaluate, tree.args))

    def unroll(self, tree):
        """A sum or product, term by term."""
        index, low, high, body = tree.args
        low, high = self.evaluate(low), self.evaluate(high)
        if high - low > MAX_STEPS:
            raise TooLong("too many terms")
        if low != int(low) or high != int(high):
            raise Undecided("the bounds are no whole numbers")
        combine = self.functions["add" if tree.name == "sum" else "multiply"]
        total = self.number(0 if tree.name == "sum" else 1)
        outer = self.values.get(index.name)
        for value in range(int(low), int(high) + 1):
            self.values[index.name] = value
            total = combine(total, self.evaluate(body))
        if outer is None:
            self.values.pop(index.name, None)
        else:
            self.values[index.name] = outer
        return total
