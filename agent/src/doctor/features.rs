//! What the kernel let hotspan do when it tried.

/// What came of trying something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It worked.
    Works,
    /// It was refused, and why (the system call's error, the verifier's last line).
    Refused(String),
    /// It was not tried: something that it needs was refused already.
    NotTried,
}

/// What the kernel module tried, with the smallest programs that show it.
///
/// What was tried counts more than what the kernel's version suggests: distributions backport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFeatures {
    /// Loading a BPF program of the kprobe type, with a map.
    pub load: Trial,
    /// A BPF ring buffer.
    pub ring_buffer: Trial,
    /// Attaching to many places at once with a cookie each (`uprobe_multi`).
    pub uprobe_multi: Trial,
    /// Sleepable uprobe programs, which can read pages that are not resident.
    pub sleepable: Trial,
    /// Attaching a BPF program to a tracepoint.
    pub tracepoint: Trial,
}

impl Trial {
    /// Of something that was tried for itself.
    pub fn of<E: std::error::Error + 'static>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Works,
            Err(error) => {
                let mut why = error.to_string();
                let mut cause = error.source();
                while let Some(inner) = cause {
                    why = format!("{why}: {inner}");
                    cause = inner.source();
                }
                Self::Refused(one_line(&why))
            }
        }
    }
}

impl KernelFeatures {
    /// What is known once hotspan's own programs were loaded and attached to their tracepoints, or
    /// were not, and why. Attaching to many places is tried for itself.
    pub fn of_load(result: Result<(), String>) -> Self {
        let (load, rest) = match result {
            Ok(()) => (Trial::Works, Trial::Works),
            Err(why) => (Trial::Refused(one_line(&why)), Trial::NotTried),
        };
        Self {
            load,
            ring_buffer: rest.clone(),
            uprobe_multi: Trial::NotTried,
            sleepable: rest.clone(),
            tracepoint: rest,
        }
    }
}

/// The verifier explains itself over thousands of lines; what it found comes last, before figures.
fn one_line(why: &str) -> String {
    const FIGURES: [&str; 4] = ["processed ", "verification time ", "stack depth ", ":"];
    let Some((error, log)) = why.split_once("Verifier output:") else {
        return why.lines().next().unwrap_or_default().to_owned();
    };
    let is_figure = |line: &str| FIGURES.iter().any(|figure| line.starts_with(figure));
    let verdict = log
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !is_figure(line));
    let error = error.trim().trim_end_matches('.');
    match verdict {
        Some(verdict) => format!("{error}: {verdict}"),
        None => error.to_owned(),
    }
}
