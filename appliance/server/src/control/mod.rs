//! Commands for a data folder, whether a server runs on it or not: one set of requests and replies, answered
//! over a socket by the server, or in this process when there is none.

pub mod client;
pub mod protocol;
pub mod socket;
