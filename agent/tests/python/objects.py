"""Objects of every layout, and what they are, as the interpreter itself says: one line of JSON."""

import collections
import ctypes
import json
import sys


class Plain:
    """Its instances share their keys."""

    def __init__(self):
        self.first = "one"
        self.second = 2
        self._private = None


class Wide:
    """More attributes than keys are shared for."""

    def __init__(self):
        for number in range(60):
            setattr(self, "attribute_%d" % number, number)


class Slots:
    __slots__ = ("first",)


class Text(str):
    """A derived str points to its text."""


class Mapping(dict):
    """As OTel's Context is."""


class Sequence(tuple):
    """As OTel's SpanContext is."""


def materialised():
    """An instance whose __dict__ a program has looked at."""
    instance = Plain()
    instance.__dict__["third"] = 3.5
    return instance


def shrunk():
    instance = Plain()
    del instance.first
    return instance


def holed():
    """A table with deleted entries."""
    table = {"key%d" % number: number for number in range(300)}
    for number in range(0, 300, 3):
        del table["key%d" % number]
    return table


values = [
    None, True, False, 0, 1, -1, 7, 2**30 - 1, 2**30, -(2**30), 2**60, 2**62 + 12345, 2**63 - 1, -(2**63),
    0.0, -2.5, 1e300, "", "x", "ascii text", "text %d" % 41, "latin \xe9", "ucs2 \u20ac", "ucs4 \U0001f40d",
    Text("derived"), Text("derived \u20ac"), "long " * 1000,
    [], [1, "two", 3.0, None, True], ("a",), (), Sequence(("a", 2)), list(range(1000)),
]  # fmt: skip
dicts = [
    {},
    {"a": 1, "b": "two"},
    {"mixed": 1, 2: "two", (3,): None},
    {"key%d" % number: number for number in range(300)},
    {number: number for number in range(50000)},
    holed(),
    Mapping(a=1, b="two"),
    collections.OrderedDict([("z", 1), ("y", 2)]),
    Plain().__dict__,
]
instances = [Plain(), Plain(), Wide(), materialised(), shrunk(), Slots()]
unreadable = [2**64, 1j, b"bytes", object(), len]


def shown(value):
    return value if isinstance(value, (type(None), bool, int, float, str)) else None


def entries(table):
    return [[id(key), id(value)] for key, value in table.items()]


def attributes(instance):
    names = ["first", "second", "third", "_private", "attribute_0", "attribute_59", "absent"]
    stored = {} if isinstance(instance, Slots) else vars_without_materialising(instance)
    return {name: id(stored[name]) if name in stored else None for name in names}


def vars_without_materialising(instance):
    """`vars` gives an instance a dict, which would hide the layout under test."""
    names = ["first", "second", "third", "_private"] + ["attribute_%d" % number for number in range(60)]
    return {name: getattr(instance, name) for name in names if hasattr(instance, name)}


def interpreter():
    name = "PyInterpreterState_Get" if sys.version_info >= (3, 9) else "_PyInterpreterState_Get"
    function = ctypes.pythonapi[name]
    function.restype = ctypes.c_void_p
    return function()


truth = {
    "minor": sys.version_info.minor,
    "interpreter": interpreter(),
    "modules": id(sys.modules),
    "values": [[id(value), type(value).__name__, list(value) if isinstance(value, tuple) else value] for value in values],
    "dicts": [[id(table), entries(table)] for table in dicts],
    "instances": [[id(instance), type(instance).__name__, attributes(instance)] for instance in instances],
    "unreadable": [[id(value), type(value).__name__] for value in unreadable],
    "globals": {name: id(globals()[name]) for name in ["values", "Plain", "holed", "json"]},
}
print(json.dumps(truth), flush=True)
sys.stdin.read()
