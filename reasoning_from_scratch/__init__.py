"""Watch a language model learn to reason, in code to read to the last line.

The companion package of the book's chapters: `llm` (stage 1), `evaluation`
(stage 2), `scaling` (stage 3) and `training` (stage 4), imported on first use.
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

# Modules of the package of the book's listings, and what is called how here
BOOK = """
ch02: get_device is device.pick_device, generate_text_* are llm.generate
ch03: load_model_and_tokenizer is llm.load_model, grade_answer answers_equal
ch04: top_p_filter is llm.sampling.filter_top_p, votes are in scaling.votes
ch05: self_refinement_loop is scaling.self_refine
ch06: reward_rlvr is training.accuracy_reward, train_rlvr_grpo train_grpo
ch07: reward_format is training.format_reward, plots come from rfs report
ch08: load_distill_data is training.read_traces
qwen3: Qwen3Model is llm.Qwen3Model, download_qwen3_small llm.load_model
qwen3_batched: llm.generate takes batches
qwen3_optimized: llm.generate takes compiled=True
appendix_c: QWEN3_CONFIG_4B is llm.QWEN3_CONFIGS['4b']
appendix_f: elo_ratings is in ch03/ranking.py
utils: llm.load_model and evaluation.load_problems fetch their files
bonus: evaluation.answers_equal compares answers
"""
BOOK_MODULES = dict(line.split(": ") for line in BOOK.splitlines()[1:])


class BookNames:
    """Asked for a module that nobody found: says whose it is."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        module = name.removeprefix(f"{__name__}.")
        if name != module and module in BOOK_MODULES:
            raise ImportError(
                f"{name} belongs to the package of the book's listings; "
                f"installed is the companion of the same name, {__version__}. "
                f"Here {BOOK_MODULES[module]}; docs/book.md has the whole "
                "table. The two packages need an environment each",
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
