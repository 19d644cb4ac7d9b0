//! The commands: from what was typed to what is done.

mod doctor;
mod exports;
mod load;
mod regions;
mod replay;
mod spawn;
mod startup;
mod suggest;
mod summary;
mod top;
mod trace;

use crate::args::{Command, Exit};

/// Does what the command line says.
///
/// # Errors
/// With what [`Exit::of`] makes a code of.
pub fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Attach(args) => trace::attach(&args),
        Command::Run(args) => trace::run(&args),
        Command::Record(args) => trace::record(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Regions(args) if args.suggest => suggest::run(&args),
        Command::Regions(args) => regions::run(&args),
        Command::Top(args) => top::run(&args),
    }
}
