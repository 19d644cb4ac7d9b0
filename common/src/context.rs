//! The parent of a crossing, and what the kernel programs must know to read it.

use crate::wire_enum;

wire_enum! {
    /// How a parent was found. Wire values are also the order from best to worst.
    ParentSource: u8 {
        /// No parent.
        None = 0,
        /// OTEP 4947's thread context record.
        ThreadContext = 1,
        /// CPython's contextvars.
        Python = 2,
    }
}

wire_enum! {
    /// What came of an attempt to read the parent. "No active span" is an answer; the rest are reasons.
    ContextOutcome: u8 {
        /// No reader is configured for the target.
        NoReader = 0,
        /// A span context was read (its flags say whether it is sampled).
        Found = 1,
        /// The thread has a context, and no span is active in it.
        NoActiveSpan = 2,
        /// The thread is not one of the interpreter's.
        NotAPythonThread = 3,
        /// More threads than the walk visits.
        TooManyThreads = 4,
        /// A read of the target's memory failed.
        ReadFailed = 5,
        /// An object was not of the type that its place demands.
        UnexpectedType = 6,
        /// The span object has no `_context` that the layout explains.
        UnknownSpanLayout = 7,
        /// The HAMT or dict is deeper or larger than the walk's bounds.
        TooLarge = 8,
        /// The thread record exists and is marked invalid or empty.
        RecordInvalid = 9,
        /// The ids in the span context are zero or malformed.
        InvalidIds = 10,
    }
}

/// A parent span as read in the target.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// W3C trace id, big-endian bytes; zero when there is none.
    pub trace_id: [u8; 16],
    /// W3C span id, big-endian bytes.
    pub span_id: [u8; 8],
    /// W3C trace flags; bit 0 is "sampled".
    pub flags: u8,
    /// A [`ParentSource`].
    pub source: u8,
    /// A [`ContextOutcome`].
    pub outcome: u8,
    /// 1 if the span context is remote (it names a span of another process).
    pub remote: u8,
    /// 1 if it came to this thread through the creation of threads under a crossing.
    pub lineage: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What a thread works for at an instant.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// Everything but `lineage`.
    pub parent: Parent,
    /// The span object that the parent was read from; 0: it came from elsewhere, or there is none.
    pub span: u64,
    /// The current `PyContext`; 0: none, or it was not looked for. Who has looked for it at this very hit puts it in.
    pub context: u64,
}

/// The way that led from a `PyContext` to its active span, so that it can be gone again with fewer reads: where what was
/// searched for lay. See `ebpf/src/context/trail.rs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The span object at its end; 0: there is no trail.
    pub span: u64,
    /// Its class.
    pub class: u64,
    /// Its `SpanContext`.
    pub span_context: u64,
    /// What that consists of: trace id, span id, whether it is remote, flags.
    pub items: [u64; 4],
    /// The first digits of the span id.
    pub digits: u64,
    /// The size and kind of the keys of OpenTelemetry's `Context`, and how many there are.
    pub dict_shape: [u64; 2],
    /// The bitmaps of the HAMT's nodes, from the root on.
    pub bitmaps: [u32; 2],
    /// The entries that lead on, from the start of their nodes.
    pub entries: [u32; 2],
    /// How many nodes there were.
    pub nodes: u32,
    /// The span's entry, from the start of the keys.
    pub dict_entry: u32,
    /// Where the span says where its attributes are: their address, or, if [`Trail::is_inline`], whether they are valid.
    /// From its own address.
    pub store: i32,
    /// 1 if the attributes lie behind the object, 0 if it has their address.
    pub is_inline: u32,
    /// `_context`, from there.
    pub attribute: u64,
    /// What is at the end of the trail.
    pub parent: Parent,
}

wire_enum! {
    /// Where an instance of a Python class keeps its attributes when it has a managed dict.
    AttributeStore: u32 {
        /// Up to 3.10: there are no managed dicts, only those at `tp_dictoffset`.
        DictOffset = 0,
        /// 3.11: a pointer to values at -32, else one to a dict at -24.
        TwoPointers = 1,
        /// 3.12: one word at -24, whose low bit marks values that begin at the next byte.
        Tagged = 2,
        /// 3.13 on: values behind the object's basic size while they are marked valid, else a dict
        /// at -24.
        Inline = 3,
    }
}

/// Where the things are that lead from a CPython thread to its active span.
///
/// All zero: no Python reader. See `ebpf/src/context/python.rs` for the walk. Addresses are the
/// target's; offsets are in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PythonLayout {
    /// 1 when this layout is in use.
    pub enabled: u32,
    /// An [`AttributeStore`].
    pub attribute_store: u32,
    /// Address of the interpreter's pointer to its newest `PyThreadState`.
    pub threads_head: u64,
    /// Address of the type of `PyContext` objects.
    pub context_type: u64,
    /// Address of the type of HAMT nodes with a bitmap.
    pub bitmap_node_type: u64,
    /// Address of the type of HAMT nodes with 32 children.
    pub array_node_type: u64,
    /// Address of the type of HAMT nodes for keys with one hash.
    pub collision_node_type: u64,
    /// Address of OpenTelemetry's `ContextVar`; 0: not known (yet), no parent can be read.
    pub context_var: u64,
    /// Address of the `str` under which OpenTelemetry's `Context` has the active span.
    pub span_key: u64,
    /// The variable's hash as a HAMT uses it, folded to 32 bits.
    pub context_var_hash: u32,
    /// Offset of the user's FS base in the kernel's `task_struct`; 0: not known, threads are told
    /// by `native_thread_id`.
    pub task_fs_base: u32,
    /// `PyThreadState.thread_id`: what `pthread_self()` returned, which is the FS base.
    pub thread_id: u32,
    /// `PyThreadState.native_thread_id`; 0: this version has none.
    pub native_thread_id: u32,
    /// `PyThreadState.context`.
    pub thread_context: u32,
    /// `PyHeapTypeObject.ht_cached_keys`.
    pub cached_keys: u32,
    /// `PyTupleObject.ob_item`.
    pub tuple_items: u32,
    /// `sizeof(PyASCIIObject)`.
    pub ascii_text: u32,
    /// From the start of a block of values to its first pointer.
    pub values: u32,
    /// 1 if an int has its digit count in `lv_tag` (3.12 on), 0 if in `ob_size`.
    pub tagged_ints: u32,
    /// 1 if dict keys have the header of 3.11 on.
    pub log2_keys: u32,
    /// Zero.
    pub reserved: u32,
}

/// Where the things are that lead from a CPython thread to its frames and their code.
///
/// All zero: stacks have no Python frames. See `ebpf/src/sampling/frames.rs` for the walk. Addresses are
/// the target's; offsets are in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PythonFramesLayout {
    /// 1 when this layout is in use.
    pub enabled: u32,
    /// `PyThreadState.frame` (up to 3.10), `.cframe` (3.11, 3.12), `.current_frame` (3.13 on).
    pub thread_frame: u32,
    /// 1 if that is a pointer to a `_PyCFrame`, which has the current frame.
    pub in_cframe: u32,
    /// `_PyCFrame.current_frame`.
    pub cframe_current: u32,
    /// A frame's code object: `f_code`, or `f_executable` from 3.13 on.
    pub code: u32,
    /// The frame that called this one: `f_back` or `previous`.
    pub previous: u32,
    /// `f_lasti`, `prev_instr` or `instr_ptr`.
    pub instruction: u32,
    /// 1 if that is a pointer (3.11 on), 0 if it is an `int`.
    pub wide_instruction: u32,
    /// `_PyInterpreterFrame.owner` (3.12 on); 0: every frame is one of Python's.
    pub owner: u32,
    /// Frames with this owner and those above stand for a C call of the interpreter.
    pub first_c_owner: u32,
    /// `_PyInterpreterFrame.is_entry` (3.11); 0: shown by the frame around it (3.12 on), or all are
    /// (up to 3.10).
    pub is_entry: u32,
    /// 1 if every frame is entered by a C call of the interpreter (up to 3.10).
    pub all_entries: u32,
    /// Bits of references in a frame that are no part of the address (3.14 on).
    pub code_tag: u64,
    /// Address of the type of code objects.
    pub code_type: u64,
    /// `PyCodeObject.co_firstlineno`.
    pub first_line: u32,
    /// `PyCodeObject.co_flags`.
    pub code_flags: u32,
    /// `PyCodeObject.co_argcount`.
    pub argument_count: u32,
    /// Zero.
    pub reserved: u32,
    /// Address of the interpreter's lock; 0: not known.
    pub gil_start: u64,
    /// Where it ends.
    pub gil_end: u64,
}

wire_enum! {
    /// Where a suspended frame keeps the top of its stack of values, which is what it awaits.
    StackTop: u32 {
        /// Up to 3.9, and from 3.14 on: a pointer to the place above it.
        Pointer = 0,
        /// 3.10: a pointer to the lowest place, and a depth.
        Depth = 1,
        /// 3.11 to 3.13: in the frame, from its local variables on, and a depth that includes them.
        Inline = 2,
    }
}

/// Where the things are that lead from a coroutine to what it awaits.
///
/// All zero: suspended coroutines are not told of. See `ebpf/src/sampling/awaits.rs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoroutineLayout {
    /// 1 when this layout is in use.
    pub enabled: u32,
    /// The frame: `gi_frame`, or `gi_iframe` from 3.11 on.
    pub frame: u32,
    /// 1 if that is a pointer (up to 3.10), 0 if the frame itself is there.
    pub frame_is_pointer: u32,
    /// What tells whether it has begun: `f_lasti` (up to 3.9), `f_state` (3.10), `gi_frame_state`.
    pub state: u32,
    /// 1 if that is a field of the frame, 0 if it is one of the generator object.
    pub state_in_frame: u32,
    /// 1 if it is an `int`, 0 if it is a `char`.
    pub state_is_int: u32,
    /// Its value before the first step; those of a suspended coroutine are greater.
    pub created: i32,
    /// Its least value while a step is under way and after the last; those of a suspended coroutine are less.
    pub running: i32,
    /// A [`StackTop`].
    pub stack_top: u32,
    /// `f_stacktop`, `f_valuestack` or `localsplus`.
    pub stack: u32,
    /// `f_stackdepth` or `stacktop`; for [`StackTop::Pointer`], how far below it the value lies, in bytes.
    pub stack_depth: u32,
    /// `TaskObj.task_coro`.
    pub task_coroutine: u32,
    /// Address of the type of coroutines.
    pub coroutine_type: u64,
    /// Address of the type of generators.
    pub generator_type: u64,
}

wire_enum! {
    /// How the thread-local variable of OTEP 4947 is found.
    TlsKind: u32 {
        /// At a constant distance from the FS base.
        Static = 0,
        /// In the block that the thread's DTV names for the module.
        Dynamic = 1,
    }
}

/// Where OTEP 4947's thread context pointer lies.
///
/// All zero: the process has none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadContextLayout {
    /// 1 when this layout is in use.
    pub enabled: u32,
    /// Offset of the user's FS base in the kernel's `task_struct`.
    pub task_fs_base: u32,
    /// A [`TlsKind`].
    pub kind: u32,
    /// The module's number in the DTV, for [`TlsKind::Dynamic`].
    pub module: u32,
    /// Of the variable: from the FS base (negative) or from the start of the module's block.
    pub offset: i64,
}

const _: () = assert!(size_of::<Parent>() == 32);
const _: () = assert!(size_of::<Trail>() == 80 + 16 + 16 + 8 + 32);
const _: () = assert!(size_of::<PythonLayout>() == 112);
const _: () = assert!(size_of::<PythonFramesLayout>() == 96);
const _: () = assert!(size_of::<CoroutineLayout>() == 64);
const _: () = assert!(size_of::<ThreadContextLayout>() == 24);
