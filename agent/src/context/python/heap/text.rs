//! Strings (PEP 393).

use super::{Head, Heap, HeapError, TextState, TypeInfo};

/// Longest string that is read, in code points.
pub const MAX_TEXT: u64 = 16 * 1024;

const LENGTH: usize = 16;
const STATE: usize = 32;

/// What `PyASCIIObject.state` says.
#[derive(Clone, Copy)]
struct State {
    /// Bytes a code point: 1, 2 or 4.
    kind: u32,
    /// The text follows the header, instead of being pointed to.
    compact: bool,
    ascii: bool,
}

impl State {
    fn decode(word: u32, layout: TextState) -> Option<Self> {
        let bits = match layout {
            TextState::Packed => word >> 2,
            TextState::Wide => word >> 16,
        };
        let state = Self {
            kind: bits & 7,
            compact: bits & 8 != 0,
            ascii: bits & 16 != 0,
        };
        let plausible = match state.kind {
            1 => true,
            2 | 4 => !state.ascii,
            _ => false,
        };
        plausible.then_some(state)
    }
}

impl Heap<'_> {
    /// The text of a `str` or of a type derived from it; lone surrogates become U+FFFD.
    pub fn text(&self, object: u64) -> Result<String, HeapError> {
        let head = self.head(object)?;
        self.expect_str(&head)?;
        let length = head.word(LENGTH);
        if length > MAX_TEXT {
            return Err(HeapError::TooLarge {
                address: object,
                size: length,
                limit: MAX_TEXT,
            });
        }
        let state = head.word(STATE) as u32;
        let state = State::decode(state, self.layout.text_state).ok_or(HeapError::Malformed {
            address: object,
            what: "a string in an unknown state",
        })?;
        let length = length as usize * state.kind as usize;
        let bytes = if let Some(offset) = self.text_place(state) {
            self.part(&head, offset, length)?
        } else {
            // Instances of derived types point to their text.
            let data = self.word(object.wrapping_add(self.layout.compact_text))?;
            self.vector(data, length)?.into()
        };
        Ok(decode(&bytes, state.kind))
    }

    /// The text of an ASCII `str` whose state and characters have been read; `None` if it is none.
    pub fn ascii<'b>(&self, state: u32, characters: &'b [u8]) -> Option<&'b str> {
        let state = State::decode(state, self.layout.text_state)?;
        let is_it = state.ascii && state.compact && characters.is_ascii();
        str::from_utf8(characters).ok().filter(|_| is_it)
    }

    /// Whether the object is the `str` with this ASCII text. Cheaper than [`Heap::text`], and
    /// independent of how strings keep their state.
    pub(super) fn is_text(&self, object: u64, text: &str) -> Result<bool, HeapError> {
        debug_assert!(text.is_ascii(), "names that are looked up are ASCII");
        let head = self.head(object)?;
        if head.word(LENGTH) != text.len() as u64 {
            return Ok(false);
        }
        if Some(head.class()) != self.str_type.get() && !self.expect_str(&head)?.is_builtin("str") {
            return Ok(false);
        }
        // An ASCII text of this length lies behind the short header. Another string has pointers or
        // a size in that place, or, if pointed to, no text at all.
        let bytes = self.part(&head, self.layout.objects.ascii_text, text.len())?;
        Ok(*bytes == *text.as_bytes())
    }

    /// Which of the two state layouts describes this ASCII string; `None` if both or none do.
    pub(in crate::context::python) fn text_state_of(
        &self,
        ascii: u64,
    ) -> Result<Option<TextState>, HeapError> {
        let word = u32::from_le_bytes(self.bytes(ascii.wrapping_add(STATE as u64))?);
        let fits =
            |layout| State::decode(word, layout).is_some_and(|state| state.ascii && state.compact);
        Ok(match (fits(TextState::Packed), fits(TextState::Wide)) {
            (true, false) => Some(TextState::Packed),
            (false, true) => Some(TextState::Wide),
            _ => None,
        })
    }

    fn expect_str(&self, head: &Head) -> Result<TypeInfo, HeapError> {
        let class = self.type_info(head.class())?;
        if !class.is_str() {
            return Err(HeapError::Type {
                address: head.object,
                found: class.name,
                expected: "a str",
            });
        }
        if class.is_builtin("str") {
            self.str_type.set(Some(class.address));
        }
        Ok(class)
    }

    /// Where the text lies in the object, if it does.
    fn text_place(&self, state: State) -> Option<u64> {
        match (state.compact, state.ascii) {
            (true, true) => Some(self.layout.objects.ascii_text),
            (true, false) => Some(self.layout.compact_text),
            (false, _) => None,
        }
    }
}

fn decode(bytes: &[u8], kind: u32) -> String {
    let code_point = |unit: u32| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    match kind {
        1 => bytes.iter().map(|&unit| char::from(unit)).collect(),
        2 => {
            let (units, _) = bytes.as_chunks::<2>();
            units
                .iter()
                .map(|unit| code_point(u16::from_le_bytes(*unit).into()))
                .collect()
        }
        _ => {
            let (units, _) = bytes.as_chunks::<4>();
            units
                .iter()
                .map(|unit| code_point(u32::from_le_bytes(*unit)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{State, TextState, decode};

    /// `interned` 1, then kind, compact and ascii, as each layout has them.
    fn word(layout: TextState, kind: u32, compact: u32, ascii: u32) -> u32 {
        let bits = kind | compact << 3 | ascii << 4;
        match layout {
            TextState::Packed => 1 | bits << 2,
            TextState::Wide => 1 | bits << 16,
        }
    }

    #[test]
    fn both_layouts_of_the_state_are_decoded() {
        for layout in [TextState::Packed, TextState::Wide] {
            for (kind, compact, ascii, plausible) in [
                (1, 1, 1, true),
                (1, 1, 0, true),
                (2, 1, 0, true),
                (4, 0, 0, true),
                (4, 1, 1, false),
                (0, 1, 1, false),
                (3, 1, 0, false),
            ] {
                let state = State::decode(word(layout, kind, compact, ascii), layout);
                let fields = state.map(|state| (state.kind, state.compact, state.ascii));
                let expected = plausible.then_some((kind, compact == 1, ascii == 1));
                assert_eq!(fields, expected, "{layout:?} {kind} {compact} {ascii}");
            }
        }
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        assert_eq!(decode(&[0x3d, 0xd8, 0x41, 0], 2), "\u{fffd}A");
        assert_eq!(decode(&[0x0d, 0xf4, 0x01, 0], 4), "\u{1f40d}");
        assert_eq!(decode(&[0xe9], 1), "é");
    }
}
