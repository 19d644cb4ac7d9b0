"""OTLP over gRPC, received by the official protocol's generated server; one JSON line an export.

usage: receiver.py FILE. Prints `listening PORT` when it is ready.
"""

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


def hexadecimal(node):
    """OTLP's JSON writes ids in hexadecimal, protobuf's in base64."""
    if isinstance(node, list):
        for item in node:
            hexadecimal(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                node[key] = base64.b64decode(value).hex()
            else:
                hexadecimal(value)


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Writes what arrives."""

    def __init__(self, path: str):
        self.file = open(path, "a", buffering=1)

    def Export(self, request, context):
        body = MessageToDict(request, use_integers_for_enums=True)
        hexadecimal(body)
        self.file.write(json.dumps(body) + "\n")
        return trace_service_pb2.ExportTraceServiceResponse()


# One worker: lines do not mix.
server = grpc.server(ThreadPoolExecutor(max_workers=1))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(sys.argv[1]), server)
print("listening", server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
