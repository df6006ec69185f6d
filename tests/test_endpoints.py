"""The endpoint client against a server that misbehaves."""

import logging
import threading
import time
from email.utils import formatdate

import pytest
from loopback import ChatServer, chat_answer

from reasoning_from_scratch.endpoints import (
    BudgetSpent,
    Completion,
    EndpointClient,
    EndpointError,
    EndpointSettings,
)

HELLO = [{"role": "user", "content": "hello"}]
GOOD = chat_answer("42")
KEY = "sk-very-secret-0123456789"


def client_for(server, **settings):
    settings = {"first_delay": 0.01, "timeout": 5.0, **settings}
    return EndpointClient(
        EndpointSettings(server.base_url, "some-model", **settings), seed=0
    )


def test_a_good_answer_is_read_with_its_thinking_and_tokens():
    answer = chat_answer("42", "length", reasoning_content="6 times 7")
    with ChatServer(answer) as server, client_for(server) as client:
        completion = client.complete(HELLO, temperature=0.5)
        _, body = server.requests[0]
    assert completion == Completion("42", "6 times 7", "length", 10, 5)
    sent = {"model": "some-model", "messages": HELLO, "temperature": 0.5}
    assert body == sent
    assert (client.num_requests, client.num_tokens) == (1, 15)


STATUSES = [429, 500, 503, 520, 524]
BODIES = ["cut", b"<html>", b"", b"[" * 50_000, b"\xff\xfe", {}]
FORMS = [{"choices": []}, {"choices": [{"message": {"content": 7}}]}]


@pytest.mark.parametrize("trouble", STATUSES + BODIES + FORMS, ids=str)
def test_passing_trouble_is_tried_again(trouble):
    with ChatServer(trouble, trouble, GOOD) as server:
        with client_for(server) as client:
            assert client.complete(HELLO).text == "42"
        assert len(server.requests) == 3


@pytest.mark.parametrize("trouble", [1.0, "drip"])
def test_a_slow_answer_is_given_up_and_asked_for_again(trouble):
    with ChatServer(trouble, GOOD) as s, client_for(s, timeout=0.2) as client:
        assert client.complete(HELLO).text == "42"


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_what_will_not_pass_is_not_tried_again(status):
    with ChatServer(status) as server, client_for(server) as client:
        with pytest.raises(EndpointError, match=f"answered {status}: no"):
            client.complete(HELLO)
        assert len(server.requests) == 1


def test_lasting_trouble_ends_after_all_retries_with_the_last_reason():
    with ChatServer(500) as server, client_for(server, max_retries=2) as c:
        with pytest.raises(EndpointError, match="500.*after 3 attempts"):
            c.complete(HELLO)
        assert len(server.requests) == 3


def test_no_server_at_all_is_an_endpoint_error():
    with ChatServer(GOOD) as server:
        client = client_for(server, max_retries=1)
    with pytest.raises(EndpointError, match="no answer from http"):
        client.complete(HELLO)


@pytest.mark.parametrize("seconds", ["1", "0.7"])
def test_retry_after_is_waited_for(seconds):
    busy = (429, {"Retry-After": seconds})
    with ChatServer(busy, GOOD) as server, client_for(server) as client:
        start = time.monotonic()
        client.complete(HELLO)
        assert float(seconds) <= time.monotonic() - start < 3


def test_a_retry_after_beyond_patience_gives_up_at_once():
    in_an_hour = formatdate(time.time() + 3600, usegmt=True)
    for value in ("3600", in_an_hour):
        with (
            ChatServer((429, {"Retry-After": value})) as server,
            client_for(server) as client,
            pytest.raises(EndpointError, match="asks to wait"),
        ):
            client.complete(HELLO)


@pytest.mark.parametrize("value", ["-5", "soon", "nan", "1e999", "²"])
def test_a_retry_after_that_is_no_time_is_ignored(value):
    busy = (503, {"Retry-After": value.encode().decode("latin-1")})
    with ChatServer(busy, GOOD) as server, client_for(server) as client:
        assert client.complete(HELLO).text == "42"


def test_waiting_times_double_with_jitter_and_stay_below_the_limit():
    settings = EndpointSettings("http://x/v1", "m", max_delay=5.0)
    client = EndpointClient(settings, seed=0)
    delays = [client._backoff(attempt) for attempt in range(5)]
    for delay, longest in zip(delays, (1, 2, 4, 5, 5), strict=True):
        assert longest / 2 <= delay <= longest


def test_many_requests_all_come_back_whatever_happens_to_each():
    def misbehave(body):
        number = int(body["messages"][0]["content"])
        return [GOOD, 400, "cut", b"<html>", chat_answer("7")][number % 5]

    with ChatServer(misbehave) as server:
        with client_for(server, max_retries=1, max_concurrent=4) as client:
            answers = dict(
                client.complete_many(
                    (str(n), [{"role": "user", "content": str(n)}])
                    for n in range(20)
                )
            )
        assert server.most_at_once <= 4
    assert sorted(answers, key=int) == [str(n) for n in range(20)]
    for number, answer in answers.items():
        is_answered = int(number) % 5 in (0, 4)
        assert isinstance(answer, Completion) == is_answered
        assert isinstance(answer, EndpointError) != is_answered


def test_requests_run_at_the_same_time_up_to_the_limit():
    with ChatServer(0.2) as server:
        with client_for(server, max_concurrent=4) as client:
            start = time.monotonic()
            requests = ((str(n), HELLO) for n in range(8))
            assert len(list(client.complete_many(requests))) == 8
            assert time.monotonic() - start < 1.2  # one by one: 1.6 s
        assert server.most_at_once == 4


def test_the_rate_limit_spaces_requests():
    with ChatServer(GOOD) as server:
        client = client_for(server, requests_per_minute=600)
        start = time.monotonic()
        list(client.complete_many((str(n), HELLO) for n in range(4)))
        assert time.monotonic() - start >= 0.3  # three gaps of 0.1 s


def test_the_budget_of_requests_counts_retries():
    with ChatServer(500) as server, client_for(server, max_requests=3) as c:
        with pytest.raises(BudgetSpent, match="3 of max_requests=3"):
            c.complete(HELLO)
        assert len(server.requests) == 3


def test_the_budget_of_tokens_stops_further_requests():
    with ChatServer(GOOD) as server:  # 15 tokens each
        with client_for(server, max_tokens=40, max_concurrent=1) as client:
            answers = dict(
                client.complete_many((str(n), HELLO) for n in range(5))
            )
        assert len(server.requests) == 3
    spent = [n for n, a in answers.items() if isinstance(a, BudgetSpent)]
    assert sorted(spent) == ["3", "4"]


@pytest.mark.parametrize("usage", [None, 7, {"completion_tokens": -5}])
def test_tokens_are_estimated_where_the_server_does_not_count(usage):
    answer = {**chat_answer("a" * 300), "usage": usage}
    with ChatServer(answer) as server, client_for(server) as client:
        client.complete(HELLO)
    assert client.num_tokens == 101


def test_an_answer_without_content_is_paid_for_and_not_asked_again():
    silent = chat_answer("", "end_turn")
    del silent["choices"][0]["message"]["content"]
    with ChatServer(silent) as server, client_for(server) as client:
        assert client.complete(HELLO) == Completion("", "", "end_turn", 10, 5)
        assert len(server.requests) == 1
    assert client.num_tokens == 15


def test_an_answer_that_cannot_be_read_is_paid_for_too():
    broken = chat_answer(7)  # the content is no text
    with ChatServer(broken, GOOD) as server, client_for(server) as client:
        assert client.complete(HELLO).text == "42"
    assert client.num_tokens == 30


def test_closing_wakes_a_client_that_waits_for_a_retry():
    with ChatServer(500) as server:
        client = client_for(server, first_delay=60.0)
        threading.Timer(0.2, client.close).start()
        start = time.monotonic()
        with pytest.raises(EndpointError, match="closed"):
            client.complete(HELLO)
        assert time.monotonic() - start < 10


def test_the_key_is_sent_and_appears_nowhere_else(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    echo = f"key {KEY} is wrong".encode()
    script = [echo, (503, {"X-Note": "no"}), chat_answer(f"it is {KEY}")]
    with ChatServer(*script) as server, client_for(server) as client:
        completion = client.complete(HELLO)
        sent = server.requests[0][0]["Authorization"]
        server.script = [echo]
        with pytest.raises(EndpointError) as caught:
            client.complete(HELLO)
    assert sent == f"Bearer {KEY}"
    assert completion.text == "it is [key]"
    seen = [repr(client), str(vars(client)), caplog.text, repr(completion)]
    error = caught.value
    while error is not None:
        seen.append(repr(error))
        error = error.__cause__ or error.__context__
    assert all(KEY not in text for text in seen)


def test_without_a_key_no_authorization_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ChatServer(GOOD) as server, client_for(server) as client:
        client.complete(HELLO)
        assert "Authorization" not in server.requests[0][0]


def test_a_key_with_a_line_break_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one\nsk-two")
    with (
        ChatServer(GOOD) as server,
        client_for(server) as client,
        pytest.raises(EndpointError, match="OPENAI_API_KEY") as caught,
    ):
        client.complete(HELLO)
    assert "sk-one" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["localhost:8000/v1", "ftp://x/", "http://u:p@x/v1", ""]
)
def test_a_base_url_that_cannot_work_is_refused(base_url):
    with pytest.raises(ValueError, match="base_url must"):
        EndpointSettings(base_url, "some-model")
