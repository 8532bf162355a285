//! Endpoints around: synchronising, forgetting, locks, checking forms.

use bolster_xforms::{FormDefinition, LoadOptions, Severity};
use bolster_xpath::NoHost;
use serde_json::{Value as Json, json};

use crate::apps::policy;
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::{Need, Shelf};
use crate::reply::Reply;
use crate::request::Request;
use crate::{Formplayer, lock};

/// A message as clients read it.
pub(crate) fn notice(message: Option<&str>, error: bool, tag: &str) -> Json {
    let kind = if error { "error" } else { "success" };
    json!({"message": message, "error": error, "type": kind, "tag": tag})
}

impl Formplayer {
    pub(crate) fn sync(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        if request.flag("mustRestore") {
            call.host.data(&account, Need::Sync { purge: true })?;
        }
        call.host.data(&account, Need::Sync { purge: true })?;
        lock(&self.user(&account).confirmed).clear();
        Ok(Reply::of(&json!({"status": "accepted", "attemptRestore": true})))
    }

    pub(crate) fn interval_sync(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        let id = request.text("app_id").unwrap_or_default();
        let installed = lock(&self.user(&account).installed).contains(&id);
        let app = if installed { self.app(call, &account, &id, request.flag("preview")).ok() } else { None };
        call.host.data(&account, policy(app.as_deref(), true))?;
        Ok(Reply::of(&json!({"status": "accepted", "attemptRestore": false})))
    }

    pub(crate) fn forget_app(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        let id = request.text("app_id").unwrap_or_default();
        lock(&self.user(&account).installed).remove(&id);
        let message = format!("Successfully cleared application database for {id}");
        Ok(Reply::of(&notice(Some(&message), false, "wipedb")))
    }

    pub(crate) fn clear_user_data(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        call.host.forget(&account);
        self.forget_user(&account);
        let message = format!("Successfully cleared the user data for  {}", account.username);
        Ok(Reply::of(&notice(Some(&message), false, "clear_data")))
    }

    pub(crate) fn break_locks(&self) -> Result<Reply, Fault> {
        Ok(Reply::of(&notice(Some("No locks for the current user"), false, "break_locks")))
    }

    pub(crate) fn delete_incomplete_form(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let id = request.session_id().unwrap_or_default();
        let owner = self.account(call, request)?.key();
        if call.host.load(Shelf::Forms, &id).is_some_and(|(known, _)| known == owner) {
            call.host.remove(Shelf::Forms, &id);
            call.host.drop_file(&id, None);
            lock(&self.live).remove(&id);
        }
        Ok(Reply::of(&notice(Some("Successfully deleted incomplete form."), false, "incomplete_form")))
    }

    pub(crate) fn validate_form(&self, _call: &Call<'_>, body: &[u8]) -> Result<Reply, Fault> {
        let text = String::from_utf8_lossy(body);
        if !text.contains('<') {
            return Ok(Reply::of(&json!({
                "validated": false, "fatal_error": "Document has no root element!", "fatal_error_expected": false,
                "problems": [],
            })));
        }
        let mut problems = Vec::new();
        let mut fatal = None;
        let options = LoadOptions { first_error_only: true, ..LoadOptions::default() };
        let diagnostics = match FormDefinition::parse(&text, &options, &NoHost) {
            Ok(def) => def.warnings().to_vec(),
            Err(error) => {
                fatal = error.diagnostics.iter().find(|d| d.severity == Severity::Error).cloned();
                error.diagnostics
            }
        };
        for diagnostic in &diagnostics {
            problems.push(json!({
                "type": if diagnostic.severity == Severity::Error { "error" } else { diagnostic.problem.as_str() },
                "message": diagnostic.message, "fatal": false,
            }));
        }
        let mut out = json!({"validated": fatal.is_none(), "problems": problems});
        if let Some(fatal) = fatal {
            // Questions without their place in the data are told in a list.
            let listed = fatal.message.contains("bound to non-existent node");
            out["fatal_error"] = format!("{}{}", fatal.message, if listed { "\n" } else { "" }).into();
            out["fatal_error_expected"] = false.into();
        }
        Ok(Reply::of(&out))
    }
}
