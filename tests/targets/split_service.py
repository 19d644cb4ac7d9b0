"""A FastAPI service, run under `opentelemetry-instrument`, whose engines are processes of their own behind sockets.

One is forked when the service is imported, as a prefork server's workers are; `/start` starts the others, which are
programs of their own. It knows nothing of hotspan.
"""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading

from fastapi import FastAPI
from opentelemetry import propagate

app = FastAPI()


class Engine:
    """This side of an engine."""

    def __init__(self, connection: socket.socket, pid: int):
        self.pid = pid
        self._turn = threading.Lock()
        self._lines = connection.makefile("rw")
        self._lines.readline()

    def ask(self, request: dict) -> dict:
        """One request after the other, as they come."""
        with self._turn:
            print(json.dumps(request), file=self._lines, flush=True)
            return json.loads(self._lines.readline())


def _serve(mine: socket.socket, theirs: socket.socket) -> None:
    mine.close()
    import engine_process

    engine_process.serve(theirs)


def _fork() -> Engine:
    mine, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(mine, theirs), daemon=True)
    process.start()
    theirs.close()
    return Engine(mine, process.pid)


def _spawn(kind: str) -> Engine:
    mine, theirs = socket.socketpair()
    arguments = [sys.executable, "engine_process.py", str(theirs.fileno()), kind]
    environment = {**os.environ, "OTEL_SERVICE_NAME": f"{kind}-engine"}
    # By which `opentelemetry-instrument` reaches programs that are started, too.
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(arguments, env=environment, pass_fds=[theirs.fileno()])
    theirs.close()
    return Engine(mine, process.pid)


engines = {"forked": _fork()}


def _ask(engine: str, route: str, how: str, seed: int) -> dict:
    headers: dict = {}
    propagate.inject(headers)
    return engines[engine].ask({"route": route, "how": how, "seed": seed, "headers": headers})


@app.get("/ping")
async def ping():
    """No work."""
    return {"pid": os.getpid()}


@app.get("/start")
def start():
    """Starts the engines that are programs of their own; the process ids of all."""
    for kind in ("bare", "traced"):
        if kind not in engines:
            engines[kind] = _spawn(kind)
    return {kind: engine.pid for kind, engine in engines.items()}


@app.get("/bare")
def bare(seed: int = 1):
    """Asks an engine that knows nothing of OpenTelemetry."""
    return _ask("bare", "/bare", "plain", seed)


@app.get("/forked")
def forked(seed: int = 1):
    """Asks the forked engine, which has a copy of the SDK and takes no context from the request."""
    return _ask("forked", "/forked", "plain", seed)


@app.get("/remote")
def remote(seed: int = 1):
    """Asks an engine that makes the request's span its context."""
    return _ask("traced", "/remote", "remote", seed)


@app.get("/local")
def local(seed: int = 1):
    """Asks an engine that opens a span of its own under the request's."""
    return _ask("traced", "/local", "local", seed)
