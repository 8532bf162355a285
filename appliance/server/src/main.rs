//! The program `bolster`.

fn main() -> std::process::ExitCode {
    bolster_server::main()
}
