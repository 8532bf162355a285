//! The command `bolster`: reads what was typed, wires the parts together, starts and stops them.
//!
//! It alone knows every crate. It has no rules of its own: what a form does to a case, who may do what, how
//! anything is stored is decided below. Only the sample data of `--demo` and the load of `bolster bench` are
//! made here.
//!
//! Invariants: a command that fails says one sentence on standard error and exits with 1, wrong usage exits
//! with 2; a password is never an argument and never printed; one process at a time has a data folder open,
//! the others talk to it over the socket in that folder.

mod bench;
mod cli;
mod commands;
mod control;
mod demo;
mod logging;
mod open;
mod output;
mod password;
mod serve;
mod submit;
mod sweep;

use cli::Cli;
use std::process::ExitCode;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match commands::run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bolster: {error:#}");
            ExitCode::FAILURE
        }
    }
}
