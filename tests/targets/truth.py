"""What the service itself knows of each native call, one JSON line a call.

Each line names the active span (innermost, as OpenTelemetry's own API gives it), the native thread,
`time.time_ns()` just before and just after the call, and what the library said. hotspan reads none
of this: the tests hold its spans against it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager

from opentelemetry import trace

_PATH = os.environ.get("TRUTH_FILE", os.devnull)
_local = threading.local()
_fds = {}


def _fd() -> int:
    """A descriptor of this process (uvicorn's workers are forked or spawned)."""
    pid = os.getpid()
    if pid not in _fds:
        _fds[pid] = os.open(_PATH, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    return _fds[pid]


def write(line: dict) -> None:
    """Appends one line; a single write, so lines of several processes do not mix."""
    os.write(_fd(), (json.dumps(line) + "\n").encode())


@contextmanager
def call(region: str, route: str):
    """Times the native call in its body. The body puts what the library said into the dict."""
    context = trace.get_current_span().get_span_context()
    facts: dict = {}
    line = {
        "region": region,
        "route": route,
        "trace_id": format(context.trace_id, "032x"),
        "span_id": format(context.span_id, "016x"),
        "sampled": bool(context.trace_flags & 1),
        "pid": os.getpid(),
        "tid": threading.get_native_id(),
        "facts": facts,
    }
    line["start_ns"] = time.time_ns()
    try:
        yield facts
    finally:
        end = time.time_ns()
        # A body that measures more closely (a wrapper inside the library) has the last word.
        line["start_ns"] = facts.pop("start_ns", line["start_ns"])
        line["end_ns"] = facts.pop("end_ns", end)
        write(line)
