//! Tasks of the repository: `cargo xtask tidy`, `cargo xtask vectors DIR…`.
fn main() {}
