//! Which native frames are the interpreter's own.

/// What a native frame is to who reads the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The loop that runs Python frames: these stand in its place.
    Eval,
    /// Another part of the interpreter, between a Python frame and what it calls.
    Interpreter,
    /// Work.
    Function,
}

/// The loop itself; from 3.14 on some builds have a function for each instruction instead.
const EVAL: &str = "_PyEval_EvalFrameDefault";
const EVAL_INSTRUCTION: &str = "_TAIL_CALL_";

/// Where glibc's and musl's threads, and C programs, begin.
const STARTS: [&str; 9] = [
    "_start",
    "__clone",
    "__clone3",
    "clone",
    "clone3",
    "start_thread",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
];

/// Exported and shared functions of `CPython`: all that begin so are its own machinery.
const API: [&str; 3] = ["Py", "_Py", "__Py"];

/// File-local functions of `CPython` on the way from a call in Python to what is called, by how their names
/// begin (`Objects/{call,methodobject,descrobject,classobject,typeobject,genobject,funcobject}.c`,
/// `Python/{ceval,pythonrun,context}.c`, `Modules/{main,_threadmodule}.c`).
const MACHINERY: [&str; 39] = [
    "bounded_",
    "builtin___build_class__",
    "builtin_eval",
    "builtin_exec",
    "call_attribute",
    "call_function",
    "call_method",
    "call_unbound",
    "cfunction_",
    "context_run",
    "do_call_core",
    "function_code_fastcall",
    "gen_close",
    "gen_iternext",
    "gen_send",
    "import_find_and_load",
    "import_name",
    "instancemethod_call",
    "main",
    "method_call",
    "method_vectorcall",
    "methoddescr_",
    "object_vacall",
    "partial_call",
    "partial_vectorcall",
    "property_descr_",
    "pymain_",
    "pyrun_",
    "pythread_wrapper",
    "run_eval_code_obj",
    "run_mod",
    "slot_",
    "t_bootstrap",
    "thread_run",
    "type_call",
    "vectorcall_",
    "wrap_",
    "wrapper_call",
    "wrapperdescr_",
];

/// What a function is, by its symbol and by whether it is in the object that holds the interpreter.
///
/// There, code without a symbol counts as the interpreter's: Debian's is stripped but for what it exports.
pub fn role(symbol: Option<&str>, is_interpreters: bool) -> Role {
    let plain = symbol.map(|symbol| symbol.split('.').next().unwrap_or(symbol));
    match plain {
        Some(EVAL) => Role::Eval,
        Some(name) if is_interpreters && name.starts_with(EVAL_INSTRUCTION) => Role::Eval,
        Some(name) if is_interpreters && is_machinery(name) => Role::Interpreter,
        None if is_interpreters => Role::Interpreter,
        _ => Role::Function,
    }
}

/// Whether threads begin here, before anything of the program's own.
pub fn is_start(symbol: &str) -> bool {
    STARTS.contains(&symbol)
}

fn is_machinery(name: &str) -> bool {
    API.iter()
        .chain(&MACHINERY)
        .any(|start| name.starts_with(start))
}
