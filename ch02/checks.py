"""The exercises of chapter 2: right answers, known mistakes, hints."""

import torch
from check import Exercise

# 2.1 Tokens per character ----------------------------------------------


def tokens_per_character(encode, text):
    return len(encode(text)) / len(text)


def characters_per_token(encode, text):
    return len(text) / len(encode(text))


def tokens_per_byte(encode, text):
    return len(encode(text)) / len(text.encode())


def tokens_per_word(encode, text):
    return len(encode(text)) / len(text.split())


def encode_bytes(text):
    return list(text.encode())


def encode_pairs(text):
    return [text[place : place + 2] for place in range(0, len(text), 2)]


TEXTS = (
    (encode_bytes, "naïve café"),
    (encode_bytes, "🎲🎲"),
    (encode_pairs, "12 + 34 = 46"),
)

# 2.2 Where two answers part --------------------------------------------


def first_difference(first, second):
    for place, pair in enumerate(zip(first, second, strict=False)):
        if pair[0] != pair[1]:
            return place
    return None if len(first) == len(second) else min(len(first), len(second))


def difference_within_both(first, second):
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), None)


def last_difference(first, second):
    places = range(min(len(first), len(second)))
    differing = [place for place in places if first[place] != second[place]]
    return differing[-1] if differing else first_difference(first, second)


def count_from_one(first, second):
    place = first_difference(first, second)
    return None if place is None else place + 1


def num_differences(first, second):
    pairs = zip(first, second, strict=False)
    longer = abs(len(first) - len(second))
    return sum(a != b for a, b in pairs) + longer or None


ANSWERS = (
    ([5, 6, 7, 8], [5, 6, 9, 1]),
    ([5, 6], [5, 6]),
    ([5, 6], [5, 6, 2]),
    ([4, 6, 2], [5, 6, 3]),
)

# 2.3 Temperature and top-p ---------------------------------------------


def kept_tokens(logits, temperature, top_p):
    probabilities = (logits / temperature).softmax(dim=-1)
    return take_until(probabilities, top_p)


def take_until(probabilities, top_p):
    kept, total = [], 0.0
    for token_id in probabilities.argsort(descending=True).tolist():
        kept.append(token_id)
        total += float(probabilities[token_id])
        if total >= top_p:
            break
    return kept


def kept_without_the_last(logits, temperature, top_p):
    probabilities = (logits / temperature).softmax(dim=-1)
    order = probabilities.argsort(descending=True)
    sums = probabilities[order].cumsum(dim=0)
    return order[sums < top_p].tolist()


def kept_in_order_of_number(logits, temperature, top_p):
    probabilities = (logits / temperature).softmax(dim=-1)
    sums = probabilities.cumsum(dim=0)
    return [i for i, s in enumerate((sums - probabilities).tolist())
            if s < top_p]  # fmt: skip


def kept_when_multiplied(logits, temperature, top_p):
    return take_until((logits * temperature).softmax(dim=-1), top_p)


def kept_at_one(logits, temperature, top_p):
    return take_until(logits.softmax(dim=-1), top_p)


def kept_above(logits, temperature, top_p):
    probabilities = (logits / temperature).softmax(dim=-1)
    order = probabilities.argsort(descending=True).tolist()
    return [token_id for token_id in order if probabilities[token_id] >= top_p]


LOGITS = torch.tensor([0.0, 2.0, 1.0, -1.0, 1.5])
FILTERS = (
    (LOGITS, 1.0, 0.6),
    (LOGITS, 2.0, 0.7),
    (LOGITS, 0.5, 0.9),
    (LOGITS, 1.0, 0.1),
)

# 2.4 Positions without a cache -----------------------------------------


def positions_read(prompt_length, new_tokens):
    return sum(prompt_length + step for step in range(new_tokens))


def positions_one_more(prompt_length, new_tokens):
    return sum(prompt_length + step for step in range(new_tokens + 1))


def positions_after_writing(prompt_length, new_tokens):
    return sum(prompt_length + step + 1 for step in range(new_tokens))


def positions_of_prompt(prompt_length, new_tokens):
    return prompt_length * new_tokens


def positions_with_cache(prompt_length, new_tokens):
    return prompt_length + new_tokens - 1


LENGTHS = ((10, 1), (10, 3), (1, 100))

# 2.6 A loop that stops -------------------------------------------------


def write(next_token, prompt_ids, max_new_tokens, stop_ids):
    """Greedy decoding with a function that gives the next token."""
    token_ids = list(prompt_ids)
    for _ in range(max_new_tokens):
        token_ids.append(next_token(token_ids))
        if token_ids[-1] in stop_ids:
            break
    return token_ids[len(prompt_ids) :]


def write_without_end(next_token, prompt_ids, max_new_tokens, stop_ids):
    new = write(next_token, prompt_ids, max_new_tokens, stop_ids)
    return new[:-1] if new and new[-1] in stop_ids else new


def write_with_prompt(next_token, prompt_ids, max_new_tokens, stop_ids):
    new = write(next_token, prompt_ids, max_new_tokens, stop_ids)
    return list(prompt_ids) + new


def write_without_stop(next_token, prompt_ids, max_new_tokens, stop_ids):
    return write(next_token, prompt_ids, max_new_tokens, ())


def write_one_more(next_token, prompt_ids, max_new_tokens, stop_ids):
    return write(next_token, prompt_ids, max_new_tokens + 1, stop_ids)


def write_from_last(next_token, prompt_ids, max_new_tokens, stop_ids):
    return write(
        lambda token_ids: next_token(token_ids[-1:]),
        *(prompt_ids, max_new_tokens, stop_ids),
    )


def add_last_two(token_ids):
    return sum(token_ids[-2:]) % 10


LOOPS = (
    (add_last_two, [1, 2], 5, (9,)),
    (add_last_two, [9, 2], 3, (9,)),
    (add_last_two, [1, 2], 8, (8, 3)),
)

# 2.7 Padding -----------------------------------------------------------


def pad_left(rows, pad_id):
    """-> token ids and mask, lists of rows of equal length."""
    width = max(map(len, rows))
    token_ids = [[pad_id] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return token_ids, mask


def pad_right(rows, pad_id):
    width = max(map(len, rows))
    token_ids = [row + [pad_id] * (width - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
    return token_ids, mask


def pad_with_reversed_mask(rows, pad_id):
    token_ids, mask = pad_left(rows, pad_id)
    return token_ids, [[1 - each for each in row] for row in mask]


def pad_by_comparing(rows, pad_id):
    token_ids, _ = pad_left(rows, pad_id)
    return token_ids, [[int(i != pad_id) for i in row] for row in token_ids]


def cut_to_shortest(rows, pad_id):
    width = min(map(len, rows))
    return [row[-width:] for row in rows], [[1] * width for _ in rows]


ROWS = (
    ([[5, 6], [7, 8, 9]], 0),
    ([[0, 4], [1, 0, 2, 3]], 0),  # the padding's number occurs in a text
)

# 2.8 Fewer bits --------------------------------------------------------


def rounded(row, bits):
    """A row of weights as `bits` bits can hold them."""
    scale = row.abs().max() / (2 ** (bits - 1) - 1)
    return (row / scale).round() * scale


def rounded_down(row, bits):
    scale = row.abs().max() / (2 ** (bits - 1) - 1)
    return (row / scale).floor() * scale


def rounded_by_largest(row, bits):
    largest = 2 ** (bits - 1) - 1
    scale = row.max() / largest
    return (row / scale).round().clamp(-largest, largest) * scale


def rounded_to_all_codes(row, bits):
    scale = row.abs().max() / (2**bits - 1)
    return (row / scale).round() * scale


def codes_alone(row, bits):
    return (row * (2 ** (bits - 1) - 1) / row.abs().max()).round()


WEIGHTS = (
    (torch.tensor([1.4, -0.5, 0.29, 0.1]), 4),
    (torch.tensor([0.3, -2.54, 1.0, 0.011]), 8),
)

EXERCISES = {
    "2.1": Exercise(
        "Tokens per character",
        tokens_per_character,
        TEXTS,
        {
            "This is characters per token: turn the fraction "
            "over.": characters_per_token,
            "You divided by the number of bytes. A character may take up to "
            "four of them; `len(text)` counts characters.": tokens_per_byte,
            "You divided by the number of words.": tokens_per_word,
        },
        (
            "`encode(text)` gives a list with one number per token.",
            "len(encode(text)) / len(text)",
        ),
    ),
    "2.2": Exercise(
        "Where two answers part",
        first_difference,
        ANSWERS,
        {
            "Where one answer is the beginning of the other they part, too: "
            "at the end of the shorter one.": difference_within_both,
            "This is the last place at which they differ.": last_difference,
            "Places are counted from 0.": count_from_one,
            "This counts the differences. The place of the first one is "
            "asked for.": num_differences,
        },
        (
            "Walk along both lists at once, and stop at the first pair of "
            "unequal tokens.",
            "After the loop, compare the lengths: equal lengths mean that "
            "the answers are the same.",
        ),
    ),
    "2.3": Exercise(
        "Temperature and top-p",
        kept_tokens,
        FILTERS,
        {
            "The token that crosses the threshold is left out. It stays, or "
            "a very sure model would keep nothing.": kept_without_the_last,
            "The tokens are added up in the order of their numbers. Sort "
            "them by probability first.": kept_in_order_of_number,
            "The logits are multiplied by the temperature; they are divided "
            "by it.": kept_when_multiplied,
            "The temperature is not used.": kept_at_one,
            "Each probability is compared with top_p on its own. Compare "
            "their running sum.": kept_above,
        },
        (
            "Divide the logits by the temperature, take the softmax, sort, "
            "and add up from the top.",
            "Append the token first and compare the sum afterwards; break "
            "when the sum is at least top_p.",
        ),
    ),
    "2.4": Exercise(
        "Positions read without a cache",
        positions_read,
        LENGTHS,
        {
            "This is one pass too many: the last token is written, but it "
            "is not read any more.": positions_one_more,
            "The first pass reads the prompt alone, without a new "
            "token.": positions_after_writing,
            "Each pass reads one token more than the one before "
            "it.": positions_of_prompt,
            "This is the number of positions with a "
            "cache.": positions_with_cache,
        },
        (
            "The first pass reads the prompt, the second one token more.",
            "Add up prompt_length + step for step in range(new_tokens).",
        ),
    ),
    "2.6": Exercise(
        "A loop that stops",
        write,
        LOOPS,
        {
            "The stop token belongs to the answer: append it before you "
            "stop.": write_without_end,
            "The prompt is returned, too; only the new tokens are asked "
            "for.": write_with_prompt,
            "The loop never looks for a stop token.": write_without_stop,
            "There may be one token more than max_new_tokens.": write_one_more,
            "The model is given the last token alone. Without a cache it "
            "must read the whole text.": write_from_last,
        },
        (
            "Keep one list of all tokens, and remember where the prompt ends.",
            "Append next_token(token_ids), then break if the new token is "
            "in stop_ids; return token_ids[len(prompt_ids):].",
        ),
    ),
    "2.7": Exercise(
        "Padding on the left",
        pad_left,
        ROWS,
        {
            "The padding stands on the right, so the newest tokens of the "
            "rows stand in different columns.": pad_right,
            "The mask is upside down: 1 is for tokens that "
            "count.": pad_with_reversed_mask,
            "The mask looks for the padding's number, but that number may "
            "occur in a text. Use the lengths.": pad_by_comparing,
            "The rows are cut to the shortest. Nothing may be "
            "lost.": cut_to_shortest,
        },
        (
            "How many tokens is each row shorter than the longest one?",
            "[pad_id] * missing + row, and [0] * missing + [1] * len(row)",
        ),
    ),
    "2.8": Exercise(
        "A row of weights in fewer bits",
        rounded,
        WEIGHTS,
        {
            "You rounded down. Round to the nearest step.": rounded_down,
            "The step must follow from the largest absolute value, or large "
            "negative weights do not fit.": rounded_by_largest,
            "With b bits and a sign, the largest whole number is "
            "2^(b-1) - 1.": rounded_to_all_codes,
            "These are the whole numbers; multiply them by the step to "
            "restore the weights.": codes_alone,
        },
        (
            "Find the step first: the largest absolute value divided by the "
            "largest whole number.",
            "(row / scale).round() * scale",
        ),
    ),
}
