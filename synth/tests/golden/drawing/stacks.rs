//! The stacks that letters stand for, and the functions in them.
//!
//! A line `LETTER = FUNCTIONS` is a stack, outermost first: `name` is the application's, `fw:name` a framework's,
//! `lib:name` a package's, `c:name` native, `libc:name` of the C library, `bin:name` of a launcher, `server:name` of a
//! server's, `loop:name` of asyncio's loop, `thread:name` of where Python's threads start, `pool:name`, `queue:name` and
//! `done:name` of pools, of what they wait in and of what hands on what came of their work, `task:name` of asyncio's module, `uv:name` of uvloop's, `kernel:name` the kernel's, `?:name` native without a symbol, `name:7`
//! is at its line 7.

use std::collections::BTreeMap;

use hotspan_synth::{
    event::{Event, Frame, Function, Language},
    ids::FunctionId,
};

/// The stacks of a drawing and their functions.
#[derive(Default)]
pub struct Stacks {
    by_letter: BTreeMap<char, Vec<Frame>>,
    functions: Vec<(String, Function)>,
}

impl Stacks {
    /// Reads the lines that define stacks.
    pub fn read(drawing: &str) -> Self {
        let mut stacks = Self::default();
        for (letter, functions) in drawing.lines().filter_map(|line| line.split_once(" = ")) {
            let letter = letter.trim().chars().next().expect("a letter");
            let frames = functions.split_whitespace().map(|word| stacks.frame(word));
            let frames = frames.collect();
            stacks.by_letter.insert(letter, frames);
        }
        stacks
    }

    pub fn announcements(&self) -> Vec<Event> {
        let functions = self.functions.iter();
        functions
            .map(|(_, function)| Event::Function(function.clone()))
            .collect()
    }

    fn frame(&mut self, word: &str) -> Frame {
        let (word, line) = match word.rsplit_once(':') {
            Some((word, line)) if line.parse::<u32>().is_ok() => {
                (word, line.parse().expect("a line"))
            }
            _ => (word, 0),
        };
        let at = self.functions.iter().position(|(known, _)| known == word);
        let at = at.unwrap_or_else(|| {
            let id = FunctionId(self.functions.len() as u32);
            self.functions.push((word.to_owned(), function(id, word)));
            self.functions.len() - 1
        });
        Frame {
            function: FunctionId(at as u32),
            line,
        }
    }

    pub fn is_python(&self, frame: Frame) -> bool {
        let (_, function) = &self.functions[frame.function.0 as usize];
        function.language == Language::Python
    }

    pub fn stack(&self, letter: char) -> Vec<Frame> {
        let stack = self.by_letter.get(&letter);
        stack.unwrap_or_else(|| panic!("no stack {letter}")).clone()
    }
}

fn function(id: FunctionId, word: &str) -> Function {
    let (kind, name) = word.split_once(':').unwrap_or(("", word));
    let python = |file: &str| {
        (
            Language::Python,
            file.to_owned(),
            file.rsplit('/').next().unwrap_or(file).to_owned(),
        )
    };
    let (language, file, object) = match kind {
        "fw" => python("/venv/lib/python3.11/site-packages/starlette/routing.py"),
        "lib" => python("/venv/lib/python3.11/site-packages/solver/model.py"),
        "importlib" => python("<frozen importlib._bootstrap>"),
        "numpy" => python("/venv/lib/python3.11/site-packages/numpy/__init__.py"),
        "linalg" => python("/venv/lib/python3.11/site-packages/numpy/linalg/_linalg.py"),
        "other" => python("/venv/lib/python3.11/site-packages/shop/orders.py"),
        "bin" => python("/venv/bin/uvicorn"),
        "server" => python("/venv/lib/python3.11/site-packages/uvicorn/server.py"),
        "loop" => python("/usr/lib/python3.11/asyncio/base_events.py"),
        "thread" => python("/usr/lib/python3.11/threading.py"),
        "pool" => python("/usr/lib/python3.11/concurrent/futures/thread.py"),
        "done" => python("/usr/lib/python3.11/concurrent/futures/_base.py"),
        "process" => python("/usr/lib/python3.11/multiprocessing/process.py"),
        "processes" => python("/usr/lib/python3.11/concurrent/futures/process.py"),
        "queue" => python("/usr/lib/python3.11/queue.py"),
        "threads" => python("/usr/lib/python3.11/asyncio/threads.py"),
        "asyncio" => python("/usr/lib/python3.11/asyncio/tasks.py"),
        "c" => (Language::Native, String::new(), "libtest.so".to_owned()),
        "libc" => (Language::Native, String::new(), "libc.so.6".to_owned()),
        "task" => (
            Language::Native,
            String::new(),
            "_asyncio.cpython-311-x86_64-linux-gnu.so".to_owned(),
        ),
        "uv" => (
            Language::Native,
            String::new(),
            "loop.cpython-311-x86_64-linux-gnu.so".to_owned(),
        ),
        "?" => (Language::Unnamed, String::new(), "libtest.so".to_owned()),
        "kernel" => (Language::Kernel, String::new(), "vmlinux".to_owned()),
        "" => python("/app/main.py"),
        other => panic!("no such kind of function: {other}"),
    };
    Function {
        id,
        language,
        name: name.to_owned(),
        qualified: name.to_owned(),
        file,
        object,
    }
}
