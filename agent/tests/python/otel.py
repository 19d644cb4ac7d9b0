"""OpenTelemetry as the process itself sees it: for each line `PROVIDER SAMPLER`, one of JSON."""

import ctypes
import json
import os
import sys

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import propagation

SAMPLERS = {
    "ParentBased(root:AlwaysOn)": None,
    "ParentBased(root:AlwaysOff)": sampling.DEFAULT_OFF,
    "AlwaysOn": sampling.ALWAYS_ON,
    "AlwaysOff": sampling.ALWAYS_OFF,
    "TraceIdRatio(0.25)": sampling.TraceIdRatioBased(0.25),
    "ParentBased(root:TraceIdRatio(0.125))": sampling.ParentBasedTraceIdRatio(0.125),
}


class Custom(sampling.StaticSampler):
    """Not one of the SDK's: nobody can tell what it does."""


class Wrapper(trace.TracerProvider):
    """A provider that passes calls on, as some distributions put before the SDK's."""

    def __init__(self, provider):
        self.provider = provider

    def get_tracer(self, *arguments, **keywords):
        return self.provider.get_tracer(*arguments, **keywords)


def exporters(provider):
    """Adds an exporter of each kind that is installed, and says which."""
    added = []
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    added.append(["SimpleSpanProcessor", "ConsoleSpanExporter", None, None, None])
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http
    except ImportError:
        print("NOT COVERED: OTLP exporters are not installed", file=sys.stderr)
        return added
    grpc = Grpc(endpoint="http://localhost:14317", insecure=True, headers={"authorization": "hunter2"})
    provider.add_span_processor(BatchSpanProcessor(grpc))
    # Older exporters forget where they send to, or whether they use TLS.
    endpoint = "localhost:14317" if hasattr(grpc, "_endpoint") else None
    added.append(["BatchSpanProcessor", "OTLPSpanExporter", "Grpc", endpoint, getattr(grpc, "_insecure", None)])
    http = Http(endpoint="http://me:hunter2@localhost:14318/v1/traces?key=hunter2")
    provider.add_span_processor(BatchSpanProcessor(http))
    added.append(["BatchSpanProcessor", "OTLPSpanExporter", "HttpProtobuf", "http://localhost:14318/v1/traces", None])
    return added


def set_provider(kind, sampler):
    """Returns what is expected of the SDK and its parts."""
    if kind == "unset":
        trace._TRACER_PROVIDER = None
        return {"provider": "Unset"}
    if kind == "noop":
        trace._TRACER_PROVIDER = trace.NoOpTracerProvider()
        return {"provider": "NoOp"}
    os.environ["OTEL_SDK_DISABLED"] = str(kind == "disabled")
    chosen = Custom(sampling.Decision.DROP) if sampler == "Custom" else SAMPLERS[sampler]
    given = {
        "text": "tëxt", "empty": "", "int": 7, "negative": -3, "large": 2**40, "float": 2.5, "bool": True,
        "texts": ["a", "b"], "ints": [1, 2], "huge": "x" * 20000, "service.name": "résolveur",
    }  # fmt: skip
    resource = Resource.create(given)
    provider = TracerProvider(sampler=chosen, resource=resource)
    trace._TRACER_PROVIDER = Wrapper(provider) if kind == "wrapped" else provider
    # Old versions do not know of OTEL_SDK_DISABLED.
    disabled = isinstance(provider.get_tracer("test"), trace.NoOpTracer)
    left_out = ["ints", "huge"]
    attributes = [[key, value] for key, value in resource.attributes.items() if key not in left_out]
    return {
        "provider": "Disabled" if disabled else "Sdk",
        "parts": {
            "sampler": sampler,
            "processors": exporters(provider) if kind == "sdk" else [],
            "attributes": attributes,
            "left_out": left_out,
        },
    }


def interpreter():
    name = "PyInterpreterState_Get" if sys.version_info >= (3, 9) else "_PyInterpreterState_Get"
    function = ctypes.pythonapi[name]
    function.restype = ctypes.c_void_p
    return function()


def observed(sdk):
    context.attach(context.get_current())
    variable = context._RUNTIME_CONTEXT._current_context
    kept["span"] = span = trace.get_tracer("test").start_span("the näme")
    stored = trace.set_span_in_context(span)
    nested = context.set_value("baggage", {}, stored)
    copied = context.set_value("other", 1, trace.set_span_in_context(span, nested))
    return {
        "minor": sys.version_info.minor,
        "interpreter": interpreter(),
        "context_var": id(variable),
        "hash": hash(variable) % 2**64,
        "span_key": id(propagation._SPAN_KEY),
        "stored_keys": [[id(key) for key in table if table[key] is span] for table in (stored, copied)],
        "span": id(span),
        "span_name": getattr(span, "name", None),
        # Of a span that records nothing there is nothing to read.
        "span_facts": [
            format(span.get_span_context().trace_id, "032x"),
            format(span.get_span_context().span_id, "016x"),
            span.start_time,
        ] if hasattr(span, "start_time") else None,
        "sdk": sdk,
    }


kept = {}
for line in sys.stdin:
    print(json.dumps(observed(set_provider(*line.split()))), flush=True)
