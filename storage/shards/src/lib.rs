//! Sharded redb projections of the change log.
