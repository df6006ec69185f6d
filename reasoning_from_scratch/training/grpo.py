"""GRPO training: sample, compare, update, and again.

A step inside the loop of `loop`; it calls `rollouts` (sampling and rewards)
and `update` (advantages, loss, gradient step). The tokens depend on seed,
step and problem, the data order on a cursor in each row of metrics.jsonl.

Source: Shao et al. 2024, arXiv 2402.03300; DeepSeek-AI 2025, arXiv 2501.12948.
"""

import copy
import sys
import time
from dataclasses import replace
from functools import partial

import torch

from reasoning_from_scratch.evaluation.problems import (
    checked_problems,
    refuse_test_problems,
)
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.memory import advised, learning_advice

from .config import PER_REWARD
from .curriculum import Curriculum
from .loop import TrainingLoop, measure_accuracy, shuffled_indices
from .objective import grpo_loss, kl_per_token
from .optimization import MasterAdamW
from .parallel import (
    gather_rows,
    num_processes,
    process_rank,
    share_of,
    sum_over_processes,
)
from .rewards import RewardSet, accuracy_reward, overlong_length_term
from .rollouts import collect_rollouts, join_rollouts
from .update import rollout_advantages, score_rows, update_policy

SAMPLES_PER_STEP = 4  # one completion of each of the first prompts
KL_ROWS = 32  # rollouts a step whose distance to the start is measured


def train_grpo(
    model,
    tokenizer,
    problems,
    config,
    *,
    reward=accuracy_reward,
    validation=None,
    run=None,
    loss_function=grpo_loss,
    watch=None,
    progress=True,
):
    """Train a model by reinforcement learning with verifiable rewards.

    Args:
        model, tokenizer: as `load_model` returns them; the model is changed
            in place. To resume, pass the model that the run started from.
        problems: list of `Problem` of a train split.
        config: a `GRPOConfig`, for example a row of `GRPO_VARIANTS`.
        reward: as in `collect_rollouts`.
        validation: problems for the curve and the choice of the best step.
        run: a `RunFolder` for metrics, samples and checkpoints; one that
            has a checkpoint is resumed from its last.
        loss_function: called as `grpo_loss` is, and returns what it does.
        watch: callable (rows so far), after each step; for live curves.
        progress: show a bar.

    Returns:
        list of dicts, one per step: the rows of metrics.jsonl.

    Raises:
        ValueError: problems of a test split, or a loss or gradient that is
            not finite.
        Exception: whatever a reward raised that failed on every rollout.
        KeyboardInterrupt: after Ctrl-C, once the step is done and saved.
    """
    refuse_test_problems([*checked_problems(problems), *(validation or [])])
    trainer = Trainer(model, tokenizer, config)

    def take_step(step):
        # Stage 1: rollouts and rewards
        rollouts, metrics = trainer.sample(problems, reward)
        # Stage 2: advantages, loss and gradient step
        with advised(learning_advice(config, *rollouts.token_ids.shape)):
            metrics |= update_policy(
                model,
                trainer.optimizer,
                rollouts,
                config,
                reference=trainer.reference,
                loss_function=loss_function,
            )
        # Stage 3: what it cost, and some texts to read
        metrics |= trainer.state | {"peak_memory_gib": peak_memory_gib()}
        if step == 0 or (step + 1) % config.sample_every == 0:
            trainer.keep_samples(step + 1, rollouts, run)
        return metrics

    loop = TrainingLoop(
        model,
        tokenizer,
        trainer.optimizer,
        num_steps=config.steps,
        evaluate=lambda: (
            measure_accuracy(model, tokenizer, validation, config)
            | trainer.state
        ),
        eval_every=config.eval_every,
        checkpoint_every=config.checkpoint_every,
        run=run,
        name="grpo",
        progress=progress,
        watch=watch,
    )
    if loop.done:
        trainer.row = loop.rows[-1]
        trainer.cursor = trainer.row["problems_drawn"]
    return loop.train(take_step)


class Trainer:
    """What a step of GRPO samples with, and how far it has read the data."""

    def __init__(self, model, tokenizer, config):
        if config.dynamic_sampling and num_processes() > 1:
            raise ValueError(
                "dynamic_sampling draws other problems in each process; use "
                "it with one process, or set it to 0"
            )
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.optimizer = MasterAdamW.of(model, config)
        self.reference = None  # the start, frozen
        if config.track_kl or config.loss.kl_coef > 0:
            self.reference = copy.deepcopy(model).requires_grad_(False)
        self.cursor = 0  # problems drawn from the shuffled order
        self.row = {}  # of metrics.jsonl, that a resumed run takes up
        self.curriculum = self.rewards = None  # made in the first step

    @property
    def state(self):
        """How far the data are read, for the step's row."""
        state = self.curriculum.state if self.curriculum else {}
        return {**state, "problems_drawn": self.cursor}

    def sample(self, problems, reward):
        """Draw problems: (rollouts, metrics of all that was sampled).

        Dynamic sampling replaces groups without signal (arXiv 2503.14476).
        """
        start = time.perf_counter()
        config = self.config
        self.rewards = self.rewards or reward_of(config, reward)
        rollouts = self.collect(problems, config.prompts_per_step)
        metrics = rollout_metrics(rollouts)
        num_tokens = rollouts.mask.sum()
        for _ in range(config.dynamic_sampling):
            has_signal = rollout_advantages(rollouts, config).any(dim=1)
            num_missing = int((~has_signal).sum())
            if num_missing == 0:
                break
            kept = rollouts.select_prompts(has_signal.nonzero().flatten())
            more = self.collect(problems, num_missing)
            num_tokens += more.mask.sum()
            rollouts = join_rollouts([kept, more])
        metrics["generation_seconds"] = time.perf_counter() - start
        metrics["tokens_generated"] = int(sum_over_processes(num_tokens))
        if self.reference is not None:
            every = max(1, len(rollouts.mask) // KL_ROWS)
            tensors = rollouts.row_tensors.items()
            rows = {name: values[::every] for name, values in tensors}
            ref_logprobs = score_rows(self.reference, rows, config)
            metrics["kl"] = kl_to_start(rows, ref_logprobs)
        return rollouts, metrics

    def collect(self, problems, count):
        """Rollouts of the next problems; this process's share of them."""
        config = self.config
        indices = self.choose(problems, count)
        # A problem that comes again gets other random numbers
        seed = config.seed * 1_000_003 + self.cursor
        self.cursor += count
        rollouts = collect_rollouts(
            self.model,
            self.tokenizer,
            [problems[index] for index in share_of(indices)],
            prompt=config.prompt,
            group_size=config.group_size,
            sampling=SamplingConfig(
                config.temperature, config.top_k, config.top_p
            ),
            keep_sampling_mask=config.keep_sampling_mask,
            max_new_tokens=config.max_new_tokens,
            reward=self.rewards,
            require_end=config.require_end,
            seed=seed,
            batch_size=config.decoding_batch_size,
        )
        if self.curriculum is not None:
            levels = [problems[index].level for index in indices]
            solved = gather_rows(solve_rates(rollouts)).tolist()
            self.curriculum.update(levels, solved)
        return rollouts

    def keep_samples(self, step, rollouts, run):
        """Keep one completion of each of the first prompts in samples.jsonl.

        With each token stand its log-prob when it was sampled, in nats, and
        its push: by how much the step's updates changed that log-prob.
        """
        size, config = rollouts.group_size, self.config
        advantages = rollout_advantages(rollouts, config)  # of all processes
        if run is None or process_rank() > 0:
            return
        chosen = range(0, len(rollouts.texts), size)[:SAMPLES_PER_STEP]
        rows = {n: v[list(chosen)] for n, v in rollouts.row_tensors.items()}
        pushes = score_rows(self.model, rows, config)
        pushes -= rows["sampler_logprobs"]
        for group, place in enumerate(chosen):
            learned, problem = rows["mask"][group], rollouts.problems[group]
            token_ids = rows["token_ids"][group, 1:][learned].tolist()
            values = torch.stack([rows["sampler_logprobs"], pushes])
            logprobs, pushed = values[:, group, learned].tolist()
            sample = {
                "step": step,
                "problem": problem.problem,
                "answer": problem.answer,
                "completion": rollouts.texts[place],
                "reward": float(rollouts.rewards[group, 0]),
                "group_mean": float(rollouts.rewards[group].mean()),
                "truncated": bool(rollouts.truncated[place]),
                "advantage": float(advantages[group, 0]),
                "tokens": [self.tokenizer.decode([i]) for i in token_ids],
                "logprobs": [round(value, 4) for value in logprobs],
                "pushes": [round(value, 4) for value in pushed],
            }
            run.append("samples.jsonl", sample)

    def choose(self, problems, count):
        """Places of the next problems: in order, or by the curriculum."""
        target, seed = self.config.curriculum, self.config.seed
        if target is None:
            places = len(problems), self.cursor, count
            return shuffled_indices(*places, seed=seed)
        if self.curriculum is None:
            self.curriculum = Curriculum(problems, target, seed, self.row)
        return self.curriculum.draw(count, self.cursor)


def reward_of(config, reward):
    """The rewards of a run: those given and what the config adds to them."""
    rewards = RewardSet.of(reward)
    if config.overlong_share > 0:
        if rewards.length_term is not None:
            raise ValueError(
                "overlong_share adds a reward for the length, and this one "
                "has a length_term already; leave out one of them"
            )
        limit = config.max_new_tokens
        buffer = max(1, round(config.overlong_share * limit))
        term = partial(overlong_length_term, limit=limit, buffer=buffer)
        rewards = replace(rewards, length_term=term)
    if config.advantages == PER_REWARD and len(rewards.names) < 2:
        raise ValueError(
            "advantages 'per_reward' normalise several rewards apart, got "
            f"only {rewards.names[0]}; give a mapping of two or more, or "
            "use 'group_mean_batch_std'"
        )
    return rewards


def rollout_metrics(rollouts):
    """What a batch of rollouts shows of the policy, over all processes.

    Entropy, in nats a token, is estimated without bias by minus the mean
    log-prob of the sampled tokens; no_signal: groups of equal rewards.
    """
    rewards, parts = rollouts.rewards, rollouts.reward_parts
    is_flat = (rewards == rewards[:, :1]).all(dim=1)
    values = {
        "reward": rewards.mean(),
        "solve_rate": solve_rates(rollouts).mean(),
        "no_signal": is_flat.float().mean(),
        "length": rollouts.lengths.float().mean(),
        "truncated": rollouts.truncated.float().mean(),
        "entropy": -rollouts.sampler_logprobs[rollouts.mask].mean(),
        "reward_failures": rollouts.num_reward_failures * num_processes(),
    }
    if parts.shape[-1] > 1:
        for column, name in enumerate(rollouts.reward_set.names):
            values[f"reward_{name}"] = parts[..., column].mean()
    stacked = torch.tensor([float(value) for value in values.values()])
    means = sum_over_processes(stacked.double()) / num_processes()
    return dict(zip(values, means.tolist(), strict=True))


def solve_rates(rollouts):
    """(prompts,) share of a prompt's rollouts whose first reward is >= 1."""
    return (rollouts.reward_parts[..., 0] >= 1).float().mean(dim=1)


def kl_to_start(rows, ref_logprobs):
    """Mean k3 estimate of KL(policy || start), nats a token."""
    kl = kl_per_token(rows["sampler_logprobs"], ref_logprobs)
    return float(kl[rows["mask"]].mean())


def peak_memory_gib():
    """Most memory held so far: of the GPU if there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    try:
        import resource
    except ImportError:  # Windows does not tell
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes or KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * unit / 2**30
