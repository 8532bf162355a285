//! Canonical byte encoding of stored values.
