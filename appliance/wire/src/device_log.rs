//! Device logs: what a phone tells about itself.

use bolster_model::Timestamp;

use crate::xml::{self, Element};
use crate::{Limits, ParseError, times};

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
pub fn device_log(xml: &[u8], limits: &Limits) -> Result<DeviceLog, ParseError> {
    let document = xml::read(xml, limits)?;
    let root = document.root();
    Ok(DeviceLog {
        instance_id: crate::form::instance_id(root),
        device_id: root.child("device_id").map(|e| e.text().to_owned()),
        app_version: root.child("app_version").map(|e| e.text().to_owned()),
        logs: log_entries(root),
        users: entries(root, "user_subreport", "user").map(user).collect(),
        user_errors: entries(root, "user_error_subreport", "user_error").map(user_error).collect(),
        force_closes: entries(root, "force_close_subreport", "force_close").map(force_close).collect(),
    })
}

/// The entries of all subreports of a name.
fn entries<'d>(root: Element<'d>, report: &str, entry: &str) -> impl Iterator<Item = Element<'d>> {
    let reports = root.children().filter(move |c| c.name() == report);
    reports.flat_map(|r| r.children()).filter(move |c| c.name() == entry)
}

fn log_entries(root: Element<'_>) -> Vec<LogEntry> {
    let mut user: (Option<String>, Option<String>) = (None, None);
    let mut out = Vec::new();
    for e in entries(root, "log_subreport", "log") {
        let (kind, msg) = (text(e, "type"), text(e, "msg"));
        let mut words = msg.split('|');
        if kind == "user" && words.next() == Some("login") {
            user = (words.next().map(str::to_owned), words.next().map(str::to_owned));
        } else if kind == "login" {
            // A prefix of the user id, then the name.
            user = (msg.split_once('-').map(|(_, name)| name.to_owned()), None);
        }
        let (username, user_id) = user.clone();
        out.push(LogEntry { date: date(e), kind, msg, username, user_id });
    }
    out
}

fn user(e: Element<'_>) -> UserEntry {
    UserEntry {
        user_id: text(e, "user_id"),
        username: text(e, "username"),
        sync_token: text(e, "sync_token"),
    }
}

fn user_error(e: Element<'_>) -> UserErrorEntry {
    UserErrorEntry {
        date: date(e),
        kind: text(e, "type"),
        msg: text(e, "msg"),
        app_id: text(e, "app_id"),
        version: first(e, ["app_build", "version"]),
        user_id: text(e, "user_id"),
        session: text(e, "session"),
        expr: text(e, "expr"),
        context_node: text(e, "context_node"),
    }
}

fn force_close(e: Element<'_>) -> ForceCloseEntry {
    ForceCloseEntry {
        date: date(e),
        kind: text(e, "type"),
        msg: text(e, "msg"),
        app_id: text(e, "app_id"),
        app_build: first(e, ["app_build", "build_number"]),
        user_id: text(e, "user_id"),
        android_version: text(e, "android_version"),
        device_model: text(e, "device_model"),
        session_readable: text(e, "session_readable"),
        session_serialized: text(e, "session_serialized"),
    }
}

fn text(e: Element<'_>, name: &str) -> String {
    e.child(name).map(|c| c.text().to_owned()).unwrap_or_default()
}

fn first(e: Element<'_>, names: [&str; 2]) -> String {
    names.into_iter().map(|n| text(e, n)).find(|t| !t.is_empty()).unwrap_or_default()
}

fn date(e: Element<'_>) -> Option<Timestamp> {
    e.attribute("date").and_then(times::iso)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> DeviceLog {
        let xml =
            format!("<device_report xmlns='http://code.javarosa.org/devicereport'>{inner}</device_report>");
        device_log(xml.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn users_of_log_lines_are_those_logged_in_before() {
        let log = read(
            "<device_id>d</device_id><log_subreport><log date='2016-03-20T15:16:08.664-04'><type>m</type></log>
             <log><type>user</type><msg>login|amina|u1</msg></log></log_subreport>
             <log_subreport><log date='bad'><type>x</type><msg>y</msg></log>
             <log><type>login</type><msg>ab12-bosco</msg></log><log/></log_subreport>",
        );
        let users: Vec<_> = log.logs.iter().map(|l| (l.username.as_deref(), l.user_id.as_deref())).collect();
        let (amina, bosco) = ((Some("amina"), Some("u1")), (Some("bosco"), None));
        assert_eq!(users, [(None, None), amina, amina, bosco, bosco]);
        assert_eq!(log.logs[0].date.map(|t| t.to_string()).as_deref(), Some("2016-03-20T19:16:08.664000Z"));
        assert_eq!(log.logs[2].date, None);
        assert_eq!(log.device_id.as_deref(), Some("d"));
    }

    #[test]
    fn the_other_subreports_are_read() {
        let log = read(
            "<user_subreport><user><username>fp</username><user_id>u</user_id></user></user_subreport>
             <user_error_subreport><user_error date='2016-03-20'><version>3</version><expr>1 + </expr></user_error>
             </user_error_subreport><force_close_subreport><force_close><build_number>15</build_number>
             <device_model>Nexus 5X</device_model></force_close></force_close_subreport>",
        );
        assert_eq!(log.users[0].username, "fp");
        assert_eq!((log.user_errors[0].version.as_str(), log.user_errors[0].expr.as_str()), ("3", "1 + "));
        assert_eq!((log.force_closes[0].app_build.as_str(), log.force_closes[0].msg.as_str()), ("15", ""));
        assert!(read("<odd/>text").logs.is_empty());
    }
}
