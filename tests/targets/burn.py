"""Calls a native function that no catalogue names, in hand-made spans, on command.

usage: burn.py LIBRARY. Prints `ready`, then for each line `CALLS MICROSECONDS` on stdin makes so many calls of so
long in one span, and prints `done`. Ends with its input. Each call of 1 ms and more is written to TRUTH_FILE.
"""

import contextlib
import ctypes
import sys

import truth
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "burn"})))
tracer = trace.get_tracer("burn")
_library = ctypes.CDLL(sys.argv[1])
_burn = _library.hs_burn
_burn.argtypes = [ctypes.c_long]


def burn(calls, us):
    """The calls, one after the other."""
    for _ in range(calls):
        with truth.call("hs_burn", "burn") if us >= 1000 else contextlib.nullcontext():
            _burn(us)


print("ready", flush=True)
for line in sys.stdin:
    number, length = (int(word) for word in line.split())
    with tracer.start_as_current_span("request"):
        burn(number, length)
    print("done", flush=True)
