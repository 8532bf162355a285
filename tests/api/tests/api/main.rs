//! The endpoint as clients see it: a file per resource.

mod attachments;
mod authorization;
mod cases;
mod connections;
mod forms;
mod garbage;
mod health;
mod login;
mod pages;
mod receiver;
mod receiver_auth;
