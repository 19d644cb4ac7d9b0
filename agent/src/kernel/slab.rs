//! Samples taken out of the ring, many in one piece of memory.
//!
//! Samples are large and differ in size. Each in memory of its own, those of a moment when many wait would leave holes
//! between what lives on, for as long as the agent runs.

use std::{mem::offset_of, ops::Range};

use hotspan_common::{PythonFrame, SampleEvent};

use super::{SampleView, wire};

const WORD: usize = size_of::<u64>();
/// Words of a slab: 192 KiB, so much that the system takes it back when it is freed (`crate::allocator`). No sample has
/// half of it.
const WORDS: usize = (192 << 10) / WORD;
/// Words that must lie behind the beginning of a sample: its fixed part is looked at whole, also where its last frames
/// mean nothing and another's bytes lie.
const VIEWED: usize = size_of::<SampleEvent>().div_ceil(WORD);

/// A piece of memory with samples.
pub struct SampleSlab {
    words: Vec<u64>,
    used: usize,
    samples: Vec<At>,
}

/// Where a sample lies: its first word, and the bytes of its stack.
struct At {
    event: usize,
    stack: Range<usize>,
}

impl Default for SampleSlab {
    fn default() -> Self {
        Self {
            words: vec![0; WORDS],
            used: 0,
            samples: Vec::new(),
        }
    }
}

impl SampleSlab {
    /// Copies what means something of a sample. `false`: there is no room for it.
    #[must_use]
    pub fn put(&mut self, sample: &SampleView<'_>) -> bool {
        let python = sample.event.python_len as usize * size_of::<PythonFrame>();
        let event = wire::front(sample.event, offset_of!(SampleEvent, python) + python);
        let stack_at = self.used + event.len().div_ceil(WORD);
        let end = stack_at + sample.stack.len().div_ceil(WORD);
        if end.max(self.used + VIEWED) > WORDS {
            return false;
        }
        let at = At {
            event: self.used,
            stack: stack_at * WORD..stack_at * WORD + sample.stack.len(),
        };
        let bytes = wire::bytes_mut(&mut self.words);
        bytes[at.event * WORD..][..event.len()].copy_from_slice(event);
        bytes[at.stack.clone()].copy_from_slice(sample.stack);
        self.samples.push(at);
        self.used = end;
        true
    }

    /// The samples, in the order in which they were put.
    pub fn samples(&self) -> impl Iterator<Item = SampleView<'_>> {
        let bytes = wire::bytes(&self.words);
        self.samples.iter().filter_map(|at| {
            Some(SampleView {
                event: wire::view(&bytes[at.event * WORD..])?,
                stack: &bytes[at.stack.clone()],
            })
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Bytes in use.
    pub fn size(&self) -> usize {
        self.used * WORD
    }

    /// Makes room for others.
    pub fn clear(&mut self) {
        self.used = 0;
        self.samples.clear();
    }
}

#[cfg(test)]
mod tests {
    use hotspan_common::{MAX_PYTHON_FRAMES, STACK_SIZES};

    use super::*;

    fn event(time_ns: u64, python_len: u32) -> SampleEvent {
        let mut event: SampleEvent = wire::read(&[0; size_of::<SampleEvent>()]).unwrap();
        event.time_ns = time_ns;
        event.python_len = python_len;
        for (code, frame) in (1..).zip(&mut event.python[..python_len as usize]) {
            frame.code = code;
        }
        event
    }

    #[test]
    fn samples_come_back_as_they_were_put() {
        let kinds = [(0, 0), (3, 1), (MAX_PYTHON_FRAMES, 8191), (1, 17), (0, 9)];
        let mut slab = SampleSlab::default();
        for _ in 0..2 {
            slab.clear();
            let mut put: Vec<(SampleEvent, Vec<u8>)> = Vec::new();
            loop {
                let (python, stack) = kinds[put.len() % kinds.len()];
                let event = event(put.len() as u64, python as u32);
                let stack = vec![put.len() as u8; stack];
                let sample = SampleView {
                    event: &event,
                    stack: &stack,
                };
                if !slab.put(&sample) {
                    break;
                }
                put.push((event, stack));
            }
            assert!(put.len() > 40);
            assert_eq!(slab.len(), put.len());
            for (sample, (event, stack)) in slab.samples().zip(&put) {
                let python = ..event.python_len as usize;
                assert_eq!(sample.event.time_ns, event.time_ns);
                assert_eq!(sample.event.python[python], event.python[python]);
                assert_eq!(sample.stack, stack);
            }
        }
    }

    #[test]
    fn the_largest_sample_finds_room() {
        let event = event(1, MAX_PYTHON_FRAMES as u32);
        let stack = vec![7; STACK_SIZES[2] as usize];
        let mut slab = SampleSlab::default();
        assert!(slab.put(&SampleView {
            event: &event,
            stack: &stack
        }));
    }
}
