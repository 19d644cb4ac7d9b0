//! Less of something than a process would have: the kernel's control groups, of the first version.

use std::{fs, path::PathBuf};

/// A control group with a limit; gone with the value.
pub struct ControlGroup(PathBuf);

impl ControlGroup {
    /// One of `controller` with `value` in its file `limit`; `None` where there is no such thing.
    pub fn new(controller: &str, limit: &str, value: &str) -> Option<Self> {
        let folder = PathBuf::from("/sys/fs/cgroup").join(controller);
        let group = Self(folder.join(format!("hotspan-test-{}", std::process::id())));
        fs::create_dir(&group.0).ok()?;
        fs::write(group.0.join(limit), value).ok()?;
        Some(group)
    }

    /// A process comes under the limit.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn take(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // What is left in it is ended by its test.
        let _ = fs::remove_dir(&self.0);
    }
}
