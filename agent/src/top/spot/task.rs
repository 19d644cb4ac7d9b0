//! A thread, as proc shows it.

use std::{fs, io, path::Path};

use crate::target::status_field;

/// What is read of a thread at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id in its own pid namespace.
    pub ns_tid: u32,
    /// `comm`.
    pub name: String,
    /// When it was born, in clock ticks since the system was (`starttime`).
    pub born_ticks: u64,
    /// Where it stands, and how often it had left the CPU by then; `None`: it runs, or could.
    pub standing: Option<Standing>,
}

/// A thread that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Switches away from it, of its own will and not: unchanged, it has not run.
    pub switches: u64,
    /// Where it left user space.
    pub place: Place,
}

/// Where a thread left user space (`proc_pid_syscall(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// System call; `None`: it is in none (a page fault).
    pub syscall: Option<u64>,
    /// Its first two arguments.
    pub arguments: [u64; 2],
    /// User stack pointer.
    pub sp: u64,
    /// User instruction pointer.
    pub ip: u64,
}

impl Task {
    /// Reads it from its directory in proc.
    ///
    /// # Errors
    /// As a rule, it has ended.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let stat = fs::read(dir.join("stat"))?;
        let (name, state, born_ticks) =
            stat_fields(&stat).ok_or_else(|| invalid("a stat file without a state"))?;
        let status = fs::read(dir.join("status"))?;
        let ns_tid = status_field(&status, "NSpid")
            .and_then(|ids| ids.split_whitespace().last()?.parse().ok())
            .ok_or_else(|| invalid("a status file without a thread id"))?;
        let standing = if state == b'R' {
            None
        } else {
            standing(dir, &status)?
        };
        Ok(Self {
            ns_tid,
            name,
            born_ticks,
            standing,
        })
    }
}

/// How it stands now, to be compared with how it stood.
///
/// # Errors
/// As a rule, it has ended.
pub fn stands(dir: &Path) -> io::Result<Option<Standing>> {
    standing(dir, &fs::read(dir.join("status"))?)
}

fn standing(dir: &Path, status: &[u8]) -> io::Result<Option<Standing>> {
    let count = |field| {
        status_field(status, field)
            .and_then(|count| count.parse::<u64>().ok())
            .ok_or_else(|| invalid("a status file without switches"))
    };
    let switches = count("voluntary_ctxt_switches")? + count("nonvoluntary_ctxt_switches")?;
    let place = place(&fs::read_to_string(dir.join("syscall"))?);
    Ok(place.map(|place| Standing { switches, place }))
}

/// Name, state and birth. The name is in brackets, and may hold any byte.
fn stat_fields(stat: &[u8]) -> Option<(String, u8, u64)> {
    const STATE: usize = 0;
    /// `starttime` is field 22, the state field 3.
    const STARTTIME: usize = 22 - 3;
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let state = *fields.get(STATE)?.as_bytes().first()?;
    Some((name, state, fields.get(STARTTIME)?.parse().ok()?))
}

/// `running`, or the number (-1: none), six arguments if there is one, stack and instruction pointer.
fn place(line: &str) -> Option<Place> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (number, rest) = words.split_first()?;
    let number: i64 = number.parse().ok()?;
    let values: Option<Vec<u64>> = rest.iter().map(|word| hex(word)).collect();
    match (u64::try_from(number).ok(), values?.as_slice()) {
        (Some(number), [first, second, _, _, _, _, sp, ip]) => Some(Place {
            syscall: Some(number),
            arguments: [*first, *second],
            sp: *sp,
            ip: *ip,
        }),
        (None, [sp, ip]) => Some(Place {
            syscall: None,
            arguments: [0; 2],
            sp: *sp,
            ip: *ip,
        }),
        _ => None,
    }
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::{Place, Task, place, stat_fields};

    #[test]
    fn a_thread_of_any_name() {
        let stat = b"7 (a) b (c)) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 1212073 1 1 184\n";
        let expected = ("a) b (c)".to_owned(), b'S', 1_212_073);
        assert_eq!(stat_fields(stat), Some(expected));
        assert_eq!(stat_fields(b"7 (a"), None);
    }

    #[test]
    fn where_a_thread_stands() {
        let futex =
            "202 0x7f51add19340 0x80 0x0 0x7f51abe622d0 0x0 0x48 0x7f51abe622b8 0x7f51c631f829\n";
        let expected = Place {
            syscall: Some(202),
            arguments: [0x7f51_add1_9340, 0x80],
            sp: 0x7f51_abe6_22b8,
            ip: 0x7f51_c631_f829,
        };
        assert_eq!(place(futex), Some(expected));
        let fault = place("-1 0x7ffe 0x4000\n");
        let fault = fault.map(|place| (place.syscall, place.sp, place.ip));
        assert_eq!(fault, Some((None, 0x7ffe, 0x4000)));
        for none in ["running\n", "", "202 0x1\n", "x 0x1 0x2\n"] {
            assert_eq!(place(none), None, "{none}");
        }
    }

    #[test]
    fn this_thread_runs() {
        let task = Task::read("/proc/thread-self".as_ref()).unwrap();
        assert_eq!(task.standing, None);
        assert_ne!(task.born_ticks, 0);
    }
}
