//! The project's own commands.

mod bench;
mod cargo;
mod demo;
mod ebpf;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands: `cargo xtask COMMAND`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a real service's traces before and after hotspan is attached.
    Demo(demo::Arguments),
    /// Run all tests; those that need root and BPF for real, where the kernel allows it.
    Test(test::Arguments),
    /// Rebuild the committed kernel programs with the pinned toolchain.
    Ebpf(ebpf::Arguments),
    /// Measure the figures that the project promises.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Ebpf(arguments) => ebpf::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
