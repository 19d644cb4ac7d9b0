//! What is known of the functions in stacks, and which of them a person would name.

use super::probeable;
use crate::{
    event::{Frame, Function, Language},
    ids::FunctionId,
};

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

/// A function with what follows from its place.
#[derive(Debug)]
pub(crate) struct KnownFunction {
    pub function: Function,
    pub traits: Traits,
    /// The installed package or the object that it is part of.
    package: Option<String>,
}

/// What is asked of each frame of each stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    language: Language,
    pub layer: Layer,
    /// Whether its name says something to a person.
    pub has_name: bool,
    /// Whether it is part of asyncio.
    is_event_loops: bool,
    /// Whether it is part of the language's own runtime: the C library, the loader, the kernel's page.
    is_runtimes: bool,
}

/// All functions announced so far, up to a number, by theirs: those of one stack, which were seen together first, lie
/// together. Their traits lie beside each other, as there is a look at them for each frame.
#[derive(Debug, Default)]
pub(crate) struct Functions(Vec<Option<(Traits, Box<KnownFunction>)>>);

/// Installed packages that call handlers, or wrap them.
const FRAMEWORKS: &[&str] = &[
    "_pytest",
    "a2wsgi",
    "aiohttp",
    "anyio",
    "asgiref",
    "billiard",
    "celery",
    "click",
    "ddtrace",
    "django",
    "elasticapm",
    "fastapi",
    "flask",
    "gevent",
    "granian",
    "greenlet",
    "gunicorn",
    "h11",
    "h2",
    "httptools",
    "hypercorn",
    "kombu",
    "newrelic",
    "opentelemetry",
    "prometheus_client",
    "sanic",
    "sentry_sdk",
    "sniffio",
    "starlette",
    "tornado",
    "trio",
    "typer",
    "uvicorn",
    "uvicorn_worker",
    "uvloop",
    "waitress",
    "watchfiles",
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

/// What makes threads, and is where they start.
const CLONES: &[&str] = &["clone", "clone3", "__clone", "__clone3"];

/// What starts threads and programs.
const STARTS: &[&str] = &[
    "_start",
    "main",
    "start_thread",
    "clone",
    "clone3",
    "__clone",
    "__clone3",
    "thread_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "execute_native_thread_routine",
    "pythread_wrapper",
    "thread_run",
];

impl Functions {
    /// Takes a function in; false if it is beyond the first `limit`.
    pub fn announce(&mut self, function: Function, limit: u32) -> bool {
        if function.id.0 > limit {
            return false;
        }
        let place = function.id.0 as usize;
        if place >= self.0.len() {
            self.0.resize_with(place + 1, || None);
        }
        let known = Box::new(KnownFunction::from(function));
        self.0[place] = Some((known.traits, known));
        true
    }

    pub fn get(&self, id: FunctionId) -> Option<&KnownFunction> {
        let (_, known) = self.0.get(id.0 as usize)?.as_ref()?;
        Some(known)
    }

    /// What is asked most often.
    pub fn traits(&self, id: FunctionId) -> Option<Traits> {
        let (traits, _) = self.0.get(id.0 as usize)?.as_ref()?;
        Some(*traits)
    }

    /// Where the frames begin that are not the chain above a handler.
    pub fn handler(&self, stack: &[Frame]) -> usize {
        let mut has_python = false;
        let mut first_native = None;
        for (index, frame) in stack.iter().enumerate() {
            let Some(traits) = self.traits(frame.function) else {
                continue;
            };
            let is_python = traits.language == Language::Python;
            has_python |= is_python;
            match (traits.layer, is_python) {
                (Layer::Framework, _) => {}
                (_, true) => return index,
                (_, false) => first_native = first_native.or(Some(index)),
            }
        }
        // What is native above Python's frames called the interpreter.
        first_native.filter(|_| !has_python).unwrap_or(stack.len())
    }

    /// The package or object of the outermost of a handler's frames, if it is not the application's
    /// already: an application may be installed like a library, and is one all the same.
    pub fn application<'a>(&'a self, handler: &[Frame]) -> Option<&'a str> {
        self.get(handler.first()?.function)?.package.as_deref()
    }

    /// Whose code a function is, if `application` is the application's package.
    pub fn layer(&self, id: FunctionId, application: Option<&str>) -> Layer {
        let Some(Traits { layer, .. }) = self.traits(id) else {
            return Layer::Library;
        };
        let package = || self.get(id).and_then(|known| known.package.as_deref());
        if layer == Layer::Library && application.is_some() && package() == application {
            return Layer::User;
        }
        layer
    }

    /// Whether a stack runs on an event loop, where tasks take turns.
    pub fn is_on_loop(&self, stack: &[Frame]) -> bool {
        let is_loops = |frame: &Frame| {
            self.traits(frame.function)
                .is_some_and(|traits| traits.is_event_loops)
        };
        stack.iter().any(is_loops)
    }

    /// Whether a stack shows neither where its thread started nor Python's frames, which are always whole.
    pub fn is_cut(&self, stack: &[Frame]) -> bool {
        let is_inner = |known: &KnownFunction| {
            let is_clone = CLONES.contains(&known.function.name.as_str());
            known.function.language != Language::Python
                && (known.traits.layer != Layer::Framework || is_clone)
        };
        let mut known = stack.iter().filter_map(|frame| self.get(frame.function));
        known.all(is_inner)
    }

    /// Whether it is native and part of the language's own runtime.
    pub fn is_runtimes(&self, id: FunctionId) -> bool {
        self.traits(id).is_some_and(|traits| traits.is_runtimes)
    }

    /// Whether it is Python's.
    pub fn is_python(&self, id: FunctionId) -> bool {
        self.traits(id)
            .is_some_and(|traits| traits.language == Language::Python)
    }

    /// Whether it is the kernel's.
    pub fn is_kernel(&self, id: FunctionId) -> bool {
        self.traits(id)
            .is_some_and(|traits| traits.language == Language::Kernel)
    }
}

impl From<Function> for KnownFunction {
    fn from(function: Function) -> Self {
        let (layer, package) = match function.language {
            Language::Python if is_launcher(&function) => (Layer::Framework, None),
            Language::Python => python(&function.file),
            Language::Native if STARTS.contains(&function.name.as_str()) => {
                (Layer::Framework, None)
            }
            Language::Native | Language::Unnamed if is_native_loop(&function) => {
                (Layer::Framework, None)
            }
            Language::Native | Language::Unnamed => {
                let is_runtimes = probeable::is_runtimes(&function.object);
                let package = (!is_runtimes).then(|| function.object.clone());
                (Layer::Library, package)
            }
            Language::Kernel => (Layer::Library, None),
        };
        let has_name = match function.language {
            Language::Python | Language::Native => is_name(&function.name),
            Language::Unnamed | Language::Kernel => false,
        };
        let traits = Traits {
            language: function.language,
            layer,
            has_name,
            is_event_loops: layer == Layer::Framework && function.file.contains("/asyncio/"),
            is_runtimes: is_native(&function) && probeable::is_runtimes(&function.object),
        };
        Self {
            function,
            traits,
            package,
        }
    }
}

fn is_native(function: &Function) -> bool {
    matches!(function.language, Language::Native | Language::Unnamed)
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
    for place in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, inside)) = file.rsplit_once(place) {
            let package = inside.split('/').next().unwrap_or(inside);
            let package = package.trim_end_matches(".py");
            let is_framework = FRAMEWORKS.contains(&package);
            let layer = if is_framework {
                Layer::Framework
            } else {
                Layer::Library
            };
            return (layer, Some(package.to_owned()));
        }
    }
    if file.starts_with("<frozen ") {
        return (Layer::Framework, None);
    }
    let Some(module) = standard_module(file) else {
        return (Layer::User, None);
    };
    if MACHINERY.contains(&module) {
        (Layer::Framework, None)
    } else {
        (Layer::Library, None)
    }
}

/// The first part of a path below `lib/pythonX.Y/`.
fn standard_module(file: &str) -> Option<&str> {
    let (_, inside) = file.rsplit_once("/lib/python3")?;
    let (_, module) = inside.split_once('/')?;
    module.split('/').next()
}

/// Not `<listcomp>`, a template's instance, a mangled symbol or an address.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['<', '>', '+', '(', ' ']) && !name.starts_with("_Z")
}
