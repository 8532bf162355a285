//! What phones ask for besides sending forms: restores, searches, claims.

pub mod case_restore;
pub mod claim;
pub(crate) mod fields;
pub mod restore;
pub mod search;

use crate::gate;
use crate::problem::{Challenge, Problem};
use crate::request::Request;
use crate::router::State;
use bolster_auth::{Accept, AuthError, Entrance, Permit, Project, Refused, RestoreData};
use hyper::header::HeaderName;
use std::sync::Arc;

/// Digest of a request that a web runtime signed.
const MAC_DIGEST: HeaderName = HeaderName::from_static("x-mac-digest");

/// Credentials that phones' addresses take.
const ACCEPT: Accept = Accept { digest: false, ..Accept::ANY };

/// The project of a phone's address, open for phones now.
fn open_project(state: &State, name: &str) -> Result<Arc<Project>, Problem> {
    let Some(project) = gate::project(state, name) else {
        return Err(Problem::Unknown { challenge: Challenge::Basic });
    };
    if project.maintenance || state.app.settings().maintenance() {
        return Err(Problem::Maintenance);
    }
    Ok(project)
}

/// The permit of a web runtime that signed the address of this request; `None` when it is not signed.
pub(crate) fn signed(
    state: &State,
    request: &Request,
    name: &str,
) -> Result<Option<Permit<RestoreData>>, Problem> {
    let Some(digest) = request.header_text(&MAC_DIGEST, 200) else { return Ok(None) };
    let project = open_project(state, name)?;
    let refused = |error| Problem::NotSignedIn { error, challenge: Challenge::Basic };
    let key = state.options.runtime_key.as_ref().ok_or_else(|| refused(AuthError::Wrong))?;
    if !project.active {
        return Err(Problem::Refused(Refused::ProjectInactive));
    }
    let signed = (request.target().as_bytes(), digest.as_str());
    state.app.auth().signed_permit(key.bytes(), signed, &project).map(Some).map_err(refused)
}

/// The permit of whoever uses a phone here: one rule for all of phones' addresses. Nobody and strangers get
/// 401, so that the phone asks for a password; who belongs here and may not use a phone 403; whose account is
/// switched off or gone 406 with a word that the phone can show.
pub(crate) async fn permit(
    state: &State,
    request: &Request,
    name: &str,
) -> Result<Permit<RestoreData>, Problem> {
    let project = open_project(state, name)?;
    let actor = gate::actor(state, request, &project, ACCEPT).await.map_err(|error| match error {
        AuthError::NotMember => Problem::NotHere { project: name.to_owned() },
        error => Problem::NotSignedIn { error, challenge: Challenge::Basic },
    })?;
    Ok(state.app.auth().permit(&actor, &project, Entrance::Phone)?)
}
