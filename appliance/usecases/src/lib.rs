//! One verb per file; the only path to data writes.
