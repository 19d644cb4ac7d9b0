//! What is known of the functions in stacks, and which of them a person would name.

pub(super) mod frames;
mod handler;
mod layer;
mod place;
pub(super) mod probeable;
mod role;
mod starts;

pub(crate) use layer::Layer;
pub use role::waits_for_work;

use crate::{
    event::{Frame, Function, Language},
    ids::FunctionId,
};

/// A function with what follows from its place.
#[derive(Debug)]
pub(crate) struct KnownFunction {
    pub function: Function,
    /// What its spans are called.
    pub name: String,
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
    role: Option<role::Role>,
    /// Whether it is a part of what finds modules and loads them.
    imports: bool,
    /// Whether it is the body of a library's module.
    is_module: bool,
    /// Whether it is part of the language's own runtime: the C library, the loader, the kernel's page.
    is_runtimes: bool,
}

/// All functions announced so far, up to a number, by theirs: those of one stack, which were seen together first, lie
/// together. Their traits lie beside each other, as there is a look at them for each frame.
#[derive(Debug, Default)]
pub(crate) struct Functions(Vec<Option<(Traits, Box<KnownFunction>)>>);

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
            let is_clone = starts::is_clone(&known.function.name);
            known.function.language != Language::Python
                && (known.traits.layer != Layer::Framework || is_clone)
        };
        let mut known = stack.iter().filter_map(|frame| self.get(frame.function));
        known.all(is_inner)
    }

    /// Whether it is for others to call, by its name.
    pub fn is_public(&self, id: FunctionId) -> bool {
        self.get(id)
            .is_some_and(|known| known.traits.has_name && !known.name.starts_with('_'))
    }

    /// Whether it is native and part of the language's own runtime.
    pub fn is_runtimes(&self, id: FunctionId) -> bool {
        self.traits(id).is_some_and(|traits| traits.is_runtimes)
    }

    /// Whether it is a part of what finds modules and loads them.
    pub fn imports(&self, id: FunctionId) -> bool {
        self.traits(id).is_some_and(|traits| traits.imports)
    }

    /// Whether it is the body of a library's module.
    pub fn is_module(&self, id: FunctionId) -> bool {
        self.traits(id).is_some_and(|traits| traits.is_module)
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
        let (layer, package) = layer::of(&function);
        let import = place::module(&function).filter(|_| layer == Layer::Library);
        let has_name = match function.language {
            Language::Python if import.is_some() => true,
            Language::Python | Language::Native => is_name(&function.name),
            Language::Unnamed | Language::Kernel => false,
        };
        let traits = Traits {
            language: function.language,
            layer,
            has_name,
            imports: place::imports(&function.file),
            is_module: import.is_some(),
            role: role::of(&function).filter(|_| layer == Layer::Framework),
            is_event_loops: layer == Layer::Framework && function.file.contains("/asyncio/"),
            is_runtimes: is_native(&function) && probeable::is_runtimes(&function.object),
        };
        Self {
            name: import.map_or_else(
                || function.name.clone(),
                |module| format!("import {module}"),
            ),
            function,
            traits,
            package,
        }
    }
}

fn is_native(function: &Function) -> bool {
    matches!(function.language, Language::Native | Language::Unnamed)
}

/// Not `<listcomp>`, a template's instance, a mangled symbol or an address.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['<', '>', '+', '(', ' ']) && !name.starts_with("_Z")
}
