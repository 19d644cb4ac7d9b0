"""Solves random models of every kind and says what OR-Tools' own API says of each.

One JSON line a solve on stdout: the enclosing span's ids, the native thread, `time_ns` around the
call, and the values that hotspan's spans must carry. A key that is absent must be absent there
too, except for those that `unknown` lists. Works with OR-Tools 9.13 to 9.15; needs opentelemetry-sdk.

    ortools_truth.py [--seed N] [--count N] [--kind cpsat,routing,mp,mb] [--wait]

`--wait`: a line on stdin starts the work, after the line `ready PID` has been printed.
"""

import argparse
import json
import math
import os
import random
import sys
import threading
import time

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from ortools import __version__ as ortools_version
from ortools.constraint_solver import pywrapcp, routing_enums_pb2
from ortools.linear_solver import pywraplp
from ortools.linear_solver.python import model_builder
from ortools.sat.python import cp_model

STATUS_NAMES = {0: "UNKNOWN", 1: "MODEL_INVALID", 2: "FEASIBLE", 3: "INFEASIBLE", 4: "OPTIMAL"}


class Improvements(cp_model.CpSolverSolutionCallback):
    """Records what the callback sees of each improved solution; may end the search."""

    def __init__(self, has_objective, stop_after=None):
        super().__init__()
        self.has_objective = has_objective
        self.stop_after = stop_after
        self.seen = []

    def on_solution_callback(self):
        entry = {"time_ns": time.time_ns(), "thread": threading.get_native_id()}
        if self.has_objective:
            entry["objective"] = self.objective_value
            entry["bound"] = self.best_objective_bound
        self.seen.append(entry)
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            self.stop_search()


# Models: each takes (rng, model) and says whether there is an objective.


def no_objective(rng, model):
    cells = [model.new_int_var(0, 20, f"x{i}") for i in range(rng.randint(3, 12))]
    model.add_all_different(cells)
    model.add(sum(cells) <= 20 * len(cells))
    return False


def infeasible(rng, model):
    cells = [model.new_int_var(0, 3, f"x{i}") for i in range(6)]
    model.add_all_different(cells)
    if rng.random() < 0.5:
        model.maximize(sum(cells))
        return True
    return False


def invalid(rng, model):
    x = model.new_int_var(0, 10, "x")
    model.add(x * 1 <= 5)
    if rng.random() < 0.5:
        model.minimize(x)
    # An upper bound below the lower one: the validator refuses the model.
    domain = model.proto.variables[0].domain
    domain[0], domain[1] = 10, 0
    return None


def knapsack(rng, model):
    n = rng.randint(5, 40)
    take = [model.new_bool_var(f"t{i}") for i in range(n)]
    model.add(sum(rng.randint(1, 30) * t for t in take) <= 10 * n)
    model.maximize(sum(rng.randint(1, 50) * t for t in take) + rng.randint(-100, 100))
    return True


def weighted(rng, model):
    n = rng.randint(3, 15)
    cells = [model.new_int_var(-10, 30, f"x{i}") for i in range(n)]
    for left, right in zip(cells, cells[1:]):
        model.add(left + right >= rng.randint(-5, 25))
    # A common factor: presolve divides by it, so scaling and offset matter.
    factor = rng.choice([1, 3, 7, 100])
    model.minimize(sum(factor * rng.randint(1, 9) * c for c in cells) + rng.randint(-50, 50))
    return True


def floating(rng, model):
    n = rng.randint(3, 12)
    cells = [model.new_int_var(0, 25, f"x{i}") for i in range(n)]
    model.add(sum(cells) >= 3 * n)
    model.add(sum(cells) <= 20 * n)
    goal = sum(rng.uniform(-3, 7) * c for c in cells) + rng.uniform(-10, 10)
    (model.maximize if rng.random() < 0.5 else model.minimize)(goal)
    return True


def jobshop(rng, model):
    jobs, machines = rng.randint(8, 14), rng.randint(6, 9)
    on_machine = [[] for _ in range(machines)]
    ends = []
    for job in range(jobs):
        before = None
        for machine in rng.sample(range(machines), machines):
            length = rng.randint(1, 40)
            start = model.new_int_var(0, 3000, f"s{job}_{machine}")
            end = model.new_int_var(0, 3000, f"e{job}_{machine}")
            on_machine[machine].append(
                model.new_interval_var(start, length, end, f"i{job}_{machine}")
            )
            if before is not None:
                model.add(start >= before)
            before = end
        ends.append(before)
    for intervals in on_machine:
        model.add_no_overlap(intervals)
    makespan = model.new_int_var(0, 3000, "makespan")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    return True


MODELS = [no_objective, infeasible, invalid, knapsack, weighted, floating, jobshop]


def set_parameters(rng, parameters, build):
    parameters.num_workers = rng.choice([1, 1, 4, 8])
    if build is jobshop:
        parameters.max_time_in_seconds = rng.choice([0.0, 1e-5, 0.02, 0.1, 0.3, 0.6])
    elif rng.random() < 0.5:
        parameters.max_time_in_seconds = rng.choice([0.5, 10.0, 3600.25])
    if rng.random() < 0.2:
        parameters.cp_model_presolve = False
    if rng.random() < 0.1:
        parameters.stop_after_first_solution = True
    if rng.random() < 0.1:
        parameters.log_search_progress = True
        parameters.log_to_stdout = False
    if rng.random() < 0.1:
        parameters.interleave_search = True
    if rng.random() < 0.1:
        parameters.absolute_gap_limit = 0.0


def cpsat(rng):
    build = rng.choice(MODELS)
    model = cp_model.CpModel()
    has_objective = build(rng, model)
    if build in (knapsack, weighted) and rng.random() < 0.3:
        for index in range(len(model.proto.variables)):
            model.add_hint(model.get_int_var_from_proto_index(index), 0)
    solver = cp_model.CpSolver()
    set_parameters(rng, solver.parameters, build)
    stop = rng.choice([None, None, None, 1, 3])
    if build is no_objective and rng.random() < 0.3:
        solver.parameters.enumerate_all_solutions = True
        solver.parameters.num_workers = 1
        stop = 50
    callback = Improvements(has_objective, stop) if stop or rng.random() < 0.7 else None

    start = time.time_ns()
    status = solver.solve(model, callback)
    end = time.time_ns()

    limit = solver.parameters.max_time_in_seconds
    truth = {
        "region": "cpsat.solve",
        "start_ns": start,
        "end_ns": end,
        "model": build.__name__,
        "workers": solver.parameters.num_workers,
        "wall_time": solver.wall_time,
        "optim.solver_status_code": int(status),
        "optim.solver_status": STATUS_NAMES[int(status)],
        "optim.solution_found": int(status) in (2, 4),
        "optim.num_variables": len(model.proto.variables),
        "optim.num_constraints": len(model.proto.constraints),
    }
    if math.isfinite(limit):
        truth["optim.time_limit_s"] = limit
    if has_objective and int(status) in (2, 4):
        truth["optim.objective_value"] = solver.objective_value
        truth["optim.best_bound"] = solver.best_objective_bound
    if int(status) == 0:
        # A bound without a solution: what the response holds, if it holds one.
        truth["unknown_bound"] = solver.best_objective_bound
    if callback is not None:
        truth["improvements"] = callback.seen
    # Nothing else ends these searches early: the solver stops a little before or after the limit,
    # so the wall time does not tell.
    stopped = callback is not None and stop is not None and len(callback.seen) >= stop
    stopped |= solver.parameters.stop_after_first_solution and int(status) == 2
    truth["optim.hit_time_limit"] = int(status) in (0, 2) and not stopped
    if stopped and solver.wall_time > limit / 2:
        # Both may have happened.
        truth["unknown"] = ["optim.hit_time_limit"]
    return truth


def routing(rng):
    size, vehicles = rng.randint(1, 25), rng.randint(1, 4)
    where = [(rng.randint(0, 100), rng.randint(0, 100)) for _ in range(size)]
    manager = pywrapcp.RoutingIndexManager(size, vehicles, 0)
    model = pywrapcp.RoutingModel(manager)

    def distance(a, b):
        (ax, ay), (bx, by) = where[manager.IndexToNode(a)], where[manager.IndexToNode(b)]
        return abs(ax - bx) + abs(ay - by)

    transit = model.RegisterTransitCallback(distance)
    model.SetArcCostEvaluatorOfAllVehicles(transit)
    reach = rng.choice([10, 150, 400, 3000])
    model.AddDimension(transit, 0, reach, True, "distance")
    if rng.random() < 0.3:
        for node in range(1, size):
            model.AddDisjunction([manager.NodeToIndex(node)], rng.randint(10, 1000))
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = (
        routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    )
    if rng.random() < 0.3:
        parameters.local_search_metaheuristic = (
            routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
        )
        parameters.time_limit.FromMilliseconds(rng.choice([20, 100, 300]))
    else:
        # Without a limit the search for a first solution may go on for hours.
        parameters.time_limit.FromMilliseconds(rng.choice([1, 300, 300]))

    start = time.time_ns()
    solution = model.SolveWithParameters(parameters)
    end = time.time_ns()

    truth = {
        "region": "routing.solve",
        "start_ns": start,
        "end_ns": end,
        "optim.num_locations": model.nodes(),
        "optim.num_vehicles": model.vehicles(),
        "optim.solver_status_code": int(model.status()),
        "optim.solution_found": solution is not None,
    }
    if solution is not None:
        truth["optim.objective_value"] = solution.ObjectiveValue()
    return truth


def mp(rng):
    name = rng.choice(["GLOP", "PDLP", "SCIP", "CBC", "CLP", "SAT"])
    solver = pywraplp.Solver.CreateSolver(name)
    if solver is None:
        return None
    variables = [solver.NumVar(0, rng.randint(1, 40), f"x{i}") for i in range(rng.randint(2, 9))]
    for _ in range(rng.randint(1, 6)):
        solver.Add(sum(rng.randint(1, 9) * v for v in variables) <= rng.randint(10, 99))
    if rng.random() < 0.2:
        solver.Add(sum(variables) >= 10_000)
    if rng.random() < 0.8:
        solver.Maximize(sum(rng.uniform(1, 9) * v for v in variables) + rng.uniform(-5, 5))
    # PDLP may go on for ever on an infeasible model.
    solver.SetTimeLimit(500)
    start = time.time_ns()
    status = solver.Solve()
    end = time.time_ns()
    truth = {
        "region": "mp.solve",
        "start_ns": start,
        "end_ns": end,
        "solver": name,
        "optim.solver_status_code": int(status),
        "optim.solution_found": status in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE),
    }
    if truth["optim.solution_found"]:
        truth["optim.objective_value"] = solver.Objective().Value()
    return truth


def mb(rng):
    name = rng.choice(["glop", "pdlp", "scip", "sat", "highs"])
    solver = model_builder.Solver(name)
    if not solver.solver_is_supported():
        return None
    model = model_builder.Model()
    variables = [model.new_num_var(0, rng.randint(1, 40), f"x{i}") for i in range(rng.randint(2, 9))]
    for _ in range(rng.randint(1, 6)):
        model.add(sum(rng.randint(1, 9) * v for v in variables) <= rng.randint(10, 99))
    if rng.random() < 0.2:
        model.add(sum(variables) >= 10_000)
    model.maximize(sum(rng.uniform(1, 9) * v for v in variables) + rng.uniform(-5, 5))
    solver.set_time_limit_in_seconds(0.5)
    start = time.time_ns()
    status = solver.solve(model)
    end = time.time_ns()
    found = status in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE)
    truth = {
        "region": "mp.solve",
        "start_ns": start,
        "end_ns": end,
        "solver": "builder." + name,
        "status_name": status.name,
        "optim.solution_found": found,
    }
    if found:
        truth["optim.objective_value"] = solver.objective_value
    return truth


KINDS = {"cpsat": cpsat, "routing": routing, "mp": mp, "mb": mb}


def only_truth_on_stdout():
    """What solvers print goes to stderr."""
    truth = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = truth


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--kind", default=",".join(KINDS))
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    only_truth_on_stdout()

    trace.set_tracer_provider(TracerProvider())
    tracer = trace.get_tracer("ortools_truth")
    rng = random.Random(options.seed)
    if options.wait:
        print(f"ready {os.getpid()}", flush=True)
        sys.stdin.readline()
    kinds = options.kind.split(",")
    for number in range(options.count):
        with tracer.start_as_current_span(f"request {number}") as span:
            truth = KINDS[rng.choice(kinds)](rng)
            if truth is None:
                continue
            context = span.get_span_context()
            truth["number"] = number
            truth["trace_id"] = f"{context.trace_id:032x}"
            truth["span_id"] = f"{context.span_id:016x}"
            truth["pid"] = os.getpid()
            truth["thread"] = threading.get_native_id()
            truth["version"] = ortools_version
        print(json.dumps(truth), flush=True)


main()
