//! The one facade over log, shards and blobs.
