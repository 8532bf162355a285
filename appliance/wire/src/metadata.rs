//! The metadata of a form: its meta block as an object, and what the version text tells.

use serde_json::Value;

/// Versions of the app and of CommCare that made a form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppVersion {
    /// Version of the app, decimal digits.
    pub app_version: Option<String>,
    /// Version of CommCare, three parts.
    pub commcare_version: Option<String>,
}

/// Versions out of the number of the build the form was sent to, the text of `appVersion` and the root's `@version`, in
/// this order of preference.
pub fn app_version(_build: Option<u64>, _text: Option<&str>, _root_version: Option<&str>) -> AppVersion {
    AppVersion::default()
}

/// The metadata object of a form, from its JSON; null when the form has no meta block.
pub fn metadata_json(_form: &Value) -> Value {
    Value::Null
}
