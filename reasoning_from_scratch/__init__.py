"""Watch a language model learn to reason, in code to read to the last line.

The companion package of the book's chapters: `llm` (stage 1), `evaluation`
(stage 2), `scaling` (stage 3) and `training` (stage 4). Names are imported on
first use, so that `import reasoning_from_scratch` is instant.
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

# Modules that the package of the book's listings has, and this one has not
BOOK_MODULES = {f"ch0{number}" for number in range(2, 9)}
BOOK_MODULES |= {"appendix_c", "appendix_f", "bonus", "utils"}
BOOK_MODULES |= {"qwen3", "qwen3_batched", "qwen3_optimized"}


class BookNames:
    """Asked for a module that nobody found: says whose it is."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        module = name.removeprefix(f"{__name__}.")
        if name != module and module in BOOK_MODULES:
            raise ImportError(
                f"{name} belongs to the package of the book's listings; "
                f"installed is the companion of the same name, {__version__}, "
                "with the same functions in llm, evaluation, scaling and "
                "training: docs/book.md has the whole table. The two packages "
                "need an environment each",
                name=name,
            )


sys.meta_path.append(BookNames)


def import_on_use(package, names):
    """The `__getattr__`, `__dir__` and `__all__` of a package's names.

    `names` tells behind each module, "module:", which ones are in it.
    """
    homes, home = {}, None
    for word in names.split():
        if word.endswith(":"):
            home = word[:-1]
        else:
            homes[word] = home

    def find(name):
        if name not in homes:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find, lambda: sorted(homes), sorted(homes)


NAMES = """
    llm: load_model generate
    evaluation: load_problems evaluate
"""
__getattr__, __dir__, __all__ = import_on_use(__name__, NAMES)
__all__ += ["__version__"]
