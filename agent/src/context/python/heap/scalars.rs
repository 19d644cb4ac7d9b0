//! Numbers, and values as a whole.

use super::{Head, Heap, HeapError, TypeInfo};

/// Bits a digit of an int.
const DIGIT_BITS: u32 = 30;
/// Digits that 64 bits can need.
const MAX_DIGITS: u64 = 3;
/// Digits that 128 bits can need.
const MAX_LONG_DIGITS: u64 = 5;
/// `PyLongObject.ob_digit`, and where the digits' count is.
const DIGITS: u64 = 24;
const SIZE: u64 = 16;

/// A value as a Python program sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum PyValue {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int` that fits.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `str`.
    Text(String),
    /// The items of a list or tuple.
    Items(Vec<PyValue>),
    /// Something else, or an int that does not fit.
    Other {
        /// Name of its type.
        class: String,
    },
}

impl Heap<'_> {
    /// The value of an object. Lists and tuples are read to one level; what is deeper is `Other`.
    pub fn value(&self, object: u64) -> Result<PyValue, HeapError> {
        let class = self.type_of(object)?;
        if !class.is_list() && !class.is_tuple() {
            return self.scalar(object, class);
        }
        let items = self.items(object)?;
        let values = items.into_iter().map(|item| {
            let class = self.type_of(item)?;
            self.scalar(item, class)
        });
        values.collect::<Result<_, _>>().map(PyValue::Items)
    }

    fn scalar(&self, object: u64, class: TypeInfo) -> Result<PyValue, HeapError> {
        if class.is_str() {
            return self.text(object).map(PyValue::Text);
        }
        if class.is_int() {
            return Ok(match self.integer(object)? {
                Some(value) if class.is_builtin("bool") => PyValue::Bool(value != 0),
                Some(value) => PyValue::Int(value),
                None => PyValue::Other { class: class.name },
            });
        }
        if class.is_builtin("float") {
            return self
                .word(object.wrapping_add(SIZE))
                .map(|bits| PyValue::Float(f64::from_bits(bits)));
        }
        if class.is_builtin("NoneType") {
            return Ok(PyValue::None);
        }
        Ok(PyValue::Other { class: class.name })
    }

    /// An int that is not negative; `None` for other objects, or if it needs more than 128 bits.
    pub fn unsigned(&self, object: u64) -> Result<Option<u128>, HeapError> {
        let head = self.head(object)?;
        if !self.type_info(head.class())?.is_int() {
            return Ok(None);
        }
        let (digits, negative) = self.int_size(&head);
        if negative || digits > MAX_LONG_DIGITS {
            return Ok(None);
        }
        let bytes = self.part(&head, DIGITS, 4 * digits as usize)?;
        let (units, _) = bytes.as_chunks::<4>();
        let value = units.iter().rev().try_fold(0_u128, |sum, unit| {
            let shifted = sum.checked_mul(1 << DIGIT_BITS)?;
            shifted.checked_add(u32::from_le_bytes(*unit).into())
        });
        Ok(value)
    }

    /// How many digits an int has, and whether it is negative.
    fn int_size(&self, head: &Head) -> (u64, bool) {
        let size = head.word(SIZE as usize);
        if self.layout.objects.tagged_ints {
            // lv_tag: 0 positive, 1 zero, 2 negative; then a bit for immortals; then the count.
            (size >> 3, size & 3 == 2)
        } else {
            ((size as i64).unsigned_abs(), (size as i64) < 0)
        }
    }

    /// An int; `None` if it needs more than 64 bits.
    fn integer(&self, object: u64) -> Result<Option<i64>, HeapError> {
        let head = self.head(object)?;
        let (digits, negative) = self.int_size(&head);
        if digits > MAX_DIGITS {
            return Ok(None);
        }
        let bytes = self.part(&head, DIGITS, 4 * digits as usize)?;
        let (units, _) = bytes.as_chunks::<4>();
        let magnitude = units.iter().rev().fold(0_i128, |sum, unit| {
            sum << DIGIT_BITS | i128::from(u32::from_le_bytes(*unit))
        });
        Ok(i64::try_from(if negative { -magnitude } else { magnitude }).ok())
    }
}
