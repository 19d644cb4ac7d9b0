"""Threads that stand still in spans, and what each of them is in, as one line of JSON."""

import contextvars
import json
import sys
import threading

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("threads")
hold = threading.Lock()
hold.acquire()
facts = []
ready = threading.Semaphore(0)
# So many that the context's map has inner nodes of both kinds.
others = [contextvars.ContextVar("other%d" % number) for number in range(200)]


def note(span, codes):
    context = span.get_span_context() if span else None
    facts.append(
        {
            "thread": threading.get_native_id(),
            "trace_id": format(context.trace_id, "032x") if context else None,
            "span_id": format(context.span_id, "016x") if context else None,
            "name": span.name if span else None,
            "codes": [id(code) for code in codes],
        }
    )


def wait():
    ready.release()
    hold.acquire()
    hold.release()


def handler(crowd):
    for number, other in enumerate(others if crowd else []):
        other.set(number)
    with tracer.start_as_current_span("crowded" if crowd else "alone") as span:
        note(span, [wait.__code__, handler.__code__])
        wait()


def idle():
    note(None, [wait.__code__, idle.__code__])
    wait()


threads = [
    threading.Thread(target=handler, args=(True,)),
    threading.Thread(target=handler, args=(False,)),
    threading.Thread(target=idle),
]
for thread in threads:
    thread.start()
for thread in threads:
    ready.acquire()
print(json.dumps(facts), flush=True)
sys.stdin.read()
hold.release()
for thread in threads:
    thread.join()
