"""An inference engine in a process of its own: it takes requests from a socket, one JSON object a line, and solves.

Its first argument is the socket's descriptor, its second says whether it has OpenTelemetry's SDK (`traced`) or
nothing of the kind (`bare`). A request has the headers that its sender's OpenTelemetry made for it; a traced engine
makes them its context (`remote`), and may open a span of its own under them (`local`).
"""

import json
import socket
import sys

import models


def _solve(request: dict) -> dict:
    return models.solve_cpsat(request["route"], models.jobshop(request["seed"], 4, 4), 1, 10.0, request["seed"])


def _solve_in_context(request: dict) -> dict:
    from opentelemetry import context, propagate, trace

    token = context.attach(propagate.extract(request["headers"]))
    try:
        if request["how"] == "remote":
            return _solve(request)
        with trace.get_tracer("engine").start_as_current_span("engine.step"):
            return _solve(request)
    finally:
        context.detach(token)


def serve(connection: socket.socket) -> None:
    """Answers until the other side is gone."""
    with connection, connection.makefile("rw") as lines:
        print(json.dumps({"ready": True}), file=lines, flush=True)
        for line in lines:
            request = json.loads(line)
            solve = _solve if request["how"] == "plain" else _solve_in_context
            print(json.dumps(solve(request)), file=lines, flush=True)


def _set_up_the_sdk() -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


if __name__ == "__main__":
    if sys.argv[2] == "traced":
        _set_up_the_sdk()
    serve(socket.socket(fileno=int(sys.argv[1])))
