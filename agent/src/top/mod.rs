//! `hotspan top`: the requests in flight, now.
//!
//! [`Board`] is what is known, [`render`] makes text of it, [`Screen`] shows that. [`Live`] looks on while the
//! engine runs, and has its [`Spotter`] look at the targets' threads from user space.

mod board;
mod keys;
mod live;
mod render;
mod screen;
mod spot;
#[cfg(test)]
mod tests;

pub use board::{Board, Likely, Pool, Row, Serves, Standstill, TaskLook, ThreadLook, Waiting};
pub use keys::quit;
pub use live::{Live, Picture};
pub use render::render;
pub use screen::Screen;
pub use spot::Spotter;
