//! What tests of several crates share. It may see every crate, and nothing that ships may see it; it holds no
//! expectations of its own, only the means to build and look at things.
