//! Credentials, sessions, roles: who may do what.
