//! The binary `hotspan`.

use std::env;

use hotspan::{
    allocator,
    args::{Cli, Exit},
    commands,
    run::say,
};

fn main() -> Exit {
    allocator::give_back();
    let cli = Cli::from_words(env::args_os()).unwrap_or_else(|error| error.exit());
    commands::run(cli.command).unwrap_or_else(|error| {
        say::line(&format!("{error:#}"));
        Exit::of(&error)
    })
}
