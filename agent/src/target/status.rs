//! Single fields of `/proc/PID/status`.
//!
//! procfs' own reader refuses the whole file if a thread's name is not UTF-8, and any process can
//! give itself such a name.

/// The value of `field` (without the colon) in the bytes of a status file.
pub fn status_field(status: &[u8], field: &str) -> Option<String> {
    status.split(|&byte| byte == b'\n').find_map(|line| {
        let value = line.strip_prefix(field.as_bytes())?.strip_prefix(b":")?;
        Some(String::from_utf8_lossy(value).trim().to_owned())
    })
}
