"""The exercises of appendix C: right answers, known mistakes, hints."""

import torch
from check import Exercise

# C.1 RMSNorm -----------------------------------------------------------


def rms_norm(x, weight, eps):
    wide = x.float()
    mean_square = wide.square().mean(dim=-1, keepdim=True)
    return weight * (wide * torch.rsqrt(mean_square + eps)).to(x.dtype)


def eps_outside(x, weight, eps):
    wide = x.float()
    root = wide.square().mean(dim=-1, keepdim=True).sqrt()
    return weight * (wide / (root + eps)).to(x.dtype)


def in_the_format_of_x(x, weight, eps):
    mean_square = x.square().mean(dim=-1, keepdim=True)
    return weight * (x * torch.rsqrt(mean_square + eps))


def divided_by_the_length(x, weight, eps):
    wide = x.float()
    square = wide.square().sum(dim=-1, keepdim=True)
    return weight * (wide * torch.rsqrt(square + eps)).to(x.dtype)


def layer_norm(x, weight, eps):
    wide = x.float() - x.float().mean(dim=-1, keepdim=True)
    return rms_norm(wide, weight, eps).to(x.dtype)


def over_all_tokens(x, weight, eps):
    wide = x.float()
    mean_square = wide.square().mean()
    return weight * (wide * torch.rsqrt(mean_square + eps)).to(x.dtype)


VECTORS = (
    (torch.tensor([[3.0, 4.0], [1.0, 0.5]]), torch.tensor([1.0, 2.0]), 1e-6),
    (torch.tensor([[0.3, -0.4, 0.2]]), torch.ones(3), 0.5),
    # Its square, 90,000, is too large for float16
    (torch.tensor([[300.0, 100.0]]).half(), torch.ones(2).half(), 1e-6),
)

# C.2 RoPE --------------------------------------------------------------


def turn(x, position, theta):
    """Turn the pairs (i, i + half) of one vector by its position."""
    return turn_pairs(x, position, theta)


def turn_pairs(x, position, theta, sign=1):
    half = len(x) // 2
    first, second = x[:half], x[half:]
    angles = position * theta ** (-torch.arange(half) / half)
    cos, sin = angles.cos(), sign * angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin])


def turn_neighbours(x, position, theta):
    half = len(x) // 2
    order = torch.cat([torch.arange(half) * 2, torch.arange(half) * 2 + 1])
    turned = torch.empty_like(x)
    turned[order] = turn_pairs(x[order], position, theta)
    return turned


def turn_the_other_way(x, position, theta):
    return turn_pairs(x, position, theta, sign=-1)


def turn_from_one(x, position, theta):
    return turn_pairs(x, position + 1, theta)


def turn_at_one_speed(x, position, theta):
    return turn_pairs(x, position, 1.0)


def turn_without_the_two(x, position, theta):
    return turn_pairs(x, position, theta**0.5)


POSITIONS = (
    (torch.tensor([1.0, 0.0]), 1, 1e6),
    (torch.tensor([1.0, 2.0, 3.0, 4.0]), 0, 1e4),
    (torch.tensor([1.0, 2.0, 3.0, 4.0]), 3, 100.0),
    (torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0, 1.0]), 7, 1000.0),
)

# C.3 The causal mask ---------------------------------------------------


def causal_mask(num_queries, num_keys):
    """True where a query may look; the queries are the last tokens."""
    return lower_left(num_queries, num_keys, num_keys - num_queries)


def lower_left(num_queries, num_keys, diagonal):
    return torch.ones(num_queries, num_keys).tril(diagonal).bool()


def not_itself(num_queries, num_keys):
    return lower_left(num_queries, num_keys, num_keys - num_queries - 1)


def one_too_many(num_queries, num_keys):
    return lower_left(num_queries, num_keys, num_keys - num_queries + 1)


def queries_are_first(num_queries, num_keys):
    return lower_left(num_queries, num_keys, 0)


def upside_down(num_queries, num_keys):
    return ~causal_mask(num_queries, num_keys)


MASKS = ((3, 3), (2, 5), (1, 4))

# C.4 The shares of a head ----------------------------------------------


def shares(queries, keys):
    return (queries @ keys.T / keys.shape[-1] ** 0.5).softmax(dim=-1)


def divided_by_head_dim(queries, keys):
    return (queries @ keys.T / keys.shape[-1]).softmax(dim=-1)


def undivided(queries, keys):
    return (queries @ keys.T).softmax(dim=-1)


def softmax_over_queries(queries, keys):
    return (queries @ keys.T / keys.shape[-1] ** 0.5).softmax(dim=0)


def divided_by_num_tokens(queries, keys):
    return (queries @ keys.T / len(keys) ** 0.5).softmax(dim=-1)


def scores_alone(queries, keys):
    return queries @ keys.T / keys.shape[-1] ** 0.5


QUERIES = torch.tensor([[1.0, 0.0, 2.0, 0.5], [0.0, 1.0, -1.0, 1.0]])
KEYS = torch.tensor(
    [[1.0, 1.0, 0.0, 0.0], [0.0, 2.0, 1.0, 0.0], [1.0, 0.0, 0.0, -1.0]]
)
HEADS = ((QUERIES, KEYS), (QUERIES[:, :2], KEYS[:2, :2]))

# C.5 Grouped heads -----------------------------------------------------


def repeat_heads(keys, num_heads):
    """(kv_heads, tokens, head_dim) -> (num_heads, tokens, head_dim)."""
    return keys.repeat_interleave(num_heads // len(keys), dim=0)


def repeat_in_turn(keys, num_heads):
    return keys.repeat(num_heads // len(keys), 1, 1)


def repeat_too_often(keys, num_heads):
    return keys.repeat_interleave(num_heads, dim=0)


def repeat_tokens(keys, num_heads):
    return keys.repeat_interleave(num_heads // len(keys), dim=1)


def repeat_the_first(keys, num_heads):
    return keys[:1].expand(num_heads, -1, -1)


GROUPS = (
    (torch.arange(12.0).view(2, 3, 2), 6),
    (torch.arange(6.0).view(3, 1, 2), 6),
    (torch.arange(4.0).view(1, 2, 2), 4),
)

# C.6 SwiGLU ------------------------------------------------------------


def silu(z):
    return z * torch.sigmoid(z)


def feed_forward(x, gate, up, down):
    """All three matrices are (outputs, inputs), as in nn.Linear."""
    return down @ (silu(gate @ x) * (up @ x))


def gate_and_up_exchanged(x, gate, up, down):
    return feed_forward(x, up, gate, down)


def sigmoid_for_silu(x, gate, up, down):
    return down @ (torch.sigmoid(gate @ x) * (up @ x))


def silu_of_the_product(x, gate, up, down):
    return down @ silu((gate @ x) * (up @ x))


def relu_for_silu(x, gate, up, down):
    return down @ (torch.relu(gate @ x) * (up @ x))


def without_up(x, gate, up, down):
    return down @ silu(gate @ x)


GATE = torch.tensor([[1.0, 0.5], [-1.0, 2.0], [0.3, -2.0]])
UP = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-1.0, 0.5]])
DOWN = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])
LAYERS = (
    (torch.tensor([2.0]), *(torch.ones(1, 1),) * 3),
    (torch.tensor([1.0, -2.0]), GATE, UP, DOWN),
    (torch.tensor([0.5, 1.0]), GATE, UP, DOWN),
)

EXERCISES = {
    "C.1": Exercise(
        "RMSNorm",
        rms_norm,
        VECTORS,
        {
            "eps stands outside the root: add it to the mean of the squares "
            "before you take the root.": eps_outside,
            "The mean is taken in the format of x, where a square can be too "
            "large. Go to float32 first.": in_the_format_of_x,
            "You divided by the length of the vector. Take the mean of the "
            "squares, not their sum.": divided_by_the_length,
            "You subtracted the mean, as LayerNorm does. RMSNorm leaves it "
            "in.": layer_norm,
            "One mean is taken over all tokens. Each vector has its own: "
            "use dim=-1 and keepdim=True.": over_all_tokens,
        },
        (
            "Convert x to float32, square it, and take the mean over the "
            "last dimension, with keepdim=True.",
            "wide * torch.rsqrt(mean_square + eps), then back to x.dtype, "
            "then times the weight",
        ),
    ),
    "C.2": Exercise(
        "Turning a vector by its position",
        turn,
        POSITIONS,
        {
            "You paired neighbours, entries 2i and 2i + 1. Here entry i of "
            "the first half is paired with entry i of the "
            "second.": turn_neighbours,
            "You turned the other way round. The pair (a, b) becomes "
            "(a cos - b sin, b cos + a sin).": turn_the_other_way,
            "Positions are counted from 0, where nothing is "
            "turned.": turn_from_one,
            "All pairs turn at the same speed. Pair i must turn by "
            "theta^(-2i / head_dim) per position.": turn_at_one_speed,
            "The exponent is half of what it should be: -2i / head_dim, "
            "where i counts pairs.": turn_without_the_two,
        },
        (
            "Cut the vector into its two halves with chunk(2). How large is "
            "the angle of each pair?",
            "angles = position * theta ** (-torch.arange(half) / half), then "
            "join first * cos - second * sin and second * cos + first * sin.",
        ),
    ),
    "C.3": Exercise(
        "The causal mask",
        causal_mask,
        MASKS,
        {
            "A token may look at itself, too. Your mask is off by "
            "one.": not_itself,
            "Each token sees one later token. Your mask is off by "
            "one.": one_too_many,
            "The queries are taken for the first tokens of the text; they "
            "are the last ones.": queries_are_first,
            "The mask is upside down: true is for keys that a query may look "
            "at.": upside_down,
        },
        (
            "Query i stands at position num_keys - num_queries + i of the "
            "text. Up to which key may it look?",
            "torch.ones(num_queries, num_keys).tril(diagonal).bool() is true "
            "where key - query <= diagonal.",
        ),
    ),
    "C.4": Exercise(
        "The shares of a head",
        shares,
        HEADS,
        {
            "The scores are divided by head_dim. Divide them by its square "
            "root.": divided_by_head_dim,
            "The scores are not divided by the square root of "
            "head_dim.": undivided,
            "Your columns add up to 1. The shares that one query gives, a "
            "row, must.": softmax_over_queries,
            "You divided by the root of the number of tokens; the length of "
            "a key is meant.": divided_by_num_tokens,
            "These are the scores. A softmax turns them into "
            "shares.": scores_alone,
        },
        (
            "First a score for each query and each key, a table of shape "
            "(queries, keys). Each row then becomes shares.",
            "(queries @ keys.T / head_dim ** 0.5).softmax(dim=-1), and "
            "head_dim is keys.shape[-1]",
        ),
    ),
    "C.5": Exercise(
        "Key-value heads for all query heads",
        repeat_heads,
        GROUPS,
        {
            "The heads follow each other in turn: 0, 1, 0, 1. The heads of a "
            "group stand side by side: 0, 0, 1, 1.": repeat_in_turn,
            "There are too many heads: repeat each of them "
            "num_heads // kv_heads times.": repeat_too_often,
            "The tokens are repeated, not the heads: dimension 0 is that of "
            "the heads.": repeat_tokens,
            "All query heads read key-value head 0, but each group has a "
            "head of its own.": repeat_the_first,
        },
        (
            "With 6 query heads and 2 key-value heads, query heads 0, 1 and "
            "2 read key-value head 0.",
            "repeat_interleave(num_heads // len(keys), dim=0)",
        ),
    ),
    "C.6": Exercise(
        "SwiGLU",
        feed_forward,
        LAYERS,
        {
            "Gate and up are exchanged: silu is applied to "
            "gate @ x.": gate_and_up_exchanged,
            "This is the sigmoid. silu(z) is z times "
            "sigmoid(z).": sigmoid_for_silu,
            "silu is applied to the product. Apply it to the gate, and "
            "multiply afterwards.": silu_of_the_product,
            "This is ReLU; silu is not zero for negative "
            "numbers.": relu_for_silu,
            "The candidates, up @ x, are missing.": without_up,
        },
        (
            "Two products with x, one of them through silu; multiply them "
            "entry by entry; then down.",
            "down @ (torch.nn.functional.silu(gate @ x) * (up @ x))",
        ),
    ),
}
