//! `bolster bench`: measures this machine.

mod body;
mod load;
mod machine;
mod process;
