"""Makes a known chain of calls, prints its frames, and waits in a C function."""

import json
import os
import sys
import threading


def code_frames():
    """The frames as the interpreter shows them, innermost first, but for this one and who asks."""
    frame = sys._getframe(2)
    while frame:
        code = frame.f_code
        yield {
            "address": id(code),
            "name": code.co_name,
            "qualified": getattr(code, "co_qualname", code.co_name),
            "line": frame.f_lineno,
            "first_line": code.co_firstlineno,
            "flags": code.co_flags,
            "arguments": code.co_argcount,
            "last": frame.f_lasti,
            # By the names of those that C calls: nobody outside of the interpreter can ask.
            # Up to 3.10 each frame has a call of the loop of its own.
            "entry": code.co_name in ENTRIES or sys.version_info < (3, 11),
        }
        frame = frame.f_back


ENTRIES = {"<module>", "by_key", "by_map", "__call__"}
if sys.version_info < (3, 12):
    # Called with `*args`.
    ENTRIES.add("run_in_thread")


def say():
    print(json.dumps({
        "minor": sys.version_info.minor,
        "thread": threading.get_native_id(),
        "frames": list(code_frames()),
    }), flush=True)


def waits():
    say(); os.read(0, 1)


class Callable:
    def __call__(self, x):
        waits()
        return x


def by_map(x):
    return Callable()(x)


def by_key(x):
    return list(map(by_map, [x]))


def middle():
    return sorted([1], key=by_key)


def outer():
    return middle()


def generates():
    outer()
    yield 1


def run_in_thread():
    for _ in generates():
        pass


if "IN_A_THREAD" in globals():
    thread = threading.Thread(target=run_in_thread)
    ENTRIES.update(["_bootstrap", "generates"])
    thread.start()
    thread.join()
else:
    outer()
