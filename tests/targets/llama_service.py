"""llama-cpp-python's own HTTP server, with what it does written down: `llama_service.py SERVER-ARGUMENTS`.

The engine's Python layer says where a prompt ends and where tokens begin: the first `eval` of a
generation is the prompt. The wrappers below note its calls into the library and nothing else; the
server has one more route, `/hold`, runs on the event loop that `EVENT_LOOP` names, and is unchanged otherwise.
"""

import functools
import os
import socket
import threading
import time

import llama_cpp
from llama_cpp import _internals
from llama_cpp.server import __main__ as server
from opentelemetry import trace

import truth

# What comes in for another process's socket may be dealt with after the write has returned.
GRACE_S = 0.1
TIMEOUT_S = 60


class Phase:
    """The calls into the library that one span is to stand for."""

    def __init__(self, region: str):
        self.region = region
        span = trace.get_current_span()
        self.request_start_ns = getattr(span, "start_time", 0)
        context = span.get_span_context()
        self.trace_id = format(context.trace_id, "032x")
        self.span_id = format(context.span_id, "016x")
        self.sampled = bool(context.trace_flags & 1)
        self.tid = threading.get_native_id()
        self.start_ns = 0
        self.first_end_ns = 0
        self.end_ns = 0
        self.calls = 0
        self.tokens = 0

    def note(self, start_ns: int, end_ns: int, tokens: int) -> None:
        """Adds one call."""
        self.start_ns = self.start_ns or start_ns
        self.first_end_ns = self.first_end_ns or end_ns
        self.end_ns = end_ns
        self.calls += 1
        self.tokens += tokens

    def write(self, **facts) -> None:
        """Writes it down, if there was a call."""
        if not self.calls:
            return
        truth.write(
            {
                "region": self.region,
                "route": "completion",
                "trace_id": self.trace_id,
                "span_id": self.span_id,
                "sampled": self.sampled,
                "pid": os.getpid(),
                "tid": self.tid,
                "start_ns": self.start_ns,
                "end_ns": self.end_ns,
                "facts": {"calls": self.calls, "tokens": self.tokens, **facts},
            }
        )


class Generation:
    """One run of `Llama.generate`."""

    def __init__(self):
        self.prefill = Phase("llama.prefill")
        self.decode = Phase("llama.decode")
        self.sample = Phase("llama.sample")
        self.evals = 0

    def write(self) -> None:
        """Writes down all that it did."""
        self.prefill.write(request_start_ns=self.prefill.request_start_ns)
        self.decode.write(sampled=self.sample.calls)
        self.sample.write(first_end_ns=self.sample.first_end_ns)


# The server lets one request at the model at a time, so there is one generation.
_current: list = [None]

_generate = llama_cpp.Llama.generate
_eval = llama_cpp.Llama.eval
_decode = _internals.LlamaContext.decode
_sample = _internals.LlamaSampler.sample


def generate(self, *args, **kwargs):
    """`Llama.generate`, from its first token to its last."""
    generation = _current[0] = Generation()
    try:
        yield from _generate(self, *args, **kwargs)
    finally:
        generation.write()


def evaluate(self, tokens):
    """`Llama.eval`."""
    if _current[0]:
        _current[0].evals += 1
    return _eval(self, tokens)


def decode(self, batch):
    """`LlamaContext.decode`."""
    generation = _current[0]
    start = time.time_ns()
    result = _decode(self, batch)
    end = time.time_ns()
    if generation:
        phase = generation.prefill if generation.evals == 1 else generation.decode
        phase.note(start, end, batch.n_tokens())
    return result


def sample(self, *args, **kwargs):
    """`LlamaSampler.sample`."""
    start = time.time_ns()
    token = _sample(self, *args, **kwargs)
    end = time.time_ns()
    if _current[0]:
        _current[0].sample.note(start, end, 1)
    return token


async def hold(port: int) -> dict:
    """Keeps the loop busy from when it connects to a port until it gets a byte from there."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as holder:
        holder.recv(1)
    time.sleep(GRACE_S)
    return {"released_ns": time.time_ns()}


_create_app = server.create_app


def create_app(**settings):
    """The server's application, with a route that holds it."""
    app = _create_app(**settings)
    app.add_api_route("/hold", hold)
    return app


server.create_app = create_app
server.uvicorn.run = functools.partial(server.uvicorn.run, loop=os.environ["EVENT_LOOP"])
llama_cpp.Llama.generate = generate
llama_cpp.Llama.eval = evaluate
_internals.LlamaContext.decode = decode
_internals.LlamaSampler.sample = sample

if __name__ == "__main__":
    server.main()
