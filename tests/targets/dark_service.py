"""A FastAPI service whose work no catalogue names: Python, hashing, matrices, graphs, images, awaits.

It knows nothing of hotspan. Each request writes its phases: the functions that do the work there, and
`time.time_ns()` around them. Work goes on until its share of `ms` is over, so a request lasts as long as it was asked to.
"""

import asyncio
import hashlib
import heapq
import os
import random
import re
import threading
import time

import networkx
import numpy
from fastapi import BackgroundTasks, FastAPI
from PIL import Image, ImageFilter

import models
import truth

app = FastAPI()

_rng = random.Random(1)
_graph = networkx.random_geometric_graph(2000, 0.05, seed=1)
_image = Image.effect_noise((512, 512), 64)


def _until(ms: float) -> int:
    return time.perf_counter_ns() + int(ms * 1e6)


def load_orders(ms: float) -> int:
    """Pure Python: parses and sorts."""
    end, total = _until(ms), 0
    while time.perf_counter_ns() < end:
        rows = [f"{i},{(i * 7919) % 1009}".split(",") for i in range(40)]
        total += sum(int(value) for _, value in sorted(rows, key=lambda row: row[1]))
    return total


def build_matrix(ms: float) -> float:
    """Pure Python: a quadratic distance matrix."""
    end, total = _until(ms), 0.0
    points = [(_rng.random(), _rng.random()) for _ in range(30)]
    while time.perf_counter_ns() < end:
        for x, y in points:
            for u, v in points:
                total += ((x - u) ** 2 + (y - v) ** 2) ** 0.5
    return total


def hash_documents(ms: float) -> str:
    """A hash of large buffers, in OpenSSL."""
    end, data, digest = _until(ms), b"x" * 65536, hashlib.sha256()
    while time.perf_counter_ns() < end:
        digest.update(data)
    return digest.hexdigest()


def multiply(ms: float) -> float:
    """Matrix products, in OpenBLAS."""
    end, a = _until(ms), numpy.full((128, 128), 0.5)
    while time.perf_counter_ns() < end:
        b = a @ a
    return float(b[0, 0])


def match_patterns(ms: float) -> int:
    """A regular expression that backtracks."""
    end, found, pattern = _until(ms), 0, re.compile(r"(a+)+$")
    while time.perf_counter_ns() < end:
        found += pattern.match("a" * 12 + "b") is None
    return found


def simulate(ms: float) -> float:
    """A Monte Carlo loop."""
    end, inside, draws = _until(ms), 0, 0
    while time.perf_counter_ns() < end:
        for _ in range(200):
            inside += _rng.random() ** 2 + _rng.random() ** 2 <= 1.0
            draws += 1
    return 4 * inside / draws


def search_graph(ms: float) -> int:
    """Dijkstra on a loaded graph."""
    end, reached = _until(ms), 0
    while time.perf_counter_ns() < end:
        distances, queue = {}, [(0.0, _rng.randrange(2000))]
        while queue and len(distances) < 100:
            distance, node = heapq.heappop(queue)
            if node in distances:
                continue
            distances[node] = distance
            for neighbour in _graph[node]:
                heapq.heappush(queue, (distance + 1.0, neighbour))
        reached += len(distances)
    return reached


def blur_image(ms: float) -> int:
    """Image work in a C library."""
    end, image = _until(ms), _image
    while time.perf_counter_ns() < end:
        image = _image.filter(ImageFilter.BoxBlur(2))
    return image.getpixel((0, 0))


def draw_keys(ms: float) -> int:
    """The kernel's work, by system calls."""
    end, drawn = _until(ms), 0
    while time.perf_counter_ns() < end:
        drawn += len(os.getrandom(1 << 20))
    return drawn


def evolve(ms: float) -> int:
    """A genetic algorithm."""
    end, population = _until(ms), [[_rng.randint(0, 1) for _ in range(32)] for _ in range(16)]
    while time.perf_counter_ns() < end:
        population.sort(key=sum, reverse=True)
        parents = population[:8]
        population = parents + [[bit ^ (_rng.random() < 0.02) for bit in _rng.choice(parents)] for _ in range(8)]
    return sum(population[0])


def score(ms: float) -> int:
    """Python on the event loop."""
    end, total = _until(ms), 0
    while time.perf_counter_ns() < end:
        total += sum(i * i for i in range(100))
    return total


_WORK = {
    "python": (load_orders, build_matrix),
    "hash": (load_orders, hash_documents),
    "numpy": (multiply,),
    "regex": (match_patterns,),
    "montecarlo": (simulate,),
    "graph": (load_orders, search_graph),
    "image": (blur_image,),
    "genetic": (evolve,),
    "kernel": (draw_keys,),
}


@app.get("/ping")
async def ping():
    """No work."""
    return {}


@app.get("/work/{kind}")
def work(kind: str, ms: float = 100.0):
    """One or two functions, each for its share of the time."""
    functions = _WORK[kind]
    for function in functions:
        with truth.call(function.__name__, f"/work/{kind}"):
            function(ms / len(functions))
    return {}


@app.get("/handed/{kind}")
async def handed(kind: str, ms: float = 100.0):
    """The same on a pool's thread."""
    return await asyncio.to_thread(work, kind, ms)


@app.get("/cpsat")
def cpsat(ms: float = 100.0, seed: int = 1):
    """Builds a model, and searches until the limit."""
    with truth.call("build_model", "/cpsat"):
        model = build_model(seed)
    models.solve_cpsat("/cpsat", model, 1, ms / 1000, seed)
    return {}


def build_model(seed: int):
    """A job shop that is not solved to the end within any limit that the tests set."""
    return models.jobshop(seed, 12, 12)


@app.get("/routing")
def routing(ms: float = 100.0, locations: int = 40, seed: int = 1):
    """Guided local search until the limit; with no limit, until the first solution."""
    with truth.call("routing_model", "/routing"):
        model = models.routing_model(locations, 2, ms / 1000, seed)
    models.search_routes("/routing", *model)
    return {}


@app.get("/await")
async def awaiting():
    """Awaits, computes on the loop, awaits."""
    with truth.call("wait.sleep", "/await"):
        await asyncio.sleep(0.4)
    with truth.call("score", "/await"):
        score(170)
    with truth.call("wait.sleep", "/await"):
        await asyncio.sleep(0.1)
    return {}


@app.get("/dependency")
async def dependency(seconds: float = 6.0):
    """Awaits what does not come for long."""
    with truth.call("wait.sleep", "/dependency"):
        await asyncio.sleep(seconds)
    return {}


def send_report():
    """Runs after the response, within the server's span."""
    with truth.call("wait.sleep", "/background"):
        time.sleep(1.2)


@app.get("/background")
def background(tasks: BackgroundTasks):
    """Answers at once; a background task sleeps."""
    tasks.add_task(send_report)
    return {}


_lock = threading.Lock()


def wait_for_lock(seconds: float) -> bool:
    """Nobody gives it back: a hang, but for its end."""
    with truth.call("wait.lock", "/locked"):
        return _lock.acquire(timeout=seconds)


@app.get("/locked")
def locked(seconds: float = 10.0):
    """Hangs."""
    _lock.acquire(blocking=False)
    return {"acquired": wait_for_lock(seconds)}
