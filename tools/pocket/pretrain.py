"""Pre-training of the pocket models, from random weights to a base model.

Every step draws its own batch from (seed, step), so an interrupted run goes
on to the same weights, bit for bit. Matrices learn by Muon, embeddings and
norms by AdamW; the step size warms up, stays, and falls to zero.
"""

import functools
import time
from random import Random

import torch
from torch.nn import functional as F

from reasoning_from_scratch.device import compile_or_eager
from reasoning_from_scratch.evaluation import evaluate, load_problems
from reasoning_from_scratch.llm.qwen3 import Qwen3Model
from reasoning_from_scratch.llm.weights import load_model
from reasoning_from_scratch.training.loop import TrainingLoop

from .corpus import draw_document, held_out_keys

IGNORE = -100  # target of prompts and padding, skipped by the loss


def pretrain(config, run, *, tokenizer, draw=draw_document, progress=True):
    """Train the model of a config, after the run's last checkpoint.

    `draw` writes the documents: (rng, mix, held-out keys) -> (prompt, rest).
    """
    model = start_model(config)
    optimizer = MuonAndAdamW(model, config)
    compute_loss = functools.partial(packed_loss, model)
    if config.is_compiled:
        compute_loss = compile_or_eager(compute_loss)
    half = torch.autocast("cpu", torch.bfloat16, enabled=config.is_bfloat16)

    def take_step(step):
        batch = training_batch(config, tokenizer, step, draw)
        started = time.perf_counter()
        with half:
            loss = compute_loss(*batch)
            loss.backward()
            optimizer.step(step_size(config, step))
        seconds = time.perf_counter() - started
        num_tokens = int((batch[-1] >= 0).sum())
        return {"loss": loss.item(), "tokens_per_second": num_tokens / seconds}

    TrainingLoop(
        model,
        tokenizer,
        optimizer,
        num_steps=config.steps,
        evaluate=lambda: measure(model, tokenizer, config),
        eval_every=config.eval_every,
        checkpoint_every=config.checkpoint_every,
        run=run,
        name="pretrain",
        progress=progress,
        measures_start=False,
    ).train(take_step)
    return model


def start_model(config):
    """New weights, or those of the model to continue from."""
    if config.init_from:
        return load_model(config.init_from, device="cpu", dtype="float32")[0]
    model = Qwen3Model(config.model).init_weights(config.seed)
    for layer in model.layers:  # sharper attention: digits are to be copied
        for norm in (layer.self_attn.q_norm, layer.self_attn.k_norm):
            torch.nn.init.constant_(norm.weight, 1.5)
    return model


class MuonAndAdamW:
    """Muon for the matrices of the blocks, AdamW for everything else.

    Muon makes every singular value of an update about 1, so no direction of
    a matrix learns much faster than the others: half of AdamW's steps do.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers".
    """

    def __init__(self, model, config):
        matrices, others = [], []
        for name, weight in model.named_parameters():
            is_matrix = weight.dim() == 2 and name.startswith("layers.")
            (matrices if is_matrix else others).append(weight)
        self.num_updates = 0  # begun since the start or a resume
        self.full_rates = config.matrix_lr, config.other_lr
        self.parts = [
            torch.optim.Muon(matrices, weight_decay=0.0),
            torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0),
        ]

    def step(self, share):
        """Update all weights at a share of the full step size."""
        self.num_updates += 1
        for part, rate in zip(self.parts, self.full_rates, strict=True):
            for group in part.param_groups:
                group["lr"] = rate * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def step_size(config, step):
    """Share of the full step size: warm-up, plateau, linear decay to 0."""
    warmup = (step + 1) / max(1, config.warmup_steps)
    decay = (config.steps - step) / (config.decay_share * config.steps)
    return min(1.0, warmup, decay)


def training_batch(config, tokenizer, step, draw=draw_document):
    """The packed batch of a step, a pure function of (seed, step)."""
    rng = Random(f"{config.name}-{config.seed}-{step}")
    room = config.num_rows * config.row_tokens
    documents = []
    while room > 0:
        texts = draw(rng, config.mix, held_out_keys())
        documents.append([tokenizer.encode(text) for text in texts])
        room -= sum(map(len, documents[-1]))
    return pack(documents, config.num_rows, config.row_tokens)


def pack(documents, num_rows, row_tokens):
    """Put documents into the fullest row they fit in, the longest first.

    They are pairs (token ids of the prompt, of the completion); those for
    which no row has room are left out. Returns three (rows, row_tokens)
    tensors: token ids; the next token of a completion, else `IGNORE`; the
    number of the document within the row, -1 for padding.
    """
    shape = (num_rows, row_tokens)
    token_ids = torch.zeros(shape, dtype=torch.long)
    targets, document_ids = torch.full(shape, IGNORE), torch.full(shape, -1)
    used = [0] * num_rows
    by_length = sorted(documents, key=lambda d: -len(d[0]) - len(d[1]))
    for number, (prompt, completion) in enumerate(by_length):
        ids = torch.tensor(prompt + completion)
        room = row_tokens - len(ids)
        fitting = [row for row in range(num_rows) if used[row] <= room]
        if not fitting:
            continue
        row = max(fitting, key=used.__getitem__)
        start, end = used[row], used[row] + len(ids)
        first = start + max(len(prompt), 1)  # the first token predicted
        token_ids[row, start:end] = ids
        targets[row, first - 1 : end - 1] = ids[first - start :]
        document_ids[row, start:end] = number
        used[row] = end
    return token_ids, targets, document_ids


def packed_loss(model, token_ids, targets, document_ids):
    """Mean cross-entropy per completion token over packed rows, in nats."""
    hidden = model.hidden_states(token_ids, document_ids=document_ids)
    logits = model.lm_logits(hidden).float()  # (rows, row_tokens, vocab)
    return F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE
    )


def measure(model, tokenizer, config):
    """Accuracy and length on validation by prompt, as fields of a row."""
    problems = load_problems("pocketmath", split="validation")
    row = {}
    for prompt in config.prompts:
        result = evaluate(
            model,
            tokenizer,
            problems,
            prompt=prompt,
            max_new_tokens=config.max_new_tokens,
            progress=False,
        )
        name = prompt.replace("-", "_")
        row[f"{name}_accuracy"] = result.accuracy
        row[f"{name}_tokens"] = result.mean_tokens
    return row
