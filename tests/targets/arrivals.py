"""An asyncio server that knows when its requests were sent, and keeps its loop busy, on command.

usage: arrivals.py [uvloop]. Prints `ready`, then for each line `COUNT` on stdin does that many rounds and prints `done`. Ends with
its input. A request is a letter; for each span of its, the file ARRIVALS gets a line: its name, the span's id, whether its
task was made of what a socket brought, whether the loop waited before and was woken up by it, and, by `time.monotonic_ns()`,
when the client was about to send it and an instant by which it had come in.
"""

import asyncio
import importlib
import json
import os
import socket
import sys
import threading
import time

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "arrivals"})))
tracer = trace.get_tracer("arrivals")
# What comes in for another process's socket may be dealt with after the write has returned.
GRACE_S = 0.05
TIMEOUT_S = 60
# `epoll_wait`, `epoll_pwait` and `epoll_pwait2` of x86-64.
EPOLL_WAITS = ("232", "281", "441")

_file = os.open(os.environ.get("ARRIVALS", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
_sent = {}
_woken = set()
_is_held, _may_go_on = threading.Event(), threading.Event()
_released_ns = [0]
_tasks = set()


def tell(name, by_ns, is_read=True):
    """Says of the active span when its request came in."""
    context = trace.get_current_span().get_span_context()
    line = {
        "name": name,
        "span_id": format(context.span_id, "016x"),
        "is_read": is_read,
        "is_woken": name in _woken,
        "sent_ns": _sent.get(name, 0),
        "by_ns": by_ns,
    }
    os.write(_file, (json.dumps(line) + "\n").encode())


def begin(work):
    """Makes a task."""
    task = asyncio.get_event_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def answered(name, transport, work, is_read=True):
    """A request: a span, a suspension, an answer."""
    with tracer.start_as_current_span(name):
        began_ns = time.monotonic_ns()
        await work()
        await asyncio.sleep(0.002)
        # One that came while the loop was held had come in before it was let go.
        tell(name, min(began_ns, _released_ns[0] or began_ns), is_read)
    transport.write(name[:1].encode())


async def nothing():
    """Nothing to do."""


async def hold():
    """Keeps the loop busy until others have been sent."""
    _is_held.set()
    if not _may_go_on.wait(TIMEOUT_S):
        raise TimeoutError("nobody lets go")
    time.sleep(GRACE_S)
    _released_ns[0] = time.monotonic_ns()


async def inner(name):
    """A task that another's step makes."""
    with tracer.start_as_current_span(name):
        await asyncio.sleep(0.002)
        tell(name, 0, is_read=False)


async def child():
    """Has a task of its own."""
    await begin(inner("child's own"))


async def reader():
    """Reads from a socket itself, and then has a task of its own."""
    _peer.sendall(b"x")
    _own.recv(1)
    await begin(inner("reader's own"))


WORK = {"h": ("hold", hold), "b": ("behind", nothing), "n": ("new", nothing), "c": ("child", child), "r": ("reader", reader)}


class Service(asyncio.Protocol):
    """Makes a task of each request, in the callback that has read it or in another one."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        for letter in data.decode():
            if letter == "l":
                asyncio.get_event_loop().call_soon(self.later)
                continue
            if letter == "t":
                # The time has come before the loop would wait.
                asyncio.get_event_loop().call_later(0.001, self.timed)
                time.sleep(0.01)
                continue
            name, work = WORK[letter]
            begin(answered(name, self.transport, work))

    def later(self):
        begin(answered("later", self.transport, nothing, is_read=False))

    def timed(self):
        begin(answered("timed", self.transport, nothing, is_read=False))


class Sip(asyncio.BufferedProtocol):
    """Reads one request at a time, whatever has come in: nobody knows of the second when it came."""

    def connection_made(self, transport):
        self.transport = transport
        self.count = 0
        self.buffer = bytearray(1)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.count += 1
        is_first = self.count == 1
        name = "first" if is_first else "second"
        begin(answered(name, self.transport, nothing, is_read=is_first))


def connected(port):
    """A connection."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection, names):
    """Sends requests, and notes when."""
    for name in names:
        _sent[name] = time.monotonic_ns()
    connection.sendall("".join(name[0] for name in names).encode())


def ask(connection, *names):
    """Sends requests, and waits for their answers."""
    send(connection, names)
    answers(connection, len(names))


def wake(loop, connection, name):
    """Sends a request to a loop that waits, and waits for its answer."""
    deadline = time.monotonic() + TIMEOUT_S
    while not waits(loop):
        if time.monotonic() > deadline:
            raise TimeoutError("the loop does not wait")
        time.sleep(0.001)
    _woken.add(name)
    ask(connection, name)


def waits(tid):
    """Whether a thread waits for descriptors: the kernel says which system call it is in."""
    with open(f"/proc/self/task/{tid}/syscall", encoding="ascii") as file:
        return file.read().split()[0] in EPOLL_WAITS


def answers(connection, count):
    """Waits for answers."""
    while count:
        got = connection.recv(count)
        if not got:
            raise ConnectionError("the answer broke off")
        count -= len(got)


def one(loop, port, sip_port):
    """A round."""
    _is_held.clear()
    _may_go_on.clear()
    _released_ns[0] = 0
    alone, behind = connected(port), connected(port)
    # It is accepted.
    ask(behind, "behind")
    send(alone, ["hold"])
    if not _is_held.wait(TIMEOUT_S):
        raise TimeoutError("nobody holds the loop")
    send(behind, ["behind"])
    new = connected(port)
    send(new, ["new"])
    _may_go_on.set()
    for connection in (alone, behind, new):
        answers(connection, 1)
    _released_ns[0] = 0
    for name in ("later", "timed", "child", "reader"):
        wake(loop, alone, name)
    sip = connected(sip_port)
    ask(sip, "first", "second")
    for connection in (alone, behind, new, sip):
        connection.close()


def commands(loop, tid, port, sip_port):
    """The client: reads commands until the input ends."""
    try:
        print("ready", flush=True)
        for line in sys.stdin:
            for _ in range(int(line)):
                one(tid, port, sip_port)
            print("done", flush=True)
    finally:
        loop.call_soon_threadsafe(loop.stop)


def pair():
    """Two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        own, _ = listener.accept()
    return own, peer


_own, _peer = pair()


def main():
    """The server, on this thread."""
    loop = importlib.import_module((sys.argv[1:] or ["asyncio"])[0]).new_event_loop()
    asyncio.set_event_loop(loop)
    ports = []
    for protocol in (Service, Sip):
        server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
        ports.append(server.sockets[0].getsockname()[1])
    threading.Thread(target=commands, args=(loop, threading.get_native_id(), *ports), daemon=True).start()
    loop.run_forever()


main()
