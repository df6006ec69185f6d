"""Multiple choice: the sets we make, and three ways to choose."""

from collections import Counter

import pytest
import torch
from choice import (
    ChoiceProblem,
    evaluate_choices,
    load_choices,
    make_choices,
    mean_logprobs,
)
from scripted import play
from tiny import ByteTokenizer, tiny_model

from reasoning_from_scratch.evaluation import Problem, answers_equal
from reasoning_from_scratch.llm import token_logprobs

ANSWERS = ["12", r"\frac{3}{4}", "(2, -3)", "-7", "2.5", r"\{1, 2\}", "x + 4"]
PROBLEMS = [
    Problem(f"problem {n}", ANSWERS[n % len(ANSWERS)], "mixed", 1, f"p{n}")
    for n in range(40)
]


class PaddingTokenizer(ByteTokenizer):
    """A byte tokenizer that can make batches."""

    def pad_left(self, rows, *, device=None):
        longest = max(map(len, rows))
        padded = [[0] * (longest - len(row)) + row for row in rows]
        first = torch.tensor([[longest - len(row)] for row in rows])
        return torch.tensor(padded), torch.arange(longest) >= first


def test_the_right_answer_is_at_each_letter_equally_often_among_others():
    made = make_choices(PROBLEMS)
    places = Counter(problem.answer for problem in made)
    assert places == {0: 10, 1: 10, 2: 10, 3: 10}
    for problem, choice in zip(PROBLEMS, made, strict=True):
        assert choice.choices[choice.answer] == problem.answer
        assert len(set(choice.choices)) == 4
        wrong = [c for c in choice.choices if c != problem.answer]
        assert not any(answers_equal(c, problem.answer) for c in wrong)
    assert make_choices(PROBLEMS, seed=1) == make_choices(PROBLEMS, seed=1)
    assert make_choices(PROBLEMS, seed=1) != make_choices(PROBLEMS, seed=2)


def test_wrong_choices_are_slips_of_the_right_answer():
    (choice,) = make_choices(PROBLEMS[:1])
    slips = {"11", "13", "2", "22", "14", "24", "21", "-12"}
    assert set(choice.choices) <= slips | {"12"}


def test_a_file_of_the_form_of_mmlu_is_read_and_its_choices_are_shown(
    tmp_path,
):
    path = tmp_path / "choices.jsonl"
    path.write_text(
        '{"question": "1 + 1?", "choices": ["1", "2"], "answer": 1}\n'
        '{"question": "1 + 2?", "choices": ["3", "2"], "answer": "A"}\n',
        "utf-8",
    )
    first, second = load_choices(path)
    assert first == ChoiceProblem("1 + 1?", ("1", "2"), 1, id="choices-1")
    assert second == ChoiceProblem("1 + 2?", ("3", "2"), 0, id="choices-2")
    assert first.text == "1 + 1?\nA. 1\nB. 2"
    path.write_text(
        '{"question": "?", "choices": ["3"], "answer": 0}', "utf-8"
    )
    with pytest.raises(ValueError, match="line 1 is no choice problem"):
        load_choices(path)


def test_the_mean_logprob_of_a_text_is_that_of_its_own_tokens():
    model, tokenizer = tiny_model(), PaddingTokenizer()
    pairs = [("What?", " A"), ("What is it?", " longer")]
    found = mean_logprobs(model, tokenizer, pairs)
    for (prompt, text), mean in zip(pairs, found, strict=True):
        token_ids = torch.tensor([tokenizer.encode(prompt + text)])
        alone = token_logprobs(model, token_ids)[0, -len(text) :].mean()
        assert mean == pytest.approx(alone.item(), abs=1e-5)


def test_likelihood_finds_the_choice_the_model_would_write(monkeypatch):
    # a model that finds text with the digit 7 likely
    def likes_sevens(model, tokenizer, pairs, batch_size):
        return [float("7" in text) for _, text in pairs]

    monkeypatch.setattr("choice.mean_logprobs", likes_sevens)
    choices = ("6", "7", "8")
    problems = [ChoiceProblem("?", choices, place) for place in (1, 0)]
    result = evaluate_choices(None, None, problems, method="likelihood")
    assert (result.accuracy, result.chosen) == (0.5, (1, 1))
    assert result.letter_counts == {"B": 2}


def test_the_letter_method_takes_the_first_letter_of_a_choice(monkeypatch):
    # "Because" holds no letter of its own, D is no choice here
    play(monkeypatch, lambda prompt, n: prompt.split(":")[1].split("\n")[0])
    texts = (r"\boxed{B}", "Because D, so A.", "nine", "C")
    problems = [ChoiceProblem(text, ("7", "6", "7"), 2) for text in texts]
    result = evaluate_choices(None, None, problems, method="letter")
    assert result.chosen == (1, 0, None, 2)
    assert result.letter_counts == {"A": 1, "B": 1, "C": 1, "none": 1}
    assert result.accuracy == 2 / 4  # the right text at any of its letters


def test_scoring_letters_only_looks_at_letters():
    problems = make_choices(PROBLEMS[:6])
    result = evaluate_choices(
        tiny_model(), PaddingTokenizer(), problems, method="letter-logprob"
    )
    # a random model prefers one letter whatever the problem
    assert sum(result.letter_counts.values()) == 6
    assert set(result.letter_counts) <= set("ABCD")


def test_what_makes_no_choice_is_refused():
    # "A" has no digit to slip in, and the other answers are only one more
    problems = [Problem("?", answer, id=answer) for answer in ("A", "B")]
    with pytest.raises(ValueError, match="'A' need as many different answers"):
        make_choices(problems)
    with pytest.raises(ValueError, match="no problems"):
        evaluate_choices(None, None, [], method="likelihood")
    with pytest.raises(ValueError, match="'guess'"):
        evaluate_choices(None, None, make_choices(PROBLEMS), method="guess")
