"""Python functions that know when they run and when they wait, in hand-made spans, on command.

usage: stacks.py. Prints `ready TID`, then for each line `COUNT` on stdin does that many rounds, one span
each, every other one on a thread of its own, and prints `done`. Ends with its input. The file STRETCHES gets
a line for each stretch in which one function was the innermost: its kind (`runs`, `waits`, `awaits`), its
name, the functions around it, the thread, both ends by `time.monotonic_ns()`, and the thread's CPU time since the stretch before.
"""

import asyncio
import json
import os
import sys
import threading
import time

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "stacks"})))
tracer = trace.get_tracer("stacks")
STRETCH_NS = int(os.environ.get("STRETCH_NS", 50_000_000))
_file = os.open(os.environ.get("STRETCHES", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


_used = threading.local()


def tell(name, around, start, end, kind="runs"):
    """Says that `name` was the innermost function from `start` to `end`."""
    before, _used.cpu = getattr(_used, "cpu", 0), time.thread_time_ns()
    context = trace.get_current_span().get_span_context()
    line = {
        "kind": kind,
        "name": name,
        "around": around,
        "tid": threading.get_native_id(),
        "start_ns": start,
        "end_ns": end,
        "cpu_ns": _used.cpu - before,
        "span_id": format(context.span_id, "016x"),
    }
    os.write(_file, (json.dumps(line) + "\n").encode())


def alpha():
    """Computes by itself."""
    start = now = time.monotonic_ns()
    total = 0
    while now < start + STRETCH_NS:
        for number in range(200):
            total += number * number
        now = time.monotonic_ns()
    tell("alpha", ["one"], start, now)


def beta():
    """Has another function compute."""
    gamma(5)


def gamma(depth):
    """Calls itself before it computes."""
    if depth:
        gamma(depth - 1)
        return
    start = now = time.monotonic_ns()
    total = 0
    while now < start + STRETCH_NS:
        for number in range(200):
            total ^= number << 3
        now = time.monotonic_ns()
    tell("gamma", ["gamma"] * 5 + ["beta", "one"], start, now)


class Delta:
    """Is called by the interpreter's C code, which is called by Python."""

    def __lt__(self, other):
        start = now = time.monotonic_ns()
        total = 0
        while now < start + STRETCH_NS:
            for number in range(200):
                total -= number
            now = time.monotonic_ns()
        tell("__lt__", ["delta", "one"], start, now)
        return False


def delta():
    """Has C code call Python."""
    sorted([Delta(), Delta()])


def epsilon():
    """Computes as a generator."""

    def numbers():
        start = now = time.monotonic_ns()
        total = 0
        while now < start + STRETCH_NS:
            for number in range(200):
                total += number
            now = time.monotonic_ns()
        tell("numbers", ["epsilon", "one"], start, now)
        yield total

    for _ in numbers():
        pass


def sleeper():
    """Sleeps."""
    start = time.monotonic_ns()
    time.sleep(0.03)
    tell("sleeper", ["one"], start, time.monotonic_ns(), "waits")


def locker():
    """Waits for a lock that nobody gives back."""
    lock = threading.Lock()
    lock.acquire()
    start = time.monotonic_ns()
    lock.acquire(timeout=0.03)
    tell("locker", ["one"], start, time.monotonic_ns(), "waits")


def reader():
    """Waits for another thread to write."""
    receive, send = os.pipe()
    timer = threading.Timer(0.03, os.write, (send, b"x"))
    timer.start()
    start = time.monotonic_ns()
    os.read(receive, 1)
    tell("reader", ["one"], start, time.monotonic_ns(), "waits")
    timer.join()
    os.close(receive)
    os.close(send)


def rival():
    """Computes for a while, for nobody."""
    end = time.monotonic_ns() + STRETCH_NS
    while time.monotonic_ns() < end:
        pass


def contender():
    """Computes beside a thread that computes, too: they take turns at the interpreter's lock."""
    thread = threading.Thread(target=rival)
    thread.start()
    start = now = time.monotonic_ns()
    while now < start + STRETCH_NS:
        now = time.monotonic_ns()
    tell("contender", ["one"], start, now, "contends")
    thread.join()


async def nap(seconds):
    """Is suspended."""
    start = time.monotonic_ns()
    await asyncio.sleep(seconds)
    tell("nap", ["task"], start, time.monotonic_ns(), "awaits")


async def task(number):
    """A request beside others on one loop."""
    with tracer.start_as_current_span(f"task {number}"):
        await nap(0.02 + 0.005 * number)
        await nap(0.03)


async def tasks():
    """Three of them."""
    await asyncio.gather(*(task(number) for number in range(3)))


def one(number):
    """A round."""
    with tracer.start_as_current_span(f"round {number}"):
        alpha()
        beta()
        delta()
        epsilon()
        sleeper()
        locker()
        reader()
        contender()
    asyncio.run(tasks())


def main():
    """Reads commands until the input ends."""
    number = 0
    print("ready", threading.get_native_id(), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            if number % 2:
                thread = threading.Thread(target=one, args=(number,))
                thread.start()
                thread.join()
            else:
                one(number)
            number += 1
        print("done", flush=True)


main()
