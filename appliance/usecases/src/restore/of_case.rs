//! A restore whose user is a case, for a web runtime that asks a case's person questions by message.
//!
//! The case and the open cases below it, nothing above; no fixtures. Links to what is not sent are left out,
//! as in every restore.
//!
//! Source: docs/formats/restore.md, restores of a case.

use super::RestoreError;
use super::graph::StoredCases;
use super::plan::without_bad_links;
use crate::Appliance;
use bolster_auth::{Permit, RestoreData};
use bolster_cases::sync::{CaseGraph, LiveCase};
use bolster_model::CaseId;
use bolster_store::ReadExt;
use bolster_wire::restore::{self as print, Printer, Registration};
use std::collections::HashSet;

/// Most cases of such a restore.
const CASES_MAX: usize = 10_000;

impl Appliance {
    /// The payload; `None` when there is no such case.
    pub fn case_restore(
        &self,
        permit: &Permit<RestoreData>,
        case_id: &CaseId,
    ) -> Result<Option<Vec<u8>>, RestoreError> {
        let project = permit.project().id;
        let graph = StoredCases { view: self.store().steady_view(), project };
        let Some(root) = self.store().view().case(project, case_id)?.filter(|c| !c.deletion.is_deleted())
        else {
            return Ok(None);
        };
        let (mut cases, mut seen, mut next) = (Vec::new(), HashSet::new(), vec![case_id.clone()]);
        while let Some(id) = next.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            // The case itself comes whatever its state.
            let Some(case) = graph.case(&id)?.filter(|case| !case.closed || id == *case_id) else { continue };
            if cases.len() == CASES_MAX {
                return Err(RestoreError::TooMany { cases: CASES_MAX });
            }
            let below = graph.view.referrers(project, &id)?.into_iter().map(|(source, ..)| source);
            next.extend(below);
            let owned = id == *case_id;
            cases.push(LiveCase { id, case, owned });
        }
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        let (cases, left_out) = without_bad_links(cases);
        let user = Registration {
            username: &root.name.value,
            password: "",
            user_id: case_id.as_str(),
            date: root.opened_on.unwrap_or(root.server_modified_on),
            user_data: Vec::new(),
        };
        let mut out = Printer::default();
        print::begin(&mut out);
        print::head(&mut out, None, None, &user);
        let has_ledgers = graph.view.any_ledger()?;
        for case in &cases {
            if has_ledgers {
                print::balances(&mut out, &graph.view.ledgers(project, &case.id)?);
            }
            let left_out = left_out.get(&case.id);
            let leave_out = |name: &str| left_out.is_some_and(|names| names.iter().any(|n| n == name));
            graph.view.look_at_case(project, &case.id, |view| {
                print::case_block(&mut out, case.id.as_str(), view, true, leave_out, &[]);
            })?;
        }
        print::end(&mut out);
        Ok(Some(out.take()))
    }
}
