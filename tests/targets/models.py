"""Small seeded models on real OR-Tools, and what the library says about each."""

import random
import threading
import time

import solve_stamps  # before OR-Tools, whose function it replaces

import ortools
from ortools.constraint_solver import pywrapcp, routing_enums_pb2
from ortools.linear_solver import pywraplp
from ortools.linear_solver.python import model_builder
from ortools.sat.python import cp_model

import truth

_times = threading.local()


def _time_inside(cp_solver_module):
    """Makes CpSolver time its native call and nothing around it."""
    helper_name = "cmh" if hasattr(cp_solver_module, "cmh") else "swig_helper"
    helper = getattr(cp_solver_module, helper_name)

    # Its name changed with 9.15.
    method = "solve_and_return_response_wrapper"
    if not hasattr(helper.SolveWrapper, method):
        method = "solve"
    native = getattr(helper.SolveWrapper, method)

    def timed(self, proto):
        start = time.time_ns()
        response = native(self, proto)
        _times.value = (start, time.time_ns())
        return response

    TimedWrapper = type("TimedWrapper", (helper.SolveWrapper,), {method: timed})

    class Helper:
        """The helper module with one class replaced."""

        SolveWrapper = TimedWrapper

        def __getattr__(self, name):
            return getattr(helper, name)

    setattr(cp_solver_module, helper_name, Helper())


_time_inside(cp_model)
solve_stamps.find_solve(ortools)


def jobshop(seed: int, jobs: int, machines: int) -> cp_model.CpModel:
    """A random job shop: minimise the makespan."""
    rng = random.Random(seed)
    model = cp_model.CpModel()
    data = [[(machine, rng.randint(1, 20)) for machine in rng.sample(range(machines), machines)] for _ in range(jobs)]
    horizon = sum(duration for job in data for _, duration in job)
    intervals: list[list] = [[] for _ in range(machines)]
    ends = []
    for number, job in enumerate(data):
        previous = None
        for step, (machine, duration) in enumerate(job):
            start = model.new_int_var(0, horizon, f"s{number}_{step}")
            end = model.new_int_var(0, horizon, f"e{number}_{step}")
            intervals[machine].append(model.new_interval_var(start, duration, end, f"i{number}_{step}"))
            if previous is not None:
                model.add(start >= previous)
            previous = end
        ends.append(previous)
    for on_machine in intervals:
        model.add_no_overlap(on_machine)
    makespan = model.new_int_var(0, horizon, "makespan")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    return model


def infeasible() -> cp_model.CpModel:
    """A model that presolve proves infeasible: no error, only no solution."""
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 3, f"x{i}") for i in range(5)]
    model.add_all_different(x)
    model.add(sum(x) >= 100)
    return model


def solve_cpsat(route: str, model: cp_model.CpModel, workers: int, limit_s: float, seed: int, callback=None) -> dict:
    """Solves, and writes what CpSolver reports."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.max_time_in_seconds = limit_s
    solver.parameters.random_seed = seed
    with truth.call("cpsat.solve", route) as facts:
        status = solver.solve(model, callback) if callback else solver.solve(model)
        facts["start_ns"], facts["end_ns"] = _times.value
        found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        facts.update(
            workers=workers,
            status=int(status),
            status_name=solver.status_name(status),
            found=found,
            objective=solver.objective_value if found else None,
            bound=solver.best_objective_bound if found else None,
            variables=len(model.proto.variables),
            constraints=len(model.proto.constraints),
            limit_s=limit_s,
            seed=seed,
            # The solver's own timer, which no wait for the interpreter's lock is in.
            wall_s=solver.wall_time,
            **solve_stamps.last(),
        )
    return facts


def routing(route: str, locations: int, vehicles: int, limit_s: float, seed: int) -> dict:
    """A vehicle routing problem on random points."""
    return search_routes(route, *routing_model(locations, vehicles, limit_s, seed))


def routing_model(locations: int, vehicles: int, limit_s: float, seed: int):
    """The model, how it is to be searched, and what says how large it is."""
    rng = random.Random(seed)
    points = [(rng.randint(0, 1000), rng.randint(0, 1000)) for _ in range(locations)]
    manager = pywrapcp.RoutingIndexManager(locations, vehicles, 0)
    model = pywrapcp.RoutingModel(manager)

    def distance(a: int, b: int) -> int:
        p, q = points[manager.IndexToNode(a)], points[manager.IndexToNode(b)]
        return abs(p[0] - q[0]) + abs(p[1] - q[1])

    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitCallback(distance))
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    if limit_s:
        parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
        parameters.time_limit.FromMilliseconds(int(limit_s * 1000))
    model.CloseModelWithParameters(parameters)
    # The manager must outlive the search.
    return model, parameters, manager


def search_routes(route: str, model, parameters, manager) -> dict:
    """The search, and what the library says of it."""
    locations, vehicles = manager.GetNumberOfNodes(), manager.GetNumberOfVehicles()
    with truth.call("routing.solve", route) as facts:
        solution = model.SolveWithParameters(parameters)
        end = time.time_ns()
        facts.update(
            end_ns=end,
            locations=locations,
            vehicles=vehicles,
            status=model.status(),
            found=solution is not None,
            objective=solution.ObjectiveValue() if solution else None,
        )
    return facts


def linear(route: str, seed: int) -> dict:
    """A linear program through MPSolver."""
    rng = random.Random(seed)
    solver = pywraplp.Solver.CreateSolver("GLOP")
    x = [solver.NumVar(0, solver.infinity(), f"x{i}") for i in range(60)]
    for _ in range(50):
        solver.Add(sum(rng.randint(1, 9) * v for v in x) <= rng.randint(50, 500))
    solver.Maximize(sum(rng.randint(1, 9) * v for v in x))
    with truth.call("mp.solve", route) as facts:
        status = solver.Solve()
        facts.update(end_ns=time.time_ns(), status=status, objective=solver.Objective().Value())
    return facts


def built(route: str, seed: int) -> dict:
    """A linear program through the newer model builder."""
    rng = random.Random(seed)
    model = model_builder.Model()
    x = [model.new_num_var(0, 1000, f"x{i}") for i in range(40)]
    for _ in range(30):
        model.add(sum(rng.randint(1, 9) * v for v in x) <= rng.randint(50, 500))
    model.maximize(sum(rng.randint(1, 9) * v for v in x))
    solver = model_builder.Solver("GLOP")
    with truth.call("mp.solve", route) as facts:
        status = solver.solve(model)
        facts.update(end_ns=time.time_ns(), status=int(status), objective=solver.objective_value)
    return facts
