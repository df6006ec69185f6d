"""Serve a model on this machine: a chat page, and OpenAI's protocol.

    rfs serve
    rfs serve --model runs/reasoner --port 8080

The page is at http://127.0.0.1:8000. Any client of OpenAI's protocol can ask
at http://127.0.0.1:8000/v1, `rfs teach --endpoint` among them. Requests are
decoded together; a seed gives the samples of `generate`. Needs the `serve`
extra.
"""

from functools import partial
from pathlib import Path

from . import flags
from .requests import Refused
from .service import Service

FLAGS = f"""{flags.MODEL_FLAGS}{flags.WEIGHTS_FLAG}
--host NAME=127.0.0.1   whom to serve: this machine alone, or 0.0.0.0, anybody
--port K=8000    0 takes a free one
--batch-size N   rows decoded together (default: what fits, at most 64)
--context N=4096   tokens of a prompt and its answer, where the model has them
--queue N=256    answers that may wait; more are refused with status 429
--timeout N=600  seconds for a request
"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BATCH_SIZE = 64
PAGE = {
    "/": ("chat.html", "text/html"),
    "/chat.js": ("chat.js", "text/javascript"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def run(args) -> None:
    """Load the model and serve it until Ctrl-C."""
    try:
        import uvicorn
    except ImportError as error:
        raise ImportError(
            f'{error.name} is missing; pip install "reasoning_from_scratch'
            '[serve]", or -e ".[serve]" in a checkout'
        ) from None
    app, _ = make_app(args)
    if args.host not in LOOPBACK:
        print(f"anybody who reaches {args.host} can use this server")
    options = {"log_level": "warning", "timeout_graceful_shutdown": 2}
    config = uvicorn.Config(app, args.host, args.port, **options)
    server = uvicorn.Server(config)
    socket = server.config.bind_socket()
    host = f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{host}:{socket.getsockname()[1]}"
    print(
        f"{args.model} is at {address} and {address}/v1; Ctrl-C ends it",
        flush=True,
    )
    server.run(sockets=[socket])


def make_app(args):
    """The routes to a model, as an ASGI application, and its engine."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    from ..llm.engine import Engine
    from ..llm.generation import rows_that_fit

    model, tokenizer = flags.open_model(args)
    context = min(args.context, model.config.max_position_embeddings)
    fitting = min(MAX_BATCH_SIZE, rows_that_fit(model, context))
    places = args.batch_size or fitting
    engine = Engine(model, tokenizer, places, context, args.queue)
    service = Service(engine, args.model, args.timeout)
    routes = [Route(path, send_page) for path in PAGE]
    for path, handler, method in (
        ("/v1/models", service.models, "GET"),
        ("/v1/chat/completions", service.chat, "POST"),
        ("/v1/completions", service.complete, "POST"),
    ):
        route = Route(path, partial(send, handler), methods=[method])
        routes.append(route)
    # A page from elsewhere must not reach the model under a name of its own
    hosts = [*LOOPBACK, "[::1]"] if args.host in LOOPBACK else ["*"]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    return Starlette(routes=routes, middleware=[guard]), engine


async def send(handler, request):
    """What a handler answers, as a response."""
    from starlette.responses import JSONResponse, StreamingResponse

    try:
        answer = await handler(request)
    except Refused as refusal:
        retry = {"Retry-After": "1"} if refusal.status == 429 else {}
        return JSONResponse(refusal.as_body(), refusal.status, retry)
    if isinstance(answer, dict):
        return JSONResponse(answer)
    return StreamingResponse(answer, media_type="text/event-stream")


async def send_page(request):
    """The chat page or its script."""
    from starlette.responses import FileResponse

    name, kind = PAGE[request.url.path]
    policy = {"Content-Security-Policy": POLICY}
    path = Path(__file__).with_name(name)
    return FileResponse(path, media_type=kind, headers=policy)
