"""Prints what each code object of this interpreter is named, and the line of each of its instructions."""

import asyncio
import ctypes
import dis
import gc
import json
import sys
import types


def outer(a, b=2, *, c=3):
    def inner(x):
        return [
            x + a
            for _ in range(b)
        ]

    class Local:
        def method(self):
            try:
                return inner(c)
            finally:
                self.done = (
                    1
                )

    return Local().method


async def awaits():
    await asyncio.sleep(0)
    async for x in generates():
        yield x


def generates():
    yield from (
        i
        for i in range(3)
    )


# Far from its first line, and back.
exec(compile("def far():\n" + "\n" * 5000 + "    a = 1\n    b = (a +\n" + "\n" * 300 + "         a)\n    return b\n", "généré.py", "exec"))


def codes():
    seen = {}
    pending = [f.__code__ for f in gc.get_objects() if isinstance(f, types.FunctionType)]
    while pending:
        code = pending.pop()
        if id(code) not in seen:
            seen[id(code)] = code
            pending.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
    return list(seen.values())


def lines(code):
    """The line of each unit of instructions, run-length encoded: bytes, line (0: none)."""
    size = len(code.co_code)
    if hasattr(code, "co_lines"):
        runs = [(end - start, line or 0) for start, end, line in code.co_lines() if end > start]
        assert sum(length for length, _ in runs) == size
        return runs
    starts = list(dis.findlinestarts(code))
    ends = [start for start, _ in starts[1:]] + [size]
    return [(end - start, line) for (start, line), end in zip(starts, ends)]


def interpreter():
    name = "PyInterpreterState_Get" if sys.version_info >= (3, 9) else "_PyInterpreterState_Get"
    function = ctypes.pythonapi[name]
    function.restype = ctypes.c_void_p
    return function()


kept = codes()
# Of many, every so many: reading all lines of all of them takes long.
step = max(1, len(kept) // 1500)
print(json.dumps({
    "minor": sys.version_info.minor,
    "interpreter": interpreter(),
    "codes": [
        {
            "address": id(code),
            "name": code.co_name,
            "qualified": getattr(code, "co_qualname", code.co_name),
            "file": code.co_filename,
            "first_line": code.co_firstlineno,
            "flags": code.co_flags,
            "arguments": code.co_argcount,
            "lines": lines(code),
        }
        for code in kept[::step] + [outer.__code__, awaits.__code__, generates.__code__, far.__code__]
    ],
}), flush=True)
sys.stdin.readline()
# Frees a code object and puts others in its place.
address = id(far.__code__)
del kept, far
gc.collect()
replaced = [compile("def other%d(x): return x" % i, "other.py", "exec") for i in range(2000)]
print(json.dumps(address), flush=True)
sys.stdin.readline()
