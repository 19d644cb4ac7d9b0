//! One mapped file: its unwind information, and framehop's reader of it.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use framehop::{
    Error as HopError, ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _,
    x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
};
use gimli::{CfaRule, RegisterRule, X86_64};

use super::{
    expression,
    flow::{Flow, Uncovered},
    walk::{Registers, StackCopy},
};
use crate::object::{FileKey, Image, OpenError, Row, Unwind, Weighed};

/// Stretches of addresses whose covering is remembered, for one object. Beyond, all are forgotten.
const REMEMBERED: usize = 2048;
/// What a remembered stretch takes, about, in bytes.
const MEMORY_EACH: usize = 64;
/// Functions without unwind information that are remembered, of one object: a kernel of linear algebra, its copies and edges. Beyond,
/// all are forgotten.
const FLOWS: usize = 64;
/// What framehop remembers takes, in bytes: 509 rules of 16, and the four rows that it works rules out with.
const RULES: usize = 32 << 10;

/// How a caller is found from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By a rule that framehop remembers: the stack pointer, or a usual frame pointer.
    Registers,
    /// By what must be worked out each time: a realigned stack, a signal's frame, libffi's calls.
    Expression,
    /// There is none: the thread began here.
    Outermost,
    /// By a register that is not known.
    Unsupported,
}

/// What the unwind information says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covering {
    /// Start of the function or fragment around it, as the file has it.
    pub start: u64,
    /// The first address from which on the same holds.
    pub since: u64,
    /// How its caller is found.
    pub step: Step,
    /// Whether the kernel built the frame: the caller was interrupted where it stands.
    pub is_signal_frame: bool,
}

/// A file with code. Addresses are the file's own.
pub struct CodeObject {
    key: FileKey,
    name: String,
    image: Image,
    unwind: Option<Unwind>,
    reader: UnwinderX86_64<Arc<[u8]>>,
    /// Those that framehop remembers. Its places for them are few: objects that shared them would take them from each
    /// other all the time.
    rules: RefCell<CacheX86_64>,
    covering: RefCell<Stretches>,
    /// Set when the first of them is met.
    uncovered: OnceCell<Uncovered>,
    flows: RefCell<BTreeMap<u64, Rc<Flow>>>,
}

impl CodeObject {
    /// Opens a file by a path that leads to the mapped inode, and reads its unwind information.
    ///
    /// `name` is the path as people know it. What has no unwind information is an object, too.
    ///
    /// # Errors
    /// It cannot be read, or is no x86-64 ELF file.
    pub fn open(path: &Path, name: &Path) -> Result<Self, OpenError> {
        let image = Image::open(path)?;
        let unwind = Unwind::load(&image);
        let mut reader = UnwinderX86_64::new();
        if let Some(unwind) = &unwind {
            reader.add_module(module(unwind));
        }
        let file_name = PathBuf::from(name.file_name().unwrap_or_default());
        Ok(Self {
            key: image.key(),
            name: file_name.to_string_lossy().into_owned(),
            image,
            unwind,
            reader,
            rules: RefCell::default(),
            covering: RefCell::default(),
            uncovered: OnceCell::new(),
            flows: RefCell::default(),
        })
    }

    /// Which state of which file it is.
    pub fn key(&self) -> FileKey {
        self.key
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// What covers an address; `None` if nothing does.
    pub fn covering(&self, address: u64) -> Option<Covering> {
        if let Some(known) = self.covering.borrow().at(address) {
            return known.covering;
        }
        let row = self
            .unwind
            .as_ref()
            .and_then(|unwind| unwind.row_at(address));
        let covering = row.as_ref().map(covering);
        let extent = match row {
            Some(row) if row.extent.contains(&address) => row.extent,
            _ => address..address.saturating_add(1),
        };
        self.covering.borrow_mut().learn(extent, covering);
        covering
    }

    /// What the function around an address, which nothing covers, does with the stack; `None`: no symbol names one.
    pub(super) fn flow(&self, address: u64) -> Option<Rc<Flow>> {
        let is_covered = |address| self.covering(address).is_some();
        let uncovered = self
            .uncovered
            .get_or_init(|| Uncovered::of(&self.image, is_covered));
        let function = uncovered.around(address)?;
        let mut flows = self.flows.borrow_mut();
        if let Some(known) = flows.get(&function.start) {
            return Some(Rc::clone(known));
        }
        if flows.len() == FLOWS {
            flows.clear();
        }
        let flow = Rc::new(Flow::of(&self.image, &function));
        flows.insert(function.start, Rc::clone(&flow));
        Some(flow)
    }

    /// The caller's registers in place of its callee's, by the rule that holds at a place; its instruction.
    pub(super) fn unwind(
        &self,
        place: FrameAddress,
        registers: &mut UnwindRegsX86_64,
        read: &mut impl FnMut(u64) -> Result<u64, ()>,
    ) -> Result<Option<u64>, HopError> {
        let rules = &mut self.rules.borrow_mut();
        self.reader.unwind_frame(place, registers, rules, read)
    }

    /// The caller's registers, by the expressions that hold at `address`.
    pub(super) fn evaluate(
        &self,
        address: u64,
        registers: Registers,
        stack: &StackCopy<'_>,
    ) -> Option<Registers> {
        let row = self.unwind.as_ref()?.row_at(address)?;
        expression::caller(&row, registers, stack)
    }
}

impl Weighed for Rc<CodeObject> {
    fn bytes(&self) -> usize {
        let tables = self.unwind.as_ref().map_or(0, Unwind::size);
        size_of::<CodeObject>() + tables + RULES + REMEMBERED * MEMORY_EACH
    }
}

/// What holds from where to where. Threads run at ever new addresses of few functions, most of which
/// have one stretch for nearly all of their code.
#[derive(Default)]
struct Stretches(BTreeMap<u64, Stretch>);

#[derive(Clone, Copy)]
struct Stretch {
    end: u64,
    covering: Option<Covering>,
}

impl Stretches {
    /// What holds at an address; `None`: not known.
    fn at(&self, address: u64) -> Option<Stretch> {
        let (_, stretch) = self.0.range(..=address).next_back()?;
        (address < stretch.end).then_some(*stretch)
    }

    fn learn(&mut self, extent: Range<u64>, covering: Option<Covering>) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let end = extent.end;
        self.0.insert(extent.start, Stretch { end, covering });
    }
}

fn covering(row: &Row<'_>) -> Covering {
    Covering {
        start: row.range.start,
        since: row.extent.start,
        step: step(row),
        is_signal_frame: row.is_signal_frame,
    }
}

fn step(row: &Row<'_>) -> Step {
    let return_address = row.rules.register(X86_64::RA);
    match return_address {
        None | Some(RegisterRule::Undefined) => return Step::Outermost,
        Some(RegisterRule::Offset(_) | RegisterRule::Expression(_)) => {}
        Some(_) => return Step::Unsupported,
    }
    match row.rules.cfa() {
        CfaRule::RegisterAndOffset { register, offset } if is_rule(row, *register, *offset) => {
            Step::Registers
        }
        CfaRule::RegisterAndOffset { register, .. }
            if *register != X86_64::RSP && *register != X86_64::RBP =>
        {
            Step::Unsupported
        }
        CfaRule::RegisterAndOffset { .. } | CfaRule::Expression(_) => Step::Expression,
    }
}

/// Whether framehop makes a rule of a row. The others it works out each time, and where that fails (a word that was
/// not copied) it remembers a guess by the frame pointer instead, for all that the row covers.
fn is_rule(row: &Row<'_>, register: gimli::Register, offset: i64) -> bool {
    let saved = match row.rules.register(X86_64::RBP) {
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => None,
        Some(RegisterRule::Offset(saved)) => Some(saved),
        Some(_) => return false,
    };
    let returns_usually = row.rules.register(X86_64::RA) == Some(RegisterRule::Offset(-8));
    let has_usual_frame = if register == X86_64::RSP {
        u16::try_from(offset / 8).is_ok()
    } else {
        register == X86_64::RBP && offset == 16 && saved == Some(-16)
    };
    returns_usually && has_usual_frame
}

/// A module at the file's own addresses: so one reader serves every process that maps the file.
fn module(unwind: &Unwind) -> Module<Arc<[u8]>> {
    let tables = unwind.tables();
    let end = |address: u64, bytes: &[u8]| address.saturating_add(bytes.len() as u64);
    let sections = ExplicitModuleSectionInfo {
        eh_frame_svma: Some(tables.frames_address..end(tables.frames_address, &tables.frames)),
        eh_frame_hdr_svma: Some(tables.header_address..end(tables.header_address, &tables.header)),
        eh_frame: Some(tables.frames),
        eh_frame_hdr: (!tables.header.is_empty()).then_some(tables.header),
        ..ExplicitModuleSectionInfo::default()
    };
    Module::new(String::new(), 0..u64::MAX, 0, sections)
}
