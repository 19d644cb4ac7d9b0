"""When CP-SAT's solve began and ended by the clock right around the native call: see `native/solve_stamps.c`.

Import this before OR-Tools: whose function is in the global scope first is called. `SOLVE_STAMPS` names the library;
without it nothing is replaced, and there are no such times.
"""

import ctypes
import os
from pathlib import Path

_PATH = os.environ.get("SOLVE_STAMPS")
_library = ctypes.CDLL(_PATH, mode=ctypes.RTLD_GLOBAL) if _PATH else None


def find_solve(ortools) -> None:
    """Looks up the function that was replaced, in the library of the imported package."""
    if _library is None:
        return
    found = [str(path) for path in (Path(ortools.__file__).parent / ".libs").glob("libortools.so*")]
    if not any(_library.solve_stamps_open(path.encode()) for path in found):
        raise RuntimeError(f"no SolveWrapper::Solve in {found}")


def last() -> dict:
    """The times of this thread's last solve, as facts: Unix time in nanoseconds."""
    if _library is None:
        return {}
    before, after = ctypes.c_uint64(), ctypes.c_uint64()
    _library.solve_stamps_last(ctypes.byref(before), ctypes.byref(after))
    return {"native_start_ns": before.value, "native_end_ns": after.value}
