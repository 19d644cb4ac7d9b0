"""Solves random LPs and MIPs and says what HiGHS' own Python API says of each.

One JSON line a run on stdout: the enclosing span's ids, the native thread, `time_ns` around the
call, and the values that hotspan's `highs.run` span must carry. Works with highspy 1.10 to 1.15;
needs opentelemetry-sdk.

    highs_truth.py [--seed N] [--count N] [--wait]

`--wait`: a line on stdin starts the work, after the line `ready PID` has been printed.
"""

import argparse
import json
import os
import random
import sys
import threading
import time

import highspy
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def model(rng, highs):
    columns = rng.randint(1, 40)
    integer = rng.random() < 0.5
    for _ in range(columns):
        highs.addVar(0.0, rng.choice([1.0, 5.0, 40.0, highspy.kHighsInf]))
        column = highs.getNumCol() - 1
        highs.changeColCost(column, rng.uniform(-9, 2))
        if integer:
            highs.changeColIntegrality(column, highspy.HighsVarType.kInteger)
    for _ in range(rng.randint(0, 30)):
        chosen = sorted(rng.sample(range(columns), rng.randint(1, columns)))
        weights = [float(rng.randint(1, 30)) for _ in chosen]
        low, high = -highspy.kHighsInf, 99.0
        if rng.random() < 0.03:
            low, high = rng.choice([(1.0, 60.0), (50000.0, 60000.0)])
        highs.addRow(low, high, len(chosen), chosen, weights)
    return integer


def solve(rng):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    integer = model(rng, highs)
    if rng.random() < 0.2:
        highs.setOptionValue("time_limit", rng.choice([0.0, 0.01]))
    if rng.random() < 0.2:
        highs.setOptionValue("presolve", "off")
    start = time.time_ns()
    status = highs.run()
    end = time.time_ns()
    model_status = highs.getModelStatus()
    truth = {
        "region": "highs.run",
        "start_ns": start,
        "end_ns": end,
        "integer": integer,
        "run_status": int(status),
        "status_name": highs.modelStatusToString(model_status),
        "optim.solver_status_code": int(model_status),
        "optim.hit_time_limit": model_status == highspy.HighsModelStatus.kTimeLimit,
        "optim.num_variables": highs.getNumCol(),
        "optim.num_constraints": highs.getNumRow(),
        "pid": os.getpid(),
        "thread": threading.get_native_id(),
    }
    if model_status == highspy.HighsModelStatus.kOptimal:
        truth["optim.objective_value"] = highs.getObjectiveValue()
    return truth


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    trace.set_tracer_provider(TracerProvider())
    tracer = trace.get_tracer("highs_truth")
    rng = random.Random(options.seed)
    if options.wait:
        print(f"ready {os.getpid()}", flush=True)
        sys.stdin.readline()
    for number in range(options.count):
        with tracer.start_as_current_span(f"request {number}") as span:
            truth = solve(rng) | {"number": number}
            context = span.get_span_context()
            truth["trace_id"] = f"{context.trace_id:032x}"
            truth["span_id"] = f"{context.span_id:016x}"
        print(json.dumps(truth), flush=True)


main()
