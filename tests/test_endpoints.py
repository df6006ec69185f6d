"""The endpoint client against a server that misbehaves."""

import logging
import threading
import time
from email.utils import formatdate

import pytest
from loopback import ChatServer, chat_answer

from reasoning_from_scratch import endpoints

HELLO = [{"role": "user", "content": "hello"}]
GOOD = chat_answer("42")
KEY = "sk-very-secret-0123456789"


def client_for(server, **settings):
    settings = {"first_delay": 0.01, "timeout": 5.0, **settings}
    return endpoints.EndpointClient(
        endpoints.EndpointSettings(server.base_url, "some-model", **settings)
    )


def ask(*script, options=(), **settings):
    """What a server of this script answers, the client, what it was sent."""
    with ChatServer(*script) as server:
        client = client_for(server, **settings)
        return client.complete(HELLO, **dict(options)), client, server.requests


def ask_many(client, count):
    questions = ((n, [{"content": str(n)}]) for n in range(count))
    return dict(client.complete_many(questions))


def test_an_answer_is_read_and_paid_for_with_content_or_not():
    answer = chat_answer("42", "length", reasoning_content="6 times 7")
    completion, client, requests = ask(answer, options={"temperature": 0.5})
    assert completion == endpoints.Completion("42", "6 times 7", "length", 5)
    sent = {"model": "some-model", "messages": HELLO, "temperature": 0.5}
    assert requests[0][1] == sent
    assert (client.num_requests, client.num_tokens) == (1, 15)
    silent = chat_answer("", "end_turn")
    del silent["choices"][0]["message"]["content"]
    completion, client, requests = ask(silent)
    assert completion == endpoints.Completion("", "", "end_turn", 5)
    assert (len(requests), client.num_tokens) == (1, 15)
    # One that cannot be read is paid for too: its content is no text
    assert ask(chat_answer(7), GOOD)[1].num_tokens == 30
    # Where the server does not count, tokens are estimated
    for usage in (None, 7, {"completion_tokens": -5}):
        _, client, _ = ask({**chat_answer("a" * 300), "usage": usage})
        assert client.num_tokens == 101


STATUSES = [429, 500, 503, 520, 524]
BODIES = ["cut", b"<html>", b"", b"[" * 50_000, b"\xff\xfe", {}]
FORMS = [{"choices": []}, {"choices": [{"message": {"content": 7}}]}]


SLOW = [1.0, "drip"]


@pytest.mark.parametrize("trouble", STATUSES + BODIES + FORMS + SLOW, ids=str)
def test_passing_trouble_is_tried_again(trouble):
    limits = {"timeout": 0.2} if trouble in SLOW else {}
    completion, _, requests = ask(trouble, trouble, GOOD, **limits)
    assert (completion.text, len(requests)) == ("42", 3)


IN_AN_HOUR = formatdate(time.time() + 3600, usegmt=True)


@pytest.mark.parametrize(
    ("step", "num_requests", "message"),
    [
        *((status, 1, f"answered {status}: no") for status in (301, 400, 404)),
        (500, 3, "500.*after 3 attempts"),
        ((429, {"Retry-After": "3600"}), 1, "asks to wait"),
        ((429, {"Retry-After": IN_AN_HOUR}), 1, "asks to wait"),
    ],
)
def test_what_does_not_pass_ends_with_a_reason(step, num_requests, message):
    with ChatServer(step) as server:
        with pytest.raises(endpoints.EndpointError, match=message):
            client_for(server, max_retries=2).complete(HELLO)
        assert len(server.requests) == num_requests
    with pytest.raises(endpoints.EndpointError, match="no answer from http"):
        client_for(server, max_retries=1).complete(HELLO)  # it is gone


@pytest.mark.parametrize(
    ("value", "least"),
    [("1", 1), ("0.7", 0.7)]
    + [(no_time, 0) for no_time in ("-5", "soon", "nan", "1e999", "²")],
)
def test_retry_after_is_waited_for_where_it_is_a_time(value, least):
    busy = (503, {"Retry-After": value.encode().decode("latin-1")})
    start = time.monotonic()
    assert ask(busy, GOOD)[0].text == "42"
    assert least <= time.monotonic() - start < 3


def test_waiting_times_double_with_jitter_and_stay_below_the_limit():
    with ChatServer(500) as server:
        client = client_for(server, first_delay=1.0, max_delay=5.0)
        delays = []
        client._sleep = delays.append
        with pytest.raises(endpoints.EndpointError):
            client.complete(HELLO)
    delays = [delay for delay in delays if delay]  # not for the rate
    for delay, longest in zip(delays, (1, 2, 4, 5, 5), strict=True):
        assert longest / 2 <= delay <= longest


def test_requests_keep_to_the_limit_and_to_the_rate():
    with ChatServer(0.2) as server:
        start = time.monotonic()
        ask_many(client_for(server, max_concurrent=4), 8)
        assert time.monotonic() - start < 1.6  # as one by one
        assert server.most_at_once == 4
    with ChatServer(GOOD) as server:
        start = time.monotonic()
        ask_many(client_for(server, requests_per_minute=600), 4)
        assert time.monotonic() - start >= 0.3  # three gaps of 0.1 s


def test_the_budgets_stop_further_requests():
    with ChatServer(500) as server:  # retries count
        with pytest.raises(endpoints.BudgetSpent, match="3 of max_requests=3"):
            client_for(server, max_requests=3).complete(HELLO)
        assert len(server.requests) == 3
    with ChatServer(GOOD) as server:  # 15 tokens each
        client = client_for(server, max_tokens=40, max_concurrent=1)
        answers = ask_many(client, 5)
        assert len(server.requests) == 3
    spent = [
        n for n, a in answers.items() if isinstance(a, endpoints.BudgetSpent)
    ]
    assert spent == [3, 4]


def test_ctrl_c_wakes_a_client_that_waits_for_a_retry():
    with ChatServer(GOOD, 500) as server:
        client = client_for(server, first_delay=60.0, max_concurrent=2)
        answers = client.complete_many((n, HELLO) for n in "ab")
        next(answers)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            answers.throw(KeyboardInterrupt)
        for thread in threading.enumerate():
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(30)
        assert time.monotonic() - start < 10


def test_the_key_is_sent_and_appears_nowhere_else(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    echo = f"key {KEY} is wrong".encode()
    script = [echo, (503, {"X-Note": "no"}), chat_answer(f"it is {KEY}")]
    completion, client, requests = ask(*script)
    assert requests[0][0]["Authorization"] == f"Bearer {KEY}"
    assert completion.text == "it is [key]"
    seen = [repr(client), str(vars(client)), caplog.text, repr(completion)]
    with pytest.raises(endpoints.EndpointError) as caught:
        ask(echo)
    error = caught.value
    while error is not None:
        seen.append(repr(error))
        error = error.__cause__ or error.__context__
    assert all(KEY not in text for text in seen)


def test_no_key_is_not_sent_and_a_broken_one_refused_unseen(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "Authorization" not in ask(GOOD)[2][0][0]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one\nsk-two")
    with pytest.raises(
        endpoints.EndpointError, match="OPENAI_API_KEY"
    ) as caught:
        ask(GOOD)
    assert "sk-one" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["localhost:8000/v1", "ftp://x/", "http://u:p@x/v1", ""]
)
def test_a_base_url_that_cannot_work_is_refused(base_url):
    with pytest.raises(ValueError, match="base_url must"):
        endpoints.EndpointSettings(base_url, "some-model")
