//! What terminals need, whatever is shown: colours, columns, durations.

pub mod style;
pub(crate) mod text;
pub(crate) mod units;
