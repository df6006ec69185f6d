"""Choosing the next token from logits.

A filter sets the logits (batch, vocab) that it rules out to -inf, so filters
chain. A draw inverts the cumulative distribution at the caller's uniform
number: the same number gives the same token. No beam search.

Sources: Holtzman et al. 2020 (top-p); Nguyen et al. 2024 (min-p).
"""

import hashlib
from dataclasses import dataclass

import torch

# Logits that a CPU's near cache holds through all the stages, per thread
ENTRIES_AT_ONCE = 2**19


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is chosen; the default is greedy.

    ValueError: a value outside its range, or a filter at temperature 0.
    """

    temperature: float = 0.0  # 0 takes the likeliest token
    top_k: int = 0  # keep the k likeliest tokens; 0 keeps all
    top_p: float = 1.0  # keep the smallest set holding this probability
    min_p: float = 0.0  # keep tokens of at least this share of the likeliest

    def __post_init__(self):
        checks = [
            (
                self.temperature >= 0 and self.temperature != float("inf"),
                f"temperature must be >= 0, got {self.temperature}; "
                "0 is greedy, 1 samples the model's own distribution",
            ),
            (
                self.top_k >= 0 and self.top_k == int(self.top_k),
                f"top_k must be a whole number >= 0, got {self.top_k}; "
                "use 0 to keep every token",
            ),
            (
                0 < self.top_p <= 1,
                f"top_p must be in (0, 1], got {self.top_p}; "
                "use 1.0 to keep every token",
            ),
            (
                0 <= self.min_p <= 1,
                f"min_p must be in [0, 1], got {self.min_p}; "
                "use 0.0 to keep every token",
            ),
            (
                self.temperature > 0 or not self.is_filtered,
                f"top_k={self.top_k}, top_p={self.top_p}, min_p={self.min_p} "
                "change nothing at temperature 0, which always takes the "
                "likeliest token; set a temperature, or leave them out",
            ),
        ]
        for is_valid, message in checks:
            if not is_valid:
                raise ValueError(message)

    @property
    def is_greedy(self):
        return self.temperature == 0

    @property
    def is_filtered(self):
        """Whether some tokens can never be drawn."""
        return self.top_k > 0 or self.top_p < 1 or self.min_p > 0


def scale_by_temperature(logits, temperature):
    """Divide logits by the temperature; below 1 sharpens, above 1 flattens.

    (..., vocab) in any float dtype -> float32, for a softmax in bfloat16
    loses small tokens. 0, greedy, leaves the logits as they are.
    """
    logits = logits.float()
    return logits if temperature in (0, 1) else logits / temperature


def filter_top_k(logits, top_k):
    """Keep the k likeliest tokens of each row; ties with the k-th stay.

    (batch, vocab) in and out; top_k = 0 keeps every token.
    """
    if not 0 < top_k < logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, float("-inf"))


def filter_top_p(logits, top_p):
    """Keep each row's smallest set of likeliest tokens that holds top_p.

    (batch, vocab), already divided by the temperature, in and out. The token
    that crosses the threshold stays, so one always does.
    """
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return torch.empty_like(logits).scatter_(-1, order, ordered)


def filter_min_p(logits, min_p):
    """Keep tokens of at least min_p times the likeliest one's probability.

    (batch, vocab), already divided by the temperature, in and out.

    Source: Nguyen et al. 2024; Schaeffer et al. 2025 find no gain over
    other filters once each is tuned with equal care.
    """
    if min_p == 0:
        return logits
    probabilities = logits.softmax(dim=-1)
    threshold = min_p * probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(probabilities < threshold, float("-inf"))


def draw_token(logits, uniform):
    """The token at which the cumulative probability passes `uniform`.

    (batch, vocab) float32 logits and (batch,) numbers in (0, 1) -> (batch,)
    token ids; -inf is never drawn.
    """
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
    # Rounding may leave the total off 1: aim at a share of what is there
    target = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target).squeeze(-1)


def choose_token(logits, uniform, config, vocab_size=None):
    """One decision for every row -> token ids and logprobs, (batch,) each.

    The log-probabilities are those before any truncation.
    """
    count = logits.numel() // (ENTRIES_AT_ONCE * torch.get_num_threads())
    count = min(count, len(logits))
    if logits.device.type == "cpu" and count > 1:
        parts = zip(
            logits.tensor_split(count),
            uniform.tensor_split(count),
            strict=True,
        )
        chosen = [choose_token(*part, config, vocab_size) for part in parts]
        token_ids, logprobs = zip(*chosen, strict=True)
        return torch.cat(token_ids), torch.cat(logprobs)
    scaled = scale_by_temperature(logits, config.temperature)
    kept = scaled[:, :vocab_size]  # behind it: padding rows of the embedding
    if config.is_greedy:
        token_ids = kept.argmax(dim=-1)
    else:
        kept = filter_top_k(kept, config.top_k)
        kept = filter_top_p(kept, config.top_p)
        kept = filter_min_p(kept, config.min_p)
        token_ids = draw_token(kept, uniform)
    chosen = scaled.gather(-1, token_ids[:, None]).squeeze(-1)
    return token_ids, chosen - scaled.logsumexp(dim=-1)


def row_seed(seed, identifier, sample):
    """A 64-bit number from the job's seed, a problem and a sample's number."""
    text = f"{seed}\0{sample}\0{identifier}".encode(errors="surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def uniform_numbers(row_seeds, num_positions, first=0):
    """Numbers in (0, 1) that depend on a row's seed and the position alone.

    (batch,) int64 from `row_seed` -> (batch, num_positions) float32, from
    the `first` position on, one for all rows or (batch,).

    Source: Steele, Lea and Flood 2014 (the SplitMix64 mixing function).
    """
    counters = torch.arange(1, num_positions + 1, device=row_seeds.device)
    counters = counters + torch.as_tensor(first)[..., None]
    state = row_seeds[:, None] + counters * -0x61C8864680B583EB
    state = (state ^ _shift_right(state, 30)) * -0x40A7B892E31B1A47
    state = (state ^ _shift_right(state, 27)) * -0x6B2FB644ECCEEE15
    state = state ^ _shift_right(state, 31)
    return (_shift_right(state, 41).float() + 0.5) / 2**23


def _shift_right(numbers, bits):
    """Logical shift of int64: torch's own shift copies the sign bit."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)
