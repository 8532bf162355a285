//! Crash tests with the real binary: a server under load is killed without warning, again and again, and
//! what it answered with 201 is looked for afterwards.

pub mod client;
pub mod forms;
pub mod server;
