//! The flags of nodes that forms add to those of trees.

use bolster_xpath::TreeFlags;

/// An answer is required.
pub(crate) const REQUIRED: u16 = TreeFlags::OWNER;
/// Made read-only by its own condition.
pub(crate) const READONLY: u16 = TreeFlags::OWNER << 1;
/// Read-only because something above is.
pub(crate) const INHERITED_READONLY: u16 = TreeFlags::OWNER << 2;

/// A template inside an entry that was made here: its first entry goes to the end of its siblings.
pub(crate) const FLOATING: u16 = TreeFlags::OWNER << 3;

/// Not relevant, for any reason.
pub(crate) const HIDDEN: u16 = TreeFlags::IRRELEVANT | TreeFlags::INHERITED_IRRELEVANT;
/// Read-only, for any reason.
pub(crate) const LOCKED: u16 = READONLY | INHERITED_READONLY;
