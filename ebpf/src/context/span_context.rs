//! `SpanContext`: a tuple of trace id, span id, is_remote, trace flags and more.

use hotspan_common::{ContextOutcome, Parent, PythonLayout, Trail};

use super::{
    Walk,
    python::{OB_TYPE, TP_FLAGS},
};
use crate::memory::Access;

/// `Py_TPFLAGS_TUPLE_SUBCLASS` and `Py_TPFLAGS_LONG_SUBCLASS`.
const TUPLE_SUBCLASS: u64 = 1 << 26;
const LONG_SUBCLASS: u64 = 1 << 24;
/// The digits of an int: 30 bits in each 32-bit word, the least first.
pub const DIGITS: u64 = 24;
const DIGIT: u64 = u32::MAX as u64;

/// Fills in ids, flags and `remote`.
#[inline(always)]
pub fn fill<M: Access>(
    layout: &PythonLayout,
    object: u64,
    parent: &mut Parent,
    trail: Option<&mut Trail>,
) -> Walk<()> {
    let class = M::read::<u64>(object.wrapping_add(OB_TYPE))?;
    has_flag::<M>(class, TUPLE_SUBCLASS)?;
    let items = object.wrapping_add(u64::from(layout.tuple_items));
    let [trace, span, remote, flags] = M::read::<[u64; 4]>(items)?;
    if let Some(trail) = trail {
        trail.span_context = object;
        trail.items = [trace, span, remote, flags];
        trail.digits = M::read(span.wrapping_add(DIGITS))?;
    }
    let trace = integer::<M>(layout, trace)?;
    let span = integer::<M>(layout, span)?;
    if trace.overflows || span.high != 0 || span.overflows {
        return Err(ContextOutcome::InvalidIds);
    }
    if (trace.high | trace.low) == 0 || span.low == 0 {
        return Err(ContextOutcome::InvalidIds);
    }
    parent.flags = small::<M>(layout, flags)? as u8;
    parent.remote = u8::from(small::<M>(layout, remote)? != 0);
    parent.trace_id = (u128::from(trace.high) << 64 | u128::from(trace.low)).to_be_bytes();
    parent.span_id = span.low.to_be_bytes();
    Ok(())
}

/// An integer of up to 64 bits that is more than zero.
#[inline(always)]
pub fn positive<M: Access>(layout: &PythonLayout, object: u64) -> Walk<u64> {
    let number = integer::<M>(layout, object)?;
    if number.overflows || number.high != 0 || number.low == 0 {
        return Err(ContextOutcome::UnexpectedType);
    }
    Ok(number.low)
}

/// A non-negative integer of up to 128 bits.
struct Integer {
    high: u64,
    low: u64,
    /// It has more bits than that, or is negative.
    overflows: bool,
}

#[inline(always)]
fn integer<M: Access>(layout: &PythonLayout, object: u64) -> Walk<Integer> {
    let (count, negative) = size::<M>(layout, object)?;
    let [d0, d1, d2, d3, d4] = digits::<M>(object, count)?;
    Ok(Integer {
        low: d0 | d1 << 30 | d2 << 60,
        high: d2 >> 4 | d3 << 26 | d4 << 56,
        overflows: negative || count > 5 || d4 >> 8 != 0,
    })
}

/// An integer of one digit, such as trace flags and bools.
#[inline(always)]
fn small<M: Access>(layout: &PythonLayout, object: u64) -> Walk<u32> {
    match size::<M>(layout, object)? {
        (0, _) => Ok(0),
        (1, false) => Ok(M::read(object.wrapping_add(DIGITS))?),
        _ => Err(ContextOutcome::UnexpectedType),
    }
}

/// How many digits an integer has, and whether it is negative.
#[inline(always)]
fn size<M: Access>(layout: &PythonLayout, object: u64) -> Walk<(u64, bool)> {
    let [class, size] = M::read::<[u64; 2]>(object.wrapping_add(OB_TYPE))?;
    has_flag::<M>(class, LONG_SUBCLASS)?;
    // From 3.12 the low bits are sign (0 positive, 1 zero, 2 negative) and a flag.
    Ok(if layout.tagged_ints != 0 {
        (size >> 3, size & 3 == 2)
    } else {
        (size, (size as i64) < 0)
    })
}

/// Only as many digits as the object says are its own: what follows is another object.
#[inline(always)]
fn digits<M: Access>(object: u64, count: u64) -> Walk<[u64; 5]> {
    // Whole words are cleared in place; for an odd number of halves the compiler calls a function.
    let mut words = [0u64; 3];
    // Without a branch for each length, as the verifier follows each through all that comes after.
    let bytes = 4 * count.min(5) as u32;
    // SAFETY: there is room for five digits.
    unsafe {
        M::read_into(
            words.as_mut_ptr().cast(),
            bytes,
            object.wrapping_add(DIGITS),
        )?
    };
    let [first, second, third] = words;
    let (low, high) = (|word| word & DIGIT, |word| word >> 32);
    Ok([
        low(first),
        high(first),
        low(second),
        high(second),
        low(third),
    ])
}

/// Checks what kind of objects a type makes.
#[inline(always)]
fn has_flag<M: Access>(class: u64, flag: u64) -> Walk<()> {
    if M::read::<u64>(class.wrapping_add(TP_FLAGS))? & flag == 0 {
        return Err(ContextOutcome::UnexpectedType);
    }
    Ok(())
}
