//! Closing a host closes its open extensions, and theirs: which ones, and the system form that does it.

use crate::ids;
use crate::state::State;
use bolster_model::{CaseId, FormId, Relationship, Timestamp};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most cases that one form closes this way; the rest of a longer chain stays open and is reported.
pub const CASCADE_CASES_MAX: usize = 10_000;

/// Follows extension indices backwards from the closed ones among `touched`, through open and undeleted
/// cases, and answers those to close, in order of discovery. Loops end; a closed link ends the walk.
pub fn extensions_to_close<S: State>(state: &S, touched: &[CaseId]) -> Result<Vec<CaseId>, S::Error> {
    let mut queue = Vec::new();
    for id in touched {
        if state.case(id)?.is_some_and(|case| case.closed.value) {
            queue.push(id.clone());
        }
    }
    let mut seen: BTreeSet<CaseId> = queue.iter().cloned().collect();
    let mut found = Vec::new();
    while let Some(host) = queue.pop() {
        for (source, _, relationship) in state.referrers(&host)? {
            if relationship != Relationship::Extension || !seen.insert(source.clone()) {
                continue;
            }
            let open = state.case(&source)?.is_some_and(|c| !c.closed.value && !c.deletion.is_deleted());
            if open && found.len() < CASCADE_CASES_MAX {
                found.push(source.clone());
                queue.push(source);
            }
        }
    }
    Ok(found)
}

/// Namespace of system forms.
pub const SYSTEM_XMLNS: &str = "http://commcarehq.org/case";
/// User of system forms.
pub const SYSTEM_USER: &str = "system";

/// The form that closes one extension: id and bytes follow from the closing form and the case alone.
pub fn system_form(closing: &FormId, case: &CaseId, at: Timestamp) -> (FormId, String) {
    let id = ids::cascade(closing, case);
    let (case, cause) = (escape(case.as_str()), escape(closing.as_str()));
    let xml = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <system xmlns=\"{SYSTEM_XMLNS}\" version=\"1\" uiVersion=\"1\">\
         <case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{case}\" \
         date_modified=\"{at}\" user_id=\"{SYSTEM_USER}\"><close/></case>\
         <meta xmlns=\"http://openrosa.org/jr/xforms\">\
         <deviceID>SubmissionPost-{cause}-close_extensions</deviceID>\
         <timeStart>{at}</timeStart><timeEnd>{at}</timeEnd><username>{SYSTEM_USER}</username>\
         <userID>{SYSTEM_USER}</userID><instanceID>{id}</instanceID></meta></system>\n"
    );
    (id, xml)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() => {
                // Infallible: writing to a String.
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
