//! `hotspan top`: the requests in flight, now.

mod board;
mod render;
mod screen;
#[cfg(test)]
mod tests;

pub use board::{Blocked, Board, Row};
pub use render::render;
pub use screen::Screen;
