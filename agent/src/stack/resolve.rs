//! Raw samples in, events out.

use std::sync::Arc;

use hotspan_common::{MAX_PYTHON_FRAMES, SampleEvent, SampleFlags, SampleReason};
use hotspan_synth::{event::Event, ids::FunctionId};
use rustc_hash::FxHashMap;

use super::{
    functions::FunctionTable,
    join::{NativePart, PythonPart, join},
    kernel::KernelFrames,
    native::{self, FrameNames},
    places::{NativePlace, NoPlace},
    python,
    spans::Spans,
    target::Target,
    translate,
};
use crate::{
    context::python::code::CodeCache,
    kernel::SampleView,
    target::Process,
    unwind::{ObjectStore, Registers, StackCopy, Stop, StopCounts, Walker},
};

/// Unwind information that is kept, in bytes.
const UNWIND_BYTES: usize = 24 << 20;
/// Symbols that are kept, in bytes.
const SYMBOL_BYTES: usize = 24 << 20;

/// A sample as it comes from the ring.
#[derive(Clone)]
pub struct RawSample {
    /// Its fixed part.
    pub event: SampleEvent,
    /// The bytes of the user's stack, from the stack pointer upwards.
    pub stack: Vec<u8>,
}

impl RawSample {
    /// As it would lie in the ring.
    pub fn view(&self) -> SampleView<'_> {
        SampleView {
            event: &self.event,
            stack: &self.stack,
        }
    }
}

impl<'a> SampleView<'a> {
    /// Where the thread was.
    pub fn registers(&self) -> Registers {
        Registers {
            ip: self.event.ip,
            sp: self.event.sp,
            bp: self.event.bp,
            bx: Some(self.event.bx),
        }
    }

    /// What a walk from there reads.
    pub fn stack_copy(&self) -> StackCopy<'a> {
        StackCopy {
            start: self.event.sp,
            bytes: self.stack,
            holes: self.event.stack_holes,
            is_cut: self.event.flags & SampleFlags::STACK_CUT != 0,
        }
    }
}

/// What came of a sample.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Functions that are new, spans that are new, and the sample or the wait.
    pub events: Vec<Event>,
    /// The target's samples want a copy of the stack of this size, in bytes.
    pub stack_size: Option<u32>,
}

/// Everything that resolving takes.
pub struct Stacks {
    targets: FxHashMap<u32, Target>,
    objects: ObjectStore,
    names: FrameNames,
    codes: CodeCache<python::Numbered>,
    functions: FunctionTable,
    kernel: KernelFrames,
    spans: Spans,
    stops: StopCounts,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    foreign: u64,
    loose: u64,
    python_cut: u64,
    python_broken: u64,
    no_interpreter: u64,
    unknown_reason: u64,
    without_mappings: u64,
}

impl Default for Stacks {
    fn default() -> Self {
        Self {
            targets: FxHashMap::default(),
            objects: ObjectStore::new(UNWIND_BYTES),
            names: FrameNames::new(SYMBOL_BYTES),
            codes: CodeCache::default(),
            functions: FunctionTable::default(),
            kernel: KernelFrames::default(),
            spans: Spans::default(),
            stops: StopCounts::default(),
            counts: Counts::default(),
        }
    }
}

/// Whether the bytes of the stack were to be copied. Of a wait, and of a region's caller, only the
/// Python frames and the innermost place are sent: no walk of theirs is cut short.
fn comes_with_stack(event: &SampleEvent) -> bool {
    SampleReason::from_wire(event.reason) == Some(SampleReason::Timer)
}

impl Stacks {
    /// A target whose samples may come. One of the same id is another process now.
    pub fn adopt(&mut self, target: u32, process: Arc<Process>) {
        self.targets.insert(target, Target::new(process));
    }

    /// A target mapped code.
    pub fn mapped(&mut self, target: u32) {
        if let Some(target) = self.targets.get_mut(&target) {
            target.mapped();
        }
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        self.targets.remove(&target);
    }

    /// Resolves a sample at `now_ns` of the kernel's clock.
    pub fn resolve(&mut self, raw: &RawSample, now_ns: u64) -> Resolved {
        let mut events = Vec::new();
        let stack_size = self.resolve_into(&mut events, raw.view(), now_ns);
        Resolved { events, stack_size }
    }

    /// The same of one that lies elsewhere, its events behind others; returns the size of [`Resolved::stack_size`].
    pub fn resolve_into(
        &mut self,
        events: &mut Vec<Event>,
        raw: SampleView<'_>,
        now_ns: u64,
    ) -> Option<u32> {
        let event = raw.event;
        let Some(target) = self.targets.get_mut(&event.tgid) else {
            self.counts.foreign += 1;
            return None;
        };
        target.prepare(event.ip, now_ns);
        let span = target
            .interpreter_for(event)
            .and_then(|interpreter| self.spans.read(event, interpreter));
        events.extend(span.map(Event::Span));
        let python = self.python(event);
        let (native, end) = self.native(raw);
        let mut stack = join(
            &native,
            end.is_some_and(|end| end.stop == Stop::Start),
            &python,
            event.flags & (SampleFlags::PYTHON_CUT | SampleFlags::PYTHON_BROKEN) == 0,
        );
        (stack.frames).extend(self.kernel.of(event, &mut self.functions));
        self.counts.loose += u64::from(stack.is_loose && comes_with_stack(event));
        events.extend(self.functions.announced().map(Event::Function));
        match translate::event(event, stack) {
            Some(event) => events.push(event),
            None => self.counts.unknown_reason += 1,
        }
        self.appetite(event, end, raw.stack.len())
    }

    /// Where a native function begins in a target.
    ///
    /// # Errors
    /// Why nobody can tell, or should not probe it.
    pub fn place(&self, target: u32, function: FunctionId) -> Result<NativePlace, NoPlace> {
        let target = self.targets.get(&target).ok_or(NoPlace::Unknown)?;
        let space = target.space.as_ref().ok_or(NoPlace::Unknown)?;
        let mapped = space
            .files()
            .map(|(_, key, path, file)| (key, path.to_owned(), file.to_owned()));
        let place = self.names.places.find(function, mapped)?;
        let is_interpreters = space.files().any(|(object, key, ..)| {
            key == place.key && Some(object) == target.interpreters_object()
        });
        if is_interpreters {
            return Err(NoPlace::Interpreter);
        }
        Ok(place)
    }

    /// The name of the function at an address of a target: its symbol's, else its place in its object. What
    /// lies in no object is a handle of somebody's, and goes by its number.
    pub fn name_of(&mut self, target: u32, address: u64, now_ns: u64) -> String {
        let place = self.targets.get_mut(&target).and_then(|target| {
            target.prepare(address, now_ns);
            (target.space.as_mut()?).locate(address, now_ns, &mut self.objects)
        });
        place.map_or_else(
            || format!("{address:#x}"),
            |place| self.names.name_of(&place),
        )
    }

    /// Every counter of this part that is not zero, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let codes = self.codes.counts();
        let own = [
            ("stacks.of_unknown_targets", self.counts.foreign),
            ("stacks.loosely_joined", self.counts.loose),
            ("stacks.python_cut", self.counts.python_cut),
            ("stacks.python_broken", self.counts.python_broken),
            (
                "stacks.python_without_interpreter",
                self.counts.no_interpreter,
            ),
            ("stacks.without_mappings", self.counts.without_mappings),
            ("stacks.unknown_reason", self.counts.unknown_reason),
            ("stacks.python_code_gone", codes.gone),
            ("stacks.python_code_unreadable", codes.unreadable),
            ("stacks.python_code_evicted", codes.evicted),
            ("stacks.functions_unnumbered", self.functions.unnumbered()),
            ("stacks.unwind_objects_evicted", self.objects.evicted()),
            (
                "stacks.symbol_objects_evicted",
                self.names.symbols.evicted(),
            ),
            ("stacks.target_spans_unread", self.spans.unread),
            ("stacks.kernel_frames_unnamed", self.kernel.unnamed),
        ];
        self.stops
            .named()
            .chain(own)
            .filter(|(_, total)| *total != 0)
    }

    /// Bytes that unwind information and symbols take.
    pub fn size(&self) -> usize {
        self.objects.bytes() + self.names.symbols.bytes()
    }

    /// The Python frames, innermost first.
    fn python(&mut self, event: &SampleEvent) -> Vec<PythonPart> {
        if event.python_len == 0 || event.python_len as usize > MAX_PYTHON_FRAMES {
            return Vec::new();
        }
        let has = |flag| u64::from(event.flags & flag != 0);
        self.counts.python_cut += has(SampleFlags::PYTHON_CUT);
        self.counts.python_broken += has(SampleFlags::PYTHON_BROKEN);
        let target = self.targets.get_mut(&event.tgid);
        let mut parts = if let Some(interpreter) = target.and_then(Target::interpreter) {
            interpreter.parts(event, &mut self.codes, &mut self.functions)
        } else {
            self.counts.no_interpreter += 1;
            python::unknown_parts(event)
        };
        if event.begins_outermost() {
            parts.reverse();
        }
        parts
    }

    /// The native frames, and where they end; none if the sample has no registers.
    fn native(&mut self, raw: SampleView<'_>) -> (Vec<NativePart>, Option<End>) {
        let event = raw.event;
        let Some(target) = self.targets.get_mut(&event.tgid) else {
            return (Vec::new(), None);
        };
        if event.ip == 0 {
            return (Vec::new(), None);
        }
        let Some(space) = target.space.as_mut() else {
            self.counts.without_mappings += 1;
            return (Vec::new(), None);
        };
        let mut walker = Walker {
            space,
            store: &mut self.objects,
            time_ns: event.time_ns,
        };
        let walk = walker.walk(raw.registers(), &raw.stack_copy());
        if comes_with_stack(event) {
            self.stops.add(walk.stop);
        }
        let parts = native::parts(&walk, target, &mut self.names, &mut self.functions);
        let end = End {
            stop: walk.stop,
            reach: walk.end.saturating_sub(event.sp),
        };
        (parts, Some(end))
    }

    fn appetite(&mut self, event: &SampleEvent, end: Option<End>, length: usize) -> Option<u32> {
        let end = end.filter(|_| comes_with_stack(event))?;
        let target = self.targets.get_mut(&event.tgid)?;
        let was_cut = end.stop == Stop::Cut;
        target.appetite.sampled(was_cut, end.reach, length)
    }
}

/// Where a walk ended.
#[derive(Clone, Copy)]
struct End {
    stop: Stop,
    /// Bytes from the stack pointer on.
    reach: u64,
}
