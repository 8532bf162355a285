//! Tasks of the repository that are more than one cargo command.
//!
//! * `cargo xtask tidy` checks what the compiler does not: allowed edges between crates, module docs, file
//!   sizes, marks of unfinished work, licences of dependencies.
//! * `cargo xtask vectors DIR…` runs every vector below the folders.
//! * `cargo xtask areas` lists the areas of vectors that this checkout can run.
//!
//! Knows the layout of the repository and nothing of what the product does.

mod tidy;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Tasks of the repository.

Usage: cargo xtask tidy
           checks edges between crates, module docs, file sizes and licences
       cargo xtask vectors DIR…
           runs every vector below the folders; the last part of a folder's name is its area
       cargo xtask areas
           lists the areas that this checkout can run";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("tidy") if arguments.len() == 1 => tidy::run(&root()),
        Some("vectors") if arguments.len() > 1 => vectors::run(&root(), &arguments[1..]),
        Some("areas") if arguments.len() == 1 => {
            vectors::areas(&root()).iter().for_each(|area| println!("{area}"));
            Ok(true)
        }
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top folder of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The cargo that runs us, so that one toolchain does everything.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
