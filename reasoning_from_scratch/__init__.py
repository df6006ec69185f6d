"""Watch a language model learn to reason, in code to read to the last line.

The companion package of the book's chapters: `llm` (stage 1), `evaluation`
(stage 2), `scaling` (stage 3) and `training` (stage 4). Names are imported on
first use, so that `import reasoning_from_scratch` is instant.
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

# Modules of the package of the same name that the book's listings use, and
# what the most used of their names are called here
BOOK_MODULES = {
    "ch02": "get_device is device.pick_device; generate_text_basic, _cache "
    "and _stream are llm.generate and llm.generate_stream",
    "ch03": "load_model_and_tokenizer is llm.load_model; grade_answer is "
    "evaluation.answers_equal; render_prompt is evaluation.render_prompt, "
    "with other arguments",
    "ch04": "top_p_filter is llm.sampling.filter_top_p, on logits; "
    "self_consistency_vote is scaling.self_consistency",
    "ch05": "heuristic_score is scaling.heuristic_score; "
    "self_refinement_loop is scaling.self_refine",
    "ch06": "sequence_logprob is llm.sequence_logprob; reward_rlvr is "
    "training.accuracy_reward; train_rlvr_grpo is training.train_grpo",
    "ch07": "reward_format is training.format_reward; plot_grpo_metrics is "
    "the command rfs report",
    "ch08": "train_distillation is training.train_distillation; "
    "load_distill_data is training.read_traces",
    "qwen3": "Qwen3Model, Qwen3Tokenizer and KVCache are in llm, with other "
    "arguments; download_qwen3_small is llm.load_model",
    "qwen3_batched": "llm.Qwen3Model reads batches, llm.generate writes them",
    "qwen3_optimized": "llm.Qwen3Model; compiled by generate(compiled=True)",
    "appendix_c": "QWEN3_CONFIG_4B is llm.QWEN3_CONFIGS['4b']",
    "appendix_f": "elo_ratings is in ch03/ranking.py of a checkout, on games",
    "utils": "llm.load_model and evaluation.load_problems fetch their files",
    "bonus": "evaluation.answers_equal compares answers",
}


class BookNames:
    """Asked for a module that nobody found: says whose it is."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        module = name.removeprefix(f"{__name__}.")
        if name != module and module in BOOK_MODULES:
            raise ImportError(
                f"{name} belongs to the package of the book's listings; "
                f"installed is the companion of the same name, {__version__}. "
                f"Here {BOOK_MODULES[module]}. docs/book.md has the whole "
                "table. The two packages need an environment each",
                name=name,
            )


sys.meta_path.append(BookNames)


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
