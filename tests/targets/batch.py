"""Native work in hand-made spans, on command: for interpreters and libraries without a web service.

usage: batch.py KIND. Prints `ready PID`, then for each line `COUNT` on stdin does that much work, one
span each, and prints `done`. Ends with its input. KIND is one of the functions below.
"""

import sys
import threading

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import truth

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "batch"})))
tracer = trace.get_tracer("batch")


def regex(number: int) -> None:
    """A pattern that backtracks for some milliseconds."""
    import re

    with truth.call("python.regex", "regex"):
        re.compile(r"(a+)+$").match("a" * 17 + "b")


def ortools(number: int) -> None:
    """OR-Tools of whichever version is installed; imported at the first call."""
    import models

    models.solve_cpsat("ortools", models.jobshop(number, 4, 4), 1 + number % 2 * 3, 10.0, number)
    models.routing("ortools", 4 + number % 3, 1, 0.0, number)
    if number % 5 == 0:
        models.solve_cpsat("ortools", models.infeasible(), 1, 10.0, number)


def _highs_model():
    import highspy
    import numpy

    rng = numpy.random.default_rng(7)
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    x = [model.addVariable(lb=0, ub=9, obj=-float(rng.integers(1, 20)), type=highspy.HighsVarType.kInteger) for _ in range(25)]
    for _ in range(12):
        model.addConstr(sum(int(rng.integers(1, 30)) * v for v in x) <= 160)
    return model


def highs(number: int) -> None:
    """A small mixed-integer program."""
    model = _highs_model()
    with truth.call("highs.run", "highs") as facts:
        facts["status"] = str(model.run())


def highs_raises(number: int) -> None:
    """A Python callback raises under Highs::run: the exception crosses its frame."""
    import highspy

    model = _highs_model()

    def raising(*_):
        raise ValueError("from the callback")

    model.setCallback(raising, None)
    model.startCallback(highspy.cb.HighsCallbackType.kCallbackMipInterrupt)
    with truth.call("highs.run", "highs_raises") as facts:
        try:
            highspy._core._Highs.run(model)
        except ValueError as error:
            facts["raised"] = str(error)


def main() -> None:
    """Reads commands until the input ends."""
    work = globals()[sys.argv[1]]
    number = 0

    def one() -> None:
        with tracer.start_as_current_span(f"{work.__name__} {number}"):
            work(number)

    print("ready", threading.get_native_id(), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            # Half on the main thread, half on threads of their own.
            if number % 2:
                thread = threading.Thread(target=one)
                thread.start()
                thread.join()
            else:
                one()
            number += 1
        print("done", flush=True)


main()
