//! Whose code a function is, by the place of its file or object.

use super::{
    place::{first_part, inside_packages, inside_standard},
    probeable, starts,
};
use crate::event::{Function, Language};

/// Whose code a function is. What a person would name is their own code, and what it calls; not
/// what calls it, and not what its callees are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Servers, event loops, thread pools, instrumentation: the chain above a handler.
    Framework,
    /// Packages, the standard library, native code.
    Library,
    /// The application.
    User,
}

/// Installed packages that call handlers, or wrap them.
const FRAMEWORKS: &[&str] = &[
    "_pytest",
    "a2wsgi",
    "aiohttp",
    "anyio",
    "ariadne",
    "arq",
    "asgiref",
    "autobahn",
    "bentoml",
    "billiard",
    "blacksheep",
    "bottle",
    "celery",
    "channels",
    "cheroot",
    "cherrypy",
    "click",
    "connexion",
    "daphne",
    "ddtrace",
    "django",
    "dramatiq",
    "elasticapm",
    "engineio",
    "eventlet",
    "falcon",
    "fastapi",
    "fastmcp",
    "flask",
    "gevent",
    "gradio",
    "granian",
    "graphql",
    "greenlet",
    "grpc",
    "gunicorn",
    "h11",
    "h2",
    "httptools",
    "huey",
    "hypercorn",
    "kombu",
    "litestar",
    "mangum",
    "mcp",
    "mlserver",
    "newrelic",
    "nicegui",
    "ninja",
    "opentelemetry",
    "prometheus_client",
    "pyramid",
    "quart",
    "ray",
    "rest_framework",
    "robyn",
    "rq",
    "sanic",
    "sentry_sdk",
    "slowapi",
    "sniffio",
    "socketio",
    "starlette",
    "strawberry",
    "streamlit",
    "temporalio",
    "tornado",
    "trio",
    "twisted",
    "typer",
    "uvicorn",
    "uvicorn_worker",
    "uvloop",
    "waitress",
    "watchfiles",
    "webob",
    "werkzeug",
    "wrapt",
];

/// Modules of the standard library that do the same.
const MACHINERY: &[&str] = &[
    "_pyio.py",
    "asyncio",
    "concurrent",
    "contextlib.py",
    "contextvars.py",
    "functools.py",
    "importlib",
    "multiprocessing",
    "queue.py",
    "runpy.py",
    "sched.py",
    "selectors.py",
    "socketserver.py",
    "threading.py",
    "wsgiref",
];

/// Whose code a function is, and the installed package or the object that it is part of.
pub(super) fn of(function: &Function) -> (Layer, Option<String>) {
    match function.language {
        Language::Python if is_launcher(function) => (Layer::Framework, None),
        Language::Python => python(&function.file),
        Language::Native if starts::is_start(&function.name) => (Layer::Framework, None),
        Language::Native | Language::Unnamed if is_native_loop(function) => {
            (Layer::Framework, None)
        }
        Language::Native | Language::Unnamed => {
            let is_runtimes = probeable::is_runtimes(&function.object);
            let package = (!is_runtimes).then(|| function.object.clone());
            (Layer::Library, package)
        }
        Language::Kernel => (Layer::Library, None),
    }
}

/// Whether it runs tasks: of the module behind asyncio, of uvloop or of the library in that.
fn is_native_loop(function: &Function) -> bool {
    let is_uv = || function.name.contains("uvloop") || function.name.starts_with("uv_");
    function.object.starts_with("_asyncio.") || (function.object.starts_with("loop.") && is_uv())
}

/// Whether it is the body of a command like `bin/uvicorn`, which only calls a package's main function.
fn is_launcher(function: &Function) -> bool {
    let Some((place, name)) = function.file.rsplit_once('/') else {
        return false;
    };
    function.name == "<module>" && place.ends_with("/bin") && !name.contains('.')
}

/// By the place of its file. A program without a path is taken for the application's.
fn python(file: &str) -> (Layer, Option<String>) {
    if let Some(inside) = inside_packages(file) {
        let package = first_part(inside).trim_end_matches(".py");
        let is_framework = FRAMEWORKS.contains(&package);
        let layer = if is_framework {
            Layer::Framework
        } else {
            Layer::Library
        };
        return (layer, Some(package.to_owned()));
    }
    if file.starts_with("<frozen ") {
        return (Layer::Framework, None);
    }
    let Some(inside) = inside_standard(file) else {
        return (Layer::User, None);
    };
    if MACHINERY.contains(&first_part(inside)) {
        (Layer::Framework, None)
    } else {
        (Layer::Library, None)
    }
}
