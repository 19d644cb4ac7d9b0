"""A FastAPI service on OR-Tools, NumPy and re, run under `opentelemetry-instrument`.

It knows nothing of hotspan. `LAZY=1` puts off `import ortools` to the first request that solves.
"""

import asyncio
import os
import re
import time

import numpy
from fastapi import FastAPI
from opentelemetry import trace

import truth

app = FastAPI()
tracer = trace.get_tracer("solver-service")

if not os.environ.get("LAZY"):
    import models


def _models():
    """The module that needs OR-Tools; with LAZY it is imported here, at the first call."""
    import models as module

    return module


def _answer(facts: dict) -> dict:
    context = trace.get_current_span().get_span_context()
    return {"trace_id": format(context.trace_id, "032x"), "facts": facts}


def _think(milliseconds: int) -> None:
    end = time.thread_time_ns() + milliseconds * 1_000_000
    while time.thread_time_ns() < end:
        pass


def _gemm(route: str, size: int, seed: int) -> dict:
    rng = numpy.random.default_rng(seed)
    a, b = rng.random((size, size)), rng.random((size, size))
    with truth.call("blas.gemm", route) as facts:
        product = a @ b
        facts["size"] = size
    facts["trace"] = float(numpy.trace(product))
    return facts


def _regex(route: str, length: int) -> dict:
    text = "a" * length + "b"
    pattern = re.compile(r"(a+)+$")
    with truth.call("python.regex", route) as facts:
        facts["matched"] = pattern.match(text) is not None
    return facts


def _small_solve(route: str, seed: int) -> dict:
    return _models().solve_cpsat(route, _models().jobshop(seed, 3, 3), 1, 10.0, seed)


@app.get("/ping")
async def ping():
    """No native work."""
    return {"pid": os.getpid()}


@app.get("/cpsat")
def cpsat(workers: int = 1, seed: int = 1, jobs: int = 4, machines: int = 4, limit: float = 10.0):
    """A solve on a worker thread of the web framework."""
    return _answer(_models().solve_cpsat("/cpsat", _models().jobshop(seed, jobs, machines), workers, limit, seed))


@app.get("/infeasible")
def infeasible():
    """A model without a solution."""
    return _answer(_models().solve_cpsat("/infeasible", _models().infeasible(), 1, 10.0, 1))


@app.get("/cpsat_callback")
def cpsat_callback(seed: int = 1, think_ms: int = 0):
    """Each solution calls back into Python, which computes in no span of its own, opens one and computes in it."""
    module = _models()

    class Callback(module.cp_model.CpSolverSolutionCallback):
        """Counts the solutions."""

        solutions = 0

        def on_solution_callback(self):
            self.solutions += 1
            _think(think_ms)
            with tracer.start_as_current_span("on_solution"):
                _gemm("/cpsat_callback", 200, seed)

    callback = Callback()
    facts = module.solve_cpsat("/cpsat_callback", module.jobshop(seed, 4, 4), 1, 10.0, seed, callback)
    return _answer({**facts, "solutions": callback.solutions})


@app.get("/revalidated")
def revalidated(times: int = 0, seed: int = 1):
    """A solve that is silently made again so many times, each with neighbours in other libraries."""
    facts = _models().solve_cpsat("/revalidated", _models().jobshop(seed, 4, 4), 1, 10.0, seed)
    for attempt in range(times):
        _models().solve_cpsat("/revalidated", _models().jobshop(seed, 4, 4), 1, 10.0, seed + attempt + 1)
    return _answer(facts)


@app.get("/routing")
def routing(locations: int = 4, vehicles: int = 1, limit: float = 0.0, seed: int = 1):
    """Vehicle routing; with a limit, guided local search until then."""
    return _answer(_models().routing("/routing", locations, vehicles, limit, seed))


@app.get("/mp")
def linear(seed: int = 1):
    """MPSolver."""
    return _answer(_models().linear("/mp", seed))


@app.get("/built")
def built(seed: int = 1):
    """The model builder."""
    return _answer(_models().built("/built", seed))


@app.get("/gemm")
def gemm(size: int = 400, seed: int = 1):
    """A matrix product on a worker thread."""
    return _answer(_gemm("/gemm", size, seed))


@app.get("/tiny")
def tiny(calls: int = 100_000):
    """Tiny matrix products, as many a second as Python can make."""
    a, b = numpy.ones((2, 2)), numpy.ones((2, 2))
    out = numpy.empty((2, 2))
    dot = numpy.dot
    with truth.call("tiny", "/tiny") as facts:
        before = time.thread_time()
        for _ in range(calls):
            dot(a, b, out)
        facts.update(calls=calls, cpu_s=time.thread_time() - before)
    return _answer(facts)


@app.get("/regex")
def regex(length: int = 20):
    """A pattern that backtracks."""
    return _answer(_regex("/regex", length))


@app.get("/to_thread")
async def to_thread(seed: int = 1):
    """The context goes along with asyncio.to_thread."""
    return _answer(await asyncio.to_thread(_small_solve, "/to_thread", seed))


@app.get("/executor")
async def executor(seed: int = 1):
    """run_in_executor does not take the context along: no span is active there."""
    loop = asyncio.get_running_loop()
    return _answer(await loop.run_in_executor(None, _small_solve, "/executor", seed))


@app.get("/async")
async def on_the_loop(seed: int = 1):
    """Solves on the event loop's own thread, between awaits."""
    await asyncio.sleep(0)
    facts = _small_solve("/async", seed)
    await asyncio.sleep(0)
    return _answer(facts)


@app.get("/child_span")
def child_span(seed: int = 1):
    """Two solves: one in a manual nested span, one after it."""
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        _small_solve("/child_span", seed)
    return _answer(_small_solve("/child_span", seed + 1))
