"""Two greenlets on one thread, each with a span of its own, switched while native code is open.

The pattern calls back into Python between two matches (`re.sub` with a function), and the function
switches to the other greenlet: two crossings of one region are open on one thread, and they are left
in the order in which they were entered.

usage: greenlets.py. Prints `ready PID`; each line `COUNT` on stdin runs that many pairs, then `done`.
"""

import os
import re
import sys

import gevent
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import truth

trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("greenlets")
SLOW = re.compile(r"(a+)+$|(#)")


def work(number: int) -> None:
    """A substitution that yields in its middle, with backtracking before and after."""

    def switch(_match):
        gevent.sleep(0)
        return "-"

    text = "a" * 16 + "b#" + "a" * 16 + "b"
    with tracer.start_as_current_span(f"greenlet {number}"):
        with truth.call("python.regex.sub", "greenlets"):
            SLOW.sub(switch, text)
        with truth.call("python.regex", "greenlets"):
            SLOW.match("a" * 17 + "b")


print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    for pair in range(int(line)):
        gevent.joinall([gevent.spawn(work, 2 * pair), gevent.spawn(work, 2 * pair + 1)])
    print("done", flush=True)
