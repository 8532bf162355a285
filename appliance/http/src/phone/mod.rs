//! What phones ask for besides sending forms: restores, searches, claims.

pub mod claim;
pub(crate) mod fields;
pub mod restore;
pub mod search;

use crate::gate;
use crate::problem::{Challenge, Problem};
use crate::request::Request;
use crate::router::State;
use bolster_auth::{Accept, AuthError, Entrance, Permit, RestoreData};

/// Credentials that phones' addresses take.
const ACCEPT: Accept = Accept { digest: false, ..Accept::ANY };

/// The permit of whoever uses a phone here.
pub(crate) async fn permit(
    state: &State,
    request: &Request,
    name: &str,
) -> Result<Permit<RestoreData>, Problem> {
    let Some(project) = gate::project(state, name) else {
        return Err(Problem::Unknown { challenge: Challenge::Basic });
    };
    if project.maintenance || state.app.settings().maintenance() {
        return Err(Problem::Maintenance);
    }
    let actor = gate::actor(state, request, &project, ACCEPT).await.map_err(|error| match error {
        AuthError::NotMember => Problem::NotHere { project: name.to_owned() },
        error => Problem::NotSignedIn { error, challenge: Challenge::Basic },
    })?;
    Ok(state.app.auth().permit(&actor, &project, Entrance::Phone)?)
}
