//! Whom a step serves that an engine makes for several sequences at once.

use hotspan_common::{CrossingEvent, MAX_TOKENS};

use super::{Hit, counts};
use crate::{
    memory::{Access as _, Faulting, Unreadable},
    repeat::{CONTINUE, STOP, repeat},
};

/// A result of this token is wanted, in the counts.
const WANTED: u64 = 1 << 32;

/// Reads them, if the region says where they are.
#[inline(always)]
pub fn read(hit: &Hit, event: &mut CrossingEvent) {
    if hit.spec.members_count == 0 {
        return;
    }
    event.valid |= CrossingEvent::COUNTED;
    let places = u64::from(hit.spec.members_count)
        | u64::from(hit.spec.members_list) << 16
        | u64::from(hit.spec.members_wanted) << 32;
    read_members(event.id, hit.sp, places);
}

/// A function of its own to the verifier, like [`super::emit::close_crossing`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn read_members(id: u64, sp: u64, places: u64) -> u64 {
    let at = |shift: u64| sp.wrapping_add(places >> shift & 0xffff);
    let (Ok(count), Ok(list), Ok(wanted)) = (
        Faulting::read::<i32>(at(0)),
        Faulting::read::<u64>(at(16)),
        Faulting::read::<u64>(at(32)),
    ) else {
        return 0;
    };
    if list == 0 {
        return 0;
    }
    let mut members = Members {
        id,
        list,
        wanted,
        count: i64::from(count),
    };
    repeat(MAX_TOKENS as u32, look_at, &mut members);
    let rest = i64::from(count) - MAX_TOKENS as i64;
    if rest > 0 {
        counts::count_key(id, 0, rest as u64);
    }
    0
}

/// A walk through a step's tokens.
struct Members {
    id: u64,
    list: u64,
    wanted: u64,
    count: i64,
}

extern "C" fn look_at(index: u64, members: &mut Members) -> u64 {
    if index as i64 >= members.count {
        return STOP;
    }
    let place = members.list.wrapping_add(8 * index);
    read_member(members.id, place, members.wanted, index);
    CONTINUE
}

/// Counts one token. Another function of its own: its outcomes would be followed on through the loop.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn read_member(id: u64, place: u64, wanted: u64, index: u64) -> u64 {
    // Key 0 is none: what can't be read is counted beyond.
    let (key, amount) = token(place, wanted, index).unwrap_or((0, 1));
    counts::count_key(id, key, amount)
}

#[inline(always)]
fn token(place: u64, wanted: u64, index: u64) -> Result<(u64, u64), Unreadable> {
    let sequences = Faulting::read::<u64>(place)?;
    let sequence = Faulting::read::<i32>(sequences)?;
    let is_wanted = wanted != 0 && Faulting::read::<u8>(wanted.wrapping_add(index))? != 0;
    let amount = if is_wanted { 1 + WANTED } else { 1 };
    Ok((1 + u64::from(sequence as u32), amount))
}
