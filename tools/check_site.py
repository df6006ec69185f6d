"""Open the built site in headless Chromium, and hold the playground to Python.

    python tools/check_site.py build/site
    python tools/check_site.py build/site --shots build/shots

Every page is opened on a desk and on a phone, in light and in dark: no error
in the console, no request to another host, nothing wider than the screen.
Then the playground writes the greedy tokens of 200 problems in the browser
beside `generate`, and says how fast it is. --shots keeps pictures of five
pages in the three looks. Needs the `site` extra and a Chromium or Chrome.
"""

import argparse
import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

from reasoning_from_scratch import generate, load_model, load_problems
from reasoning_from_scratch.evaluation import render_prompt

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
LOOKS = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
}
SHOWN = (
    "index.html",
    "playground/index.html",
    "ch05/ch05_main.html",
    "docs/notation.html",
    "RESULTS.html",
)
NUM_PROBLEMS = 200
# Loads a model in the page and completes prompts; times the first token from
# the moment the weights have arrived, and the speed over all of them
COMPLETE = """
async ([file, prompts, maxNewTokens]) => {
  const { openModel, generate } = await import("./pocket.js");
  const bytes = await (await fetch(file)).arrayBuffer();
  const start = performance.now();
  const { model, tokenizer } = openModel(bytes);
  let first = null;
  let numTokens = 0;
  const outputs = prompts.map((prompt) => {
    const ids = [];
    for (const [event] of generate(model, tokenizer, prompt, {maxNewTokens})) {
      first ??= performance.now() - start;
      ids.push(event.id);
    }
    numTokens += ids.length;
    return ids;
  });
  const seconds = (performance.now() - start) / 1000;
  return { outputs, first, speed: numTokens / seconds };
}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, *_):
        pass


def serve(folder: Path) -> str:
    """Serve a folder in the background; returns its address."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def open_browser(player):
    """Start the Chromium that is installed."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit(f"no browser found: install one of {', '.join(BROWSERS)}")
    return player.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--disable-gpu"]
    )


def check_pages(browser, folder: Path, base: str, shots: Path | None):
    """Open all pages in all looks; returns what is wrong with them."""
    pages = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if "_static" not in path.parts
    )
    wrong = []
    for look, options in LOOKS.items():
        page = browser.new_context(**options).new_page()
        listen(page, base, wrong)
        for path in pages:
            page.goto(base + path, wait_until="load")
            if path == "playground/index.html":
                page.locator(".vote .verdict .note").wait_for(timeout=120_000)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > options["viewport"]["width"]:
                wrong.append(f"{path} ({look}): {width} pixels wide")
            if shots and path in SHOWN:
                shots.mkdir(parents=True, exist_ok=True)
                name = path.replace("/", "-").removesuffix(".html")
                page.screenshot(path=shots / f"{name}-{look}.png")
    print(f"{len(pages)} pages in {len(LOOKS)} looks, {len(wrong)} faults")
    return wrong


def listen(page, base: str, wrong: list) -> None:
    """Note the page's errors, and its requests to other hosts."""

    def on_console(message):
        if message.type in ("error", "warning"):
            wrong.append(f"{page.url}: {message.text}")

    def on_request(request):
        if not request.url.startswith((base, "data:", "blob:")):
            wrong.append(f"{page.url} asks for {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("request", on_request)


def check_tokens(browser, folder: Path, base: str) -> list[str]:
    """Compare greedy tokens with Python's, for every model of the list."""
    problems = load_problems("pocketmath", limit=NUM_PROBLEMS)
    wrong = []
    path = folder / "playground" / "models.json"
    for entry in json.loads(path.read_text("utf-8")):
        prompts = [
            render_prompt(name, problem)
            for name in ("direct", "step-by-step")
            for problem in problems
        ]
        page = browser.new_page()
        page.goto(base + "playground/models.json")  # where nothing runs
        limit = entry["maxNewTokens"]
        found = page.evaluate(COMPLETE, [entry["file"], prompts, limit])
        same = {}
        for dtype in (torch.float32, torch.float16):
            expected = greedy_tokens(entry["name"], prompts, limit, dtype)
            pairs = zip(found["outputs"], expected, strict=True)
            same[dtype] = sum(ids == other for ids, other in pairs)
        print(
            f"{entry['name']}: the tokens of {same[torch.float16]} of "
            f"{len(prompts)} answers are Python's with weights of 16 bits, "
            f"{same[torch.float32]} with those of 32; first token after "
            f"{found['first']:.0f} ms, {found['speed']:.0f} tokens per second"
        )
        if same[torch.float16] < len(prompts):
            wrong.append(f"{entry['name']} writes other tokens than Python")
    return wrong


def greedy_tokens(name: str, prompts, max_new_tokens: int, dtype) -> list:
    """Python's greedy tokens, with weights rounded to a type."""
    model, tokenizer = load_model(name, device="cpu", dtype="float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.data = parameter.to(dtype).float()
    outputs = generate(
        model, tokenizer, prompts, max_new_tokens=max_new_tokens
    )
    return [output.token_ids for output in outputs]


def main() -> int:
    """Check a folder; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shots", type=Path)
    args = parser.parse_args()
    base = serve(args.folder)
    with sync_playwright() as player:
        browser = open_browser(player)
        wrong = check_pages(browser, args.folder, base, args.shots)
        wrong += check_tokens(browser, args.folder, base)
    print("\n".join(wrong) or "nothing is wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
