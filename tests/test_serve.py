"""The server: whoever asks gets what `generate` writes, and nothing breaks."""

import contextlib
import json
import random
import threading
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from commands import open_run, rfs
from tiny import ByteTokenizer

from reasoning_from_scratch import generate, load_problems
from reasoning_from_scratch.cli import serve
from reasoning_from_scratch.cli.main import read_arguments
from reasoning_from_scratch.evaluation import render_prompt
from reasoning_from_scratch.llm import SamplingConfig
from reasoning_from_scratch.llm.decoding import Row
from reasoning_from_scratch.llm.engine import Reader

openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
QUESTION = "What is 30% of 660?"
SAMPLED = {"temperature": 1.0, "max_tokens": 48}


@contextlib.contextmanager
def serving(*arguments):
    """A server on a free port -> its address and its engine."""
    args, _ = read_arguments("serve", ["--model", "pocket", *arguments])
    app, engine = serve.make_app(args)
    config = uvicorn.Config(app, port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Namespace(url=f"http://127.0.0.1:{port}", engine=engine)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="-", max_retries=0
    ) as client:
        yield client


def expected(server, prompts, num_samples=1, **options):
    options = {"sampling": SamplingConfig(1.0), **options}
    options |= {"max_new_tokens": 48, "num_samples": num_samples}
    return generate(
        server.engine.model, server.engine.tokenizer, prompts, **options
    )


def post(server, path="completions", **options):
    return httpx.post(f"{server.url}/v1/{path}", timeout=120, **options)


def ask_at_once(server, bodies):
    """The answers to completions that are asked for at the same time."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: post(server, json=body), bodies))


def step_prompts(count):
    problems = load_problems("pocketmath", split="validation", limit=count)
    return [render_prompt("step-by-step", problem) for problem in problems]


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def turns(text=QUESTION):
    return [{"role": "user", "content": text}]


def test_sixteen_samples_of_a_chat_equal_those_of_generate(server, client):
    options = {"n": 16, "seed": 3, "logprobs": True, "top_logprobs": 3}
    answer = client.chat.completions.create(
        model="pocket", messages=turns(), **options, **SAMPLED
    )
    prompt = render_prompt("step-by-step", QUESTION)
    outputs = expected(server, [prompt], 16, seed=3)
    for choice, output in zip(answer.choices, outputs, strict=True):
        assert choice.message.content == output.text
        assert choice.finish_reason == output.stop_reason
        entries = choice.logprobs.content
        logprobs = [entry.logprob for entry in entries]
        # Without that of the end token; other rows, other rounding
        count = len(logprobs)
        assert logprobs == pytest.approx(output.logprobs[:count], abs=1e-3)
        for entry in entries:
            likeliest = [each.logprob for each in entry.top_logprobs]
            assert sorted(likeliest, reverse=True) == likeliest
            assert entry.logprob <= likeliest[0] + 1e-3
    assert answer.usage.completion_tokens == sum(
        len(output.token_ids) for output in outputs
    )
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    direct = client.chat.completions.create(
        model="pocket", messages=turns(), temperature=0, extra_body=extra
    )
    prompt = render_prompt("direct", QUESTION)
    (output,) = expected(server, [prompt], sampling=SamplingConfig())
    assert direct.choices[0].message.content == output.text


def test_a_stream_equals_the_whole_answer(server, client):
    options = {"model": "pocket", "messages": turns(), "seed": 4, "n": 3}
    options |= {"logprobs": True, **SAMPLED}
    whole = client.chat.completions.create(**options)
    texts, logprobs, reasons, usage = ["", "", ""], [[], [], []], {}, None
    for chunk in client.chat.completions.create(
        stream=True, stream_options={"include_usage": True}, **options
    ):
        usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            entries = choice.logprobs.content
            logprobs[choice.index] += [entry.token for entry in entries]
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    assert usage == whole.usage
    for choice in whole.choices:
        assert texts[choice.index] == choice.message.content
        assert reasons[choice.index] == choice.finish_reason
        assert "".join(logprobs[choice.index]) == choice.message.content


def test_completions_take_several_prompts_and_stop_before_a_text(
    server, client
):
    prompts = step_prompts(3)
    outputs = expected(server, prompts, 2, seed=1)
    options = {"model": "pocket", "prompt": prompts, "n": 2, "seed": 1}
    options |= {"logprobs": 1, **SAMPLED}
    whole = client.completions.create(**options)
    assert [c.text for c in whole.choices] == [o.text for o in outputs]
    assert len(whole.choices[0].logprobs.tokens) > 5
    cut = client.completions.create(stop=["\n", "}"], **options)
    for choice, output in zip(cut.choices, outputs, strict=True):
        assert choice.text == output.text.partition("\n")[0].partition("}")[0]
    assert cut.usage.completion_tokens < whole.usage.completion_tokens


def test_64_requests_at_once_are_each_answered_as_alone(server):
    prompts = step_prompts(64)
    bodies = [{"prompt": p, "seed": 9, **SAMPLED} for p in prompts]
    answers = ask_at_once(server, bodies)
    for prompt, answer in zip(prompts, answers, strict=True):
        (alone,) = expected(server, [prompt], seed=9)
        assert answer.json()["choices"][0]["text"] == alone.text


LONG = {"prompt": "1", "max_tokens": 2000, "logit_bias": None}


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_client_that_goes_away_frees_its_row(
    server, is_streamed, monkeypatch
):
    monkeypatch.setattr(server.engine.tokenizer, "stop_ids", ())
    with (
        contextlib.suppress(httpx.ReadTimeout),
        httpx.stream(
            "POST",
            f"{server.url}/v1/completions",
            json={**LONG, "stream": is_streamed},
            timeout=1,
        ),
    ):
        wait_until(lambda: server.engine.num_active == 1)
    wait_until(lambda: server.engine.num_active == 0, seconds=3)


def test_a_full_queue_and_a_slow_answer_are_told(monkeypatch):
    arguments = ["--batch-size", "1", "--queue", "1", "--timeout", "1"]
    with serving(*arguments) as server:
        monkeypatch.setattr(server.engine.tokenizer, "stop_ids", ())
        answers = ask_at_once(server, [LONG] * 4)
        assert sorted(a.status_code for a in answers) == [429, 429, 504, 504]
        for answer in answers:
            if answer.status_code == 429:
                assert "try again" in answer.json()["error"]["message"]
                assert answer.headers["Retry-After"] == "1"
        wait_until(lambda: server.engine.num_active == 0)


def test_an_error_of_one_batch_does_not_end_the_server(server, monkeypatch):
    def fail(*_):
        raise RuntimeError("no more memory")

    body = {"prompt": "1+1", "max_tokens": 3}
    with monkeypatch.context() as broken:
        broken.setattr(type(server.engine.model), "lm_logits", fail)
        answer = post(server, json=body)
    assert answer.status_code == 500
    assert "no more memory" in answer.json()["error"]["message"]
    assert post(server, json=body).status_code == 200


CHAT = "chat/completions"
JSON = {"Content-Type": "application/json"}
GOOD = {"messages": turns(), "max_tokens": 2}
BAD = [
    ({"messages": []}, "messages must be"),
    ({"messages": [{"role": "user"}]}, "messages[0] needs"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0] needs"),
    ({"messages": [[]]}, "messages[0] needs"),
    ({"temperature": "hot"}, "temperature must be a number"),
    ({"temperature": 1e400}, "temperature"),
    ({"top_p": -0.1}, "top_p must be"),
    ({"n": 0}, "n must be a whole number"),
    ({"n": 1.5}, "n must be a whole number"),
    ({"n": 10**400}, "n must be"),
    ({"seed": 2**63}, "seed must be"),
    ({"stop": [""]}, "stop must be"),
    ({"stop": "x" * 300}, "stop must be"),
    ({"max_tokens": 5000}, "max_tokens must be"),
    ({"max_tokens": 2048}, "exceeds the context of 2,048"),
    ({"messages": turns("x" * 500_000)}, "too many tokens"),
    ({"stream": "yes"}, "stream must be true or false"),
    ({"tools": [{}]}, "tools is not supported"),
    ({"stream_options": 3}, "stream_options must be an object"),
    ({"top_logprobs": 21}, "top_logprobs must be"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_a_bad_value_is_named(server, changes, message):
    body = json.dumps({**GOOD, **changes})  # JSON of ours may hold Infinity
    answer = post(server, CHAT, content=body, headers=JSON)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_other_refusals_have_their_status(server):
    large, odd = b" " * 2**21, {**GOOD, "model": "gpt-\ud800"}
    for status, options in (
        (404, {"content": json.dumps(odd).encode(), "headers": JSON}),
        (413, {"content": large, "headers": JSON}),
        (415, {"content": b"{}"}),
        (400, {"content": b"[" * 100_000, "headers": JSON}),
        (400, {"content": b"\xff", "headers": JSON}),
        (400, {"json": GOOD, "headers": {"Host": "evil.example"}}),
    ):
        assert post(server, CHAT, **options).status_code == status
    assert httpx.get(f"{server.url}/v1/{CHAT}").status_code == 405
    assert httpx.get(f"{server.url}/v2").status_code == 404


def test_a_thousand_malformed_requests_are_refused_and_break_nothing(server):
    rng = random.Random(0)
    odd = [None, True, -1, 0, 1e308, "", "x", [], [[]], {}, {"a": 1}, "\ud800"]
    names = [
        *("messages", "prompt", "n", "seed", "stop", "temperature", "top_p"),
        *("max_tokens", "logprobs", "top_logprobs", "stream", "model"),
        *("stream_options", "chat_template_kwargs", "top_k", "tools"),
    ]
    good = json.dumps({**GOOD, "prompt": "1"}).encode()
    seen = {}
    with httpx.Client(timeout=60) as client:
        for number in range(1000):
            path = rng.choice([CHAT, "completions"])
            if number % 2:  # odd values
                body = {**GOOD, "prompt": "1", "max_tokens": 1}
                chosen = rng.sample(names, 3)
                body |= {name: rng.choice(odd) for name in chosen}
                content = json.dumps(body).encode()
            else:  # odd bytes
                content = bytearray(good)
                for _ in range(3):
                    content[rng.randrange(len(good))] = rng.randrange(256)
                content = bytes(content[: rng.randrange(len(good))])
            url = f"{server.url}/v1/{path}"
            answer = client.post(url, content=content, headers=JSON)
            seen.setdefault(answer.status_code, []).append(content)
            if answer.status_code != 200:
                assert answer.json()["error"]["message"]
    assert seen.keys() <= {200, 400, 404}, seen.keys()
    assert len(seen[400]) > 700
    assert server.engine.num_active == 0


def read_all(pieces, stops=(), **options):
    """What a `Reader` makes of text that comes in pieces, by kind."""
    row = Row((), 0, SamplingConfig(), 100)
    row.error = ""
    reader = Reader(row, ByteTokenizer(), stops, splits=True, **options)
    texts = {}
    for piece in [*pieces, ""]:
        row.token_ids.extend(piece.encode())
        row.is_finished = piece == ""
        for kind, text in reader.read()[1]:
            texts[kind] = texts.get(kind, "") + text
    return texts, reader.finish_reason


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize(
    ("text", "options", "thoughts", "said", "reason"),
    [
        ("<think>\na b</think>\n\nc", {}, "a b", "c", "length"),
        (" <think>a", {}, "a", None, "length"),
        ("a</think>b", {"is_thinking": True}, "a", "b", "length"),
        (" <thin b <think> é", {}, None, " <thin b <think> é", "length"),
        ("<think>a</think>b STOP c", {"stops": ["STOP"]}, "a", "b ", "stop"),
        ("ab STO", {"stops": ["STOP"]}, None, "ab STO", "length"),
        ("a\0", {}, None, "a", "stop"),
    ],
)
def test_thoughts_and_answer_are_told_apart(
    size, text, options, thoughts, said, reason
):
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    texts, found = read_all(pieces, **options)
    assert texts.get("reasoning_content") == thoughts
    assert texts.get("content") == said
    assert found == reason


def test_our_own_teacher_asks_a_server_as_it_would_a_model(
    server, runs_folder
):
    teach = "teach --limit 5 --temperature 0 --max-new-tokens 64 --run "
    address = f"--endpoint {server.url}/v1 --model pocket"
    far = f"far {address} --prompt {{problem}} --problems pocketmath"
    assert rfs(teach + far) == rfs(f"{teach} near --prompt step-by-step") == 0
    rows = (open_run(name).read("traces.jsonl") for name in ("far", "near"))
    far, near = (
        sorted((r["id"], r["response"], r["num_tokens"]) for r in some)
        for some in rows
    )
    assert far == near


def test_the_page_comes_with_a_policy_and_asks_nobody_else(server):
    page = httpx.get(server.url)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    script = httpx.get(f"{server.url}/chat.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    for text in (page.text, script.text):
        assert "//" not in text.replace("// ", "") and "innerHTML" not in text
