//! The endpoint as clients see it: a file per resource.

mod apps;
mod attachments;
mod authorization;
mod cases;
mod connections;
mod forms;
mod garbage;
mod health;
mod login;
mod manage;
mod pages;
mod phone_calls;
mod receiver;
mod receiver_auth;
mod restore;
mod search;
mod signed;
mod web_apps;
mod web_search;
