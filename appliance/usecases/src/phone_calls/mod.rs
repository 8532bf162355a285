//! Small calls of the CommCare app besides forms and restores: keys of its local store, heartbeats, numbers.

mod heartbeat;
mod keys;
mod numbers;

pub use heartbeat::{DeviceStatus, Heartbeat, LatestBuild};
pub use keys::KeyRecord;
pub use numbers::NumberError;

/// Kinds of documents, in their project, and of local rows.
pub mod kind {
    /// Key of a user's local store, a credential; id = user id.
    pub const MOBILE_KEY: &str = "mobile_key";
    /// Last number of a pool; id = pool.
    pub const SEQUENCE: &str = "sequence";
    /// Number that a session of a pool has.
    pub const SEQUENCE_SESSION: &str = "sequence_session";
    /// Local row: what a device last said; id = project, user, device.
    pub const DEVICE: &str = "device";
}
