"""Native work in hand-made spans, on command: for interpreters and libraries without a web service.

usage: batch.py KIND. Prints `ready PID`, then for each line `COUNT` on stdin does that much work, one
span each, and prints `done`. Ends with its input. KIND is one of the functions below.
"""

import ctypes
import os
import sys
import threading

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import truth

trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "batch"})))
tracer = trace.get_tracer("batch")


# Mapped before the agent comes.
_NATIVE = ctypes.CDLL(os.environ["NATIVE_LIBRARY"]) if "NATIVE_LIBRARY" in os.environ else None


def native(number: int) -> None:
    """A function of the library that the environment names."""
    with truth.call("native.burn", "native"):
        _NATIVE.hs_burn(ctypes.c_long(5_000))


def native_at_once(number: int) -> None:
    """The same; the first call loads the library."""
    with truth.call("native.burn", "native_at_once"):
        ctypes.CDLL(os.environ["LATE_LIBRARY"]).hs_burn(ctypes.c_long(5_000))


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


def ortools_at_once(number: int) -> None:
    """A small solve, right after the import that the first call makes."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = [model.new_bool_var(str(item)) for item in range(40)]
    for row in range(15):
        model.add(sum((1 + item * (row + 7) % 11) * one for item, one in enumerate(chosen)) <= 90)
    model.maximize(sum((1 + item * 5 % 13) * one for item, one in enumerate(chosen)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    with truth.call("cpsat.solve", "ortools_at_once"):
        solver.solve(model)


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


_SESSIONS: list = []
_MATMULS = 6


def _onnx_session(size: int):
    """Matrix products by random weights, each followed by another operator."""
    import numpy
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = numpy.random.default_rng(7)
    nodes, weights, last = [], [], "input"
    for layer in range(_MATMULS):
        values = (rng.standard_normal((size, size)) / size).astype(numpy.float32)
        weights.append(numpy_helper.from_array(values, f"weight{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"weight{layer}"], [f"product{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"product{layer}"], [f"layer{layer}"]))
        last = f"layer{layer}"
    shape = ["rows", size]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("input", last)]
    graph = helper.make_graph(nodes, "layers", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with truth.call("onnx.load", "onnx"):
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    return session


def onnx(number: int) -> None:
    """A run of a small model; at the first call the session is made."""
    import numpy

    size = 600
    if not _SESSIONS:
        _SESSIONS.append(_onnx_session(size))
    rows = numpy.ones((128 + number % 64, size), dtype=numpy.float32)
    with truth.call("onnx.run", "onnx") as facts:
        _SESSIONS[0].run(None, {"input": rows})
        facts.update(matmuls=_MATMULS, number=number)


def onnx_raises(number: int) -> None:
    """A run with an input of a wrong shape: it fails inside of the library."""
    import numpy

    if not _SESSIONS:
        _SESSIONS.append(_onnx_session(400))
    with truth.call("onnx.run", "onnx"):
        try:
            _SESSIONS[0].run(None, {"input": numpy.ones((2, 3), dtype=numpy.float32)})
        except Exception as error:
            assert "INVALID_ARGUMENT" in str(error), error
        else:
            raise AssertionError("the shape was accepted")


def _cudart():
    """The runtime that the tests name: their stub, or the real one."""
    runtime = ctypes.CDLL(os.environ["CUDART"])
    pointers = [ctypes.c_void_p] * 2
    runtime.cudaMemcpy.argtypes = [*pointers, ctypes.c_size_t, ctypes.c_int]
    if hasattr(runtime, "launch_many"):
        runtime.launch_many.argtypes = [ctypes.c_ulong] * 2
        runtime.launch_many.restype = ctypes.c_ulong
    if "CUDA_DRIVER" in os.environ:
        assert runtime.use_driver(os.environ["CUDA_DRIVER"].encode()) == 0
    return runtime


def _cuda_driver():
    """The driver that the tests name."""
    driver = ctypes.CDLL(os.environ["CUDA_DRIVER"])
    driver.cuMemAlloc_v2.argtypes = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t]
    driver.cuMemFree_v2.argtypes = [ctypes.c_uint64]
    driver.cuMemcpyHtoD_v2.argtypes = [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t]
    return driver


def cuda(number: int) -> None:
    """A forward pass: copy in, launches, wait, copy out."""
    runtime = _cudart()
    size = 1 << 20
    host, device = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
    with truth.call("cuda.memcpy", "cuda") as facts:
        facts["error"] = runtime.cudaMemcpy(device, host, size, 1)
    with truth.call("cuda.launch", "cuda") as facts:
        facts["count"] = 100 + number
        runtime.launch_many(facts["count"], 0)
    with truth.call("cuda.synchronize", "cuda") as facts:
        facts["error"] = runtime.cudaStreamSynchronize(None)
    with truth.call("cuda.memcpy", "cuda") as facts:
        facts["error"] = runtime.cudaMemcpy(host, device, size // 2, 2)


def cuda_at_rate(number: int) -> None:
    """Launches for half a second, so many a second."""
    runtime = _cudart()
    rate = int(os.environ["RATE"])
    with truth.call("cuda.launch", "cuda_at_rate") as facts:
        facts["count"] = rate // 2
        facts["inside_ns"] = runtime.launch_many(facts["count"], 1_000_000_000 // rate)


def cuda_driver(number: int) -> None:
    """Launches by the runtime, which calls the driver, and by the driver alone, in turn."""
    runtime = _cudart()
    driver = _cuda_driver()
    with truth.call("cuda.launch", "cuda_driver") as facts:
        by_runtime, by_driver = 0, 0
        for _ in range(20 + number):
            runtime.launch_many(3, 0)
            by_runtime += 3
            for _ in range(2):
                driver.cuLaunchKernel(None, 1, 1, 1, 1, 1, 1, 0, None, None, None)
                by_driver += 1
        facts.update(count=by_runtime + by_driver, by_runtime=by_runtime)
    with truth.call("cuda.graph_launch", "cuda_driver") as facts:
        facts["count"] = 5
        for _ in range(5):
            runtime.cudaGraphLaunch(None, None)
    with truth.call("cuda.synchronize", "cuda_driver"):
        runtime.cudaStreamSynchronize(None)
    with truth.call("cuda.synchronize", "cuda_driver"):
        driver.cuStreamSynchronize(None)
    with truth.call("cuda.memcpy", "cuda_driver"):
        driver.cuMemcpyHtoD_v2(0x700000000000, b"x" * 4096, 4096)


def cuda_kinds(number: int) -> None:
    """Launches of several kernels: few kinds, and more than can be told apart."""
    runtime = _cudart()
    with truth.call("cuda.launch", "few"):
        runtime.launch_kinds(3, 4, 10 + number)
    with truth.call("cuda.synchronize", "few"):
        runtime.cudaStreamSynchronize(None)
    with truth.call("cuda.launch", "many"):
        runtime.launch_kinds(40, 100, 3)


_HELD: list = [0]


def cuda_memory(number: int) -> None:
    """A pass of a model that keeps some memory, and the driver's own allocations beside it."""
    runtime = _cudart()
    runtime.app_pass.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_int]
    runtime.app_pass.restype = ctypes.c_long
    with truth.call("app.pass", "cuda_memory") as facts:
        _HELD[0] += runtime.app_pass((1 + number) << 20, 5 << 20, 100)
        facts["held"] = _HELD[0]
    if "CUDA_DRIVER" not in os.environ:
        return
    driver = _cuda_driver()
    address = ctypes.c_uint64()
    # By the driver alone; freed by the runtime.
    assert driver.cuMemAlloc_v2(ctypes.byref(address), 3 << 20) == 0
    runtime.cudaFree.argtypes = [ctypes.c_void_p]
    if number % 2:
        assert runtime.cudaFree(address.value) == 0
    else:
        _HELD[0] += 3 << 20
    if number == 9:
        # Whatever the context had is gone, nobody knows how much.
        assert driver.cuCtxDestroy_v2(None) == 0


_CONTEXTS: list = []


def cuda_contexts(number: int) -> None:
    """Two requests at once, each in a context of its own: what is held is held by the process."""
    driver = _cuda_driver()
    if not _CONTEXTS:
        driver.cuCtxSetCurrent.argtypes = driver.cuCtxDestroy_v2.argtypes = [ctypes.c_void_p]
        for _ in range(2):
            context = ctypes.c_void_p()
            assert driver.cuCtxCreate_v2(ctypes.byref(context), 0, 0) == 0
            _CONTEXTS.append(context.value)
    sizes = [(1 + number) << 20, 3 << 20]
    _HELD[0] += sum(sizes)
    both = threading.Barrier(2)

    def request(which: int) -> None:
        assert driver.cuCtxSetCurrent(_CONTEXTS[which]) == 0
        with tracer.start_as_current_span("request"):
            address = ctypes.c_uint64()
            assert driver.cuMemAlloc_v2(ctypes.byref(address), sizes[which]) == 0
            both.wait()
            with truth.call("cuda.launch", "cuda_contexts") as facts:
                facts["count"] = 10 + 5 * which + number
                for _ in range(facts["count"]):
                    driver.cuLaunchKernel(None, 1, 1, 1, 1, 1, 1, 0, None, None, None)
            with truth.call("cuda.synchronize", "cuda_contexts") as facts:
                driver.cuStreamSynchronize(None)
                facts["held"] = _HELD[0]
            both.wait()

    threads = [threading.Thread(target=request, args=[which]) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if number == 9:
        # What the first had is gone with it, nobody knows how much.
        assert driver.cuCtxDestroy_v2(_CONTEXTS[0]) == 0


def cuda_real(number: int) -> None:
    """The real runtime: without a driver each call fails, and says so."""
    runtime = _cudart()
    host = ctypes.create_string_buffer(16)
    with truth.call("cuda.memcpy", "cuda_real") as facts:
        facts["error"] = runtime.cudaMemcpy(host, host, 16, 1)
    with truth.call("cuda.synchronize", "cuda_real") as facts:
        facts["error"] = runtime.cudaStreamSynchronize(None)


_LOG: list = []


def _note_log() -> None:
    """Keeps what llama.cpp says of its own."""
    import llama_cpp

    @llama_cpp.llama_log_callback
    def note(level, text, _):
        _LOG.append(text.decode())

    _LOG.append(note)
    llama_cpp.llama_log_set(note, ctypes.c_void_p())


def _kv_cache_mib() -> float:
    """From the last line of it: `llama_kv_cache: size = 1.00 MiB (...), K (f16): ...`."""
    lines = [line for line in _LOG[1:] if line.startswith("llama_kv_cache: size =")]
    return float(lines[-1].split()[3])


def llama(number: int) -> None:
    """A model is loaded in the request; each second one is cut short."""
    import tempfile

    import llama_cpp

    model = os.environ["MODEL"]
    with open(model, "rb") as whole, tempfile.NamedTemporaryFile(suffix=".gguf") as short:
        if number % 2:
            short.write(whole.read(1_000_000))
            short.flush()
            model = short.name
        with truth.call("llama.load", "llama") as facts:
            loaded = llama_cpp.llama_model_load_from_file(
                model.encode(), llama_cpp.llama_model_default_params()
            )
            facts["failed"] = not loaded
        if loaded:
            parameters = llama_cpp.llama_context_default_params()
            # Of keys and values in half and in full precision, for one sequence and for two.
            parameters.n_ctx = 512 * (1 + number % 3)
            parameters.n_seq_max = 1 + number // 2 % 2
            parameters.type_k = number // 4 % 2
            parameters.type_v = number // 8 % 2
            with truth.call("llama.init", "llama") as facts:
                context = llama_cpp.llama_init_from_model(loaded, parameters)
                facts.update(failed=not context, size=llama_cpp.llama_n_ctx(context), mib=_kv_cache_mib())
            llama_cpp.llama_free(context)
            llama_cpp.llama_model_free(loaded)


def torch(number: int) -> None:
    """Operators of PyTorch on the CPU, and a backward pass."""
    import torch

    functional = torch.nn.functional
    square, image = torch.ones(512, 512), torch.ones(4, 16, 128, 128)
    heads, kernel = torch.ones(1, 8, 256, 64), torch.ones(32, 16, 3, 3)
    operators = {
        "torch.matmul": lambda: square @ square,
        "torch.convolution": lambda: functional.conv2d(image, kernel),
        "torch.attention": lambda: functional.scaled_dot_product_attention(heads, heads, heads),
        "torch.layer_norm": lambda: functional.layer_norm(image, [128, 128]),
        "torch.softmax": lambda: image.softmax(-1),
    }
    for name, operator in operators.items():
        with truth.call(name, "torch") as facts:
            facts["count"] = 2 + number % 3
            for _ in range(facts["count"]):
                operator()
    with tracer.start_as_current_span("training"):
        weights = torch.ones(512, 512, requires_grad=True)
        loss = (weights @ square).sum()
        with truth.call("torch.backward", "torch"):
            loss.backward()


_WORDS = 20_000


def tokenize(number: int) -> None:
    """A vocabulary that is loaded, a text that is encoded, and decoded again."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({f"w{word}": word for word in range(_WORDS)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    saved = words.to_str()
    text = " ".join(f"w{(word * 7 + number) % _WORDS}" for word in range(20_000))
    with truth.call("tokenizer.load", "tokenize"):
        loaded = Tokenizer.from_str(saved)
    with truth.call("tokenizer.encode", "tokenize"):
        ids = loaded.encode(text).ids
    with truth.call("tokenizer.decode", "tokenize"):
        loaded.decode(ids)
    assert len(ids) == 20_000


_ENGINE: list = []


def _engine():
    """An engine with a thread of its own, which is there before the first request."""
    engine = ctypes.CDLL(os.environ["ENGINE"])
    engine.engine_request.argtypes = [ctypes.c_int, ctypes.c_double, *[ctypes.POINTER(ctypes.c_double)] * 2]
    engine.engine_start()
    _ENGINE.append(engine)


def engine(number: int) -> None:
    """Four requests at a time at an engine that computes one at a time."""

    where = number % 3

    def request(forward_ms: float) -> None:
        queued, computed = ctypes.c_double(), ctypes.c_double()
        with tracer.start_as_current_span("request"):
            with truth.call("engine.request", "engine") as facts:
                _ENGINE[0].engine_request(where, forward_ms, ctypes.byref(queued), ctypes.byref(computed))
                facts.update(where=where, queued_ms=queued.value, computed_ms=computed.value)

    threads = [threading.Thread(target=request, args=[forward_ms]) for forward_ms in (60.0, 20.0, 20.0, 20.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _batching():
    """The engine that serves several requests with each step."""
    class Phase(ctypes.Structure):
        """As in batching.cpp."""

        _fields_ = [(name, ctypes.c_uint64) for name in ("begun", "ended", "steps", "tokens")]

    library = ctypes.CDLL(os.environ["ENGINE"])
    library.batching_context.restype = ctypes.c_void_p
    library.batching_generate.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 3, ctypes.c_void_p]
    library.batching_shared.argtypes = [ctypes.c_void_p]
    library.batching_shared.restype = ctypes.c_uint64
    library.batching_start()
    _ENGINE.extend((library, Phase, [library.batching_context(number) for number in range(2)]))


def batching(number: int) -> None:
    """Three requests at a time at one engine, and two at another, each with a prompt and a number of results
    of its own."""
    library, phase, engines = _ENGINE

    def request(engine: int, sequence: int) -> None:
        phases = (phase * 2)()
        prompt, wanted = 5 + 20 * sequence + number + 3 * engine, 6 + sequence
        with tracer.start_as_current_span("request"):
            with truth.call("batching.generate", "batching"):
                library.batching_generate(engines[engine], sequence, prompt, wanted, phases)
            for name, of in zip(("llama.prefill", "llama.decode"), phases):
                facts = {"calls": of.steps, "tokens": of.tokens, "start_ns": of.begun, "end_ns": of.ended}
                if name == "llama.decode":
                    facts["sampled"] = wanted
                with truth.call(name, "batching") as said:
                    said.update(facts)

    who = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    threads = [threading.Thread(target=request, args=arguments) for arguments in who]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with truth.call("batching.shared", "batching") as facts:
        facts["steps"] = sum(library.batching_shared(engine) for engine in engines)


_MODELS: list = []


def _llama_model():
    """The model, loaded before the first call."""

    import llama_cpp

    _MODELS.append(llama_cpp.Llama(os.environ["MODEL"], n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False))


def llama_decode(number: int) -> None:
    """A short prompt and many tokens, one after the other."""
    with truth.call("llama.decode", "llama_decode") as facts:
        prompt = _MODELS[0].tokenize(f"{number}".encode())
        tokens = _MODELS[0].generate(prompt, temp=1.0)
        facts["tokens"] = sum(1 for _, _ in zip(range(300), tokens))


_PAIRED = ("llama_decode", "llama_sampler_sample")


def _llama_copy() -> tuple:
    """The functions that are probed, and those of a copy of the library in which they have other names, so that nobody probes them."""
    import tempfile

    from llama_cpp import llama_cpp

    library = llama_cpp._lib
    with open(library._name, "rb") as file, tempfile.NamedTemporaryFile(suffix=".so") as copy:
        code = file.read()
        for name in _PAIRED:
            old = b"\0" + name.encode() + b"\0"
            assert old in code, name
            code = code.replace(old, old[:-2] + b"_\0")
        copy.write(code)
        copy.flush()
        loaded = ctypes.CDLL(copy.name)

    def address(function) -> int:
        return ctypes.cast(function, ctypes.c_void_p).value

    def functions(moved_by: int) -> dict:
        found = {}
        for name in _PAIRED:
            of = getattr(library, name)
            found[name] = ctypes.CFUNCTYPE(of.restype, *of.argtypes)(address(of) + moved_by)
        return found

    return functions(0), functions(address(loaded.llama_n_ctx) - address(library.llama_n_ctx))


_COPIED: list = []
_STRETCH = 10


def llama_pairs(number: int) -> None:
    """Tokens by the library's functions and by a copy's, in turn: by how much the former take longer."""
    import itertools
    import random
    import time

    from llama_cpp import llama_cpp

    def use(functions: dict) -> None:
        for name, function in functions.items():
            setattr(llama_cpp, name, function)

    tokens = iter(_MODELS[0].generate(_MODELS[0].tokenize(f"{number}".encode()), temp=1.0))
    with truth.call("llama.decode", "llama_pairs") as facts:
        more = []
        for _ in range(10):
            turns = random.choice(((0, 1, 1, 0), (1, 0, 0, 1)))
            took = [0, 0]
            for which in turns:
                use(_COPIED[which])
                # What is used now is not what was used before: one token for the caches.
                next(tokens)
                began = time.perf_counter_ns()
                for _ in itertools.islice(tokens, _STRETCH):
                    pass
                took[which] += time.perf_counter_ns() - began
            more.append((took[0] - took[1]) / (2 * _STRETCH))
        facts["more_ns"] = more
    tokens.close()
    use(_COPIED[0])


def page_in(number: int) -> None:
    """Reads pages of a file, each from the disk."""
    import mmap

    with open(os.environ["FILE"], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            pages.madvise(mmap.MADV_RANDOM)
            with truth.call("page_in", "page_in") as facts:
                facts["sum"] = sum(pages[at] for at in range(0, len(pages), 1 << 18))


def memory(number: int) -> None:
    """Touches memory and lets it go, reads a file from the disk, and with `THRASH` one too large."""
    class Used(ctypes.Structure):
        """As in memory.c."""

        _fields_ = [(name, ctypes.c_long) for name in ("resident", "faults", "voluntary", "involuntary")]

    library = ctypes.CDLL(os.environ["MEMORY"])
    library.memory_touch.argtypes = [ctypes.c_long, ctypes.c_void_p]
    path = os.environ["FILE"].encode()

    def call(region: str, function, *arguments) -> None:
        used = Used()
        with truth.call(region, "memory") as facts:
            function(*arguments, ctypes.byref(used))
            facts.update({name: getattr(used, name) for name, _ in Used._fields_})

    if "THRASH" in os.environ:
        call("memory.thrash", library.memory_thrash, path, 6)
        return
    call("memory.touch", library.memory_touch, 64 << 20)
    call("memory.touch", library.memory_touch, -1)
    call("memory.page_in", library.memory_page_in, path)


def cython(number: int) -> None:
    """A Cython module, from the folder that the test built it in."""

    sys.path.insert(0, os.environ["SHOP"])
    import shop

    with truth.call("shop.price", "cython"):
        shop.price(3)


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
    if sys.argv[1] == "llama":
        import llama_cpp

        llama_cpp.llama_backend_init()
        _note_log()
    if sys.argv[1] in ("llama_decode", "llama_pairs"):
        _llama_model()
    if sys.argv[1] == "llama_pairs":
        _COPIED.extend(_llama_copy())
    if sys.argv[1] == "cython":
        cython(0)
    if sys.argv[1] == "engine":
        _engine()
    if sys.argv[1] == "batching":
        _batching()
    if sys.argv[1] == "memory":
        # Before the first call: one right after the loading would not be seen.
        
        ctypes.CDLL(os.environ["MEMORY"])
    if sys.argv[1].startswith("cuda"):
        _cudart()
    if sys.argv[1] == "torch":
        # Before the agent comes; lazily, as a machine without a GPU need not have all that it can use.
        sys.setdlopenflags(os.RTLD_LAZY)
        torch(0)

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
