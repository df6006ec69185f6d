"""Watch a language model learn to reason, in code to read to the last line.

The companion package of the book's chapters: `llm` (stage 1), `evaluation`
(stage 2), `scaling` (stage 3) and `training` (stage 4). Names are imported on
first use, so that `import reasoning_from_scratch` is instant.
"""

from importlib import import_module

__version__ = "0.1.0"


def import_on_use(package, modules):
    """The `__getattr__`, `__dir__` and `__all__` of a package's names.

    `modules` maps each module of the package to the names it gives.
    """
    homes = {name: home for home, names in modules.items() for name in names}

    def find(name):
        if name not in homes:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}"
            )
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find, lambda: sorted(homes), sorted(homes)


_MODULES = {
    "llm": ["load_model", "generate"],
    "evaluation": ["load_problems", "evaluate"],
}
__getattr__, __dir__, __all__ = import_on_use(__name__, _MODULES)
__all__ += ["__version__"]
