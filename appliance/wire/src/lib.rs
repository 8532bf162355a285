//! Pure parsing and printing of wire formats.
