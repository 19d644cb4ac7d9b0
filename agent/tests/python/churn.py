"""Modules, dicts and instances that change as fast as Python can, around some that never do."""

import ctypes
import json
import sys
import threading
import types


class Held:
    def __init__(self):
        self.kept = "kept"


held = Held()
table = {"kept": "kept"}


def churn_modules():
    names = ["churn.module%d" % number for number in range(500)]
    while True:
        for name in names:
            sys.modules[name] = types.ModuleType(name)
        for name in names:
            del sys.modules[name]


def churn_instance():
    while True:
        held.__dict__["extra"] = 1
        for number in range(40):
            setattr(held, "attribute%d" % number, number)
        held.__dict__ = {"kept": held.kept}


def churn_dict():
    while True:
        for number in range(1000):
            table[number] = str(number)
        for number in range(1000):
            del table[number]


for work in (churn_modules, churn_instance, churn_dict):
    threading.Thread(target=work, daemon=True).start()

name = "PyInterpreterState_Get" if sys.version_info >= (3, 9) else "_PyInterpreterState_Get"
interpreter = ctypes.pythonapi[name]
interpreter.restype = ctypes.c_void_p
truth = {
    "minor": sys.version_info.minor,
    "interpreter": interpreter(),
    "modules": id(sys.modules),
    "builtins": id(sys.modules["builtins"]),
    "held": id(held),
    "table": id(table),
    "kept": id(table["kept"]),
}
print(json.dumps(truth), flush=True)
sys.stdin.read()
