"""Python functions that know when they run, in hand-made spans, on command.

usage: stacks.py. Prints `ready PID`, then for each line `COUNT` on stdin does that many rounds, one span
each, every other one on a thread of its own, and prints `done`. Ends with its input. The truth's file gets
a line for each stretch in which one function was the innermost: its name, the functions around it, the
thread, and both ends by `time.monotonic_ns()`.
"""

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
_file = os.open(os.environ.get("TRUTH_FILE", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def tell(name, around, start, end):
    """Says that `name` was the innermost function from `start` to `end`."""
    context = trace.get_current_span().get_span_context()
    line = {
        "name": name,
        "around": around,
        "tid": threading.get_native_id(),
        "start_ns": start,
        "end_ns": end,
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
    tell("gamma", ["gamma", "beta", "one"], start, now)


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


def one(number):
    """A round."""
    with tracer.start_as_current_span(f"round {number}"):
        alpha()
        beta()
        delta()
        epsilon()


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
