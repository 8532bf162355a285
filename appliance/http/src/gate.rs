//! From a request to an actor, and from the actor to a permit. Every resource with data goes through here.

use crate::problem::{Challenge, Problem};
use crate::request::{Request, SESSION_COOKIE};
use crate::router::State;
use bolster_auth::{Accept, Action, Actor, AuthError, Check, Entrance, Permit, Presented, Project, Refused};
use hyper::header::AUTHORIZATION;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The project that an address names.
pub fn project(state: &State, name: &str) -> Option<Arc<Project>> {
    state.app.auth().project_named(name)
}

/// Who sends the request, by the kinds of credentials that are taken here.
pub async fn actor(
    state: &State,
    request: &Request,
    project: &Arc<Project>,
    accept: Accept,
) -> Result<Actor, AuthError> {
    match state.app.auth().check(&presented(request, project, accept, query_key(request, accept).as_ref())) {
        Check::Done(result) => result,
        Check::Blocking(check) => match spawn_blocking(move || check.run()).await {
            Ok(result) => result,
            // Only when the runtime ends, or by a fault that was logged where it happened.
            Err(_) => Err(AuthError::Busy),
        },
    }
}

/// `username` and `api_key` of the query.
fn query_key(request: &Request, accept: Accept) -> Option<(String, String)> {
    if !accept.api_key || request.head.uri.query().is_none() {
        return None;
    }
    Some((request.query("username")?.into_owned(), request.query("api_key")?.into_owned()))
}

fn presented<'a>(
    request: &'a Request,
    project: &'a Arc<Project>,
    accept: Accept,
    query_key: Option<&'a (String, String)>,
) -> Presented<'a> {
    Presented {
        project,
        accept,
        authorization: request.headers().get(AUTHORIZATION).map(|v| v.as_bytes()),
        session: if accept.session { request.cookie(SESSION_COOKIE) } else { None },
        query_key: query_key.map(|(name, key)| (name.as_str(), key.as_str())),
        method: request.head.method.as_str(),
        target: request.target(),
        peer: Some(request.peer.ip().to_canonical()),
    }
}

/// A permit by the programs' door: any credentials.
pub async fn api<A: Action>(state: &State, request: &Request, name: &str) -> Result<Permit<A>, Problem> {
    let Some(project) = project(state, name) else {
        // Not even whether a project exists is told to those who do not belong to it.
        return Err(Problem::Unknown { challenge: Challenge::Digest });
    };
    let actor = actor(state, request, &project, Accept::ANY).await.map_err(|error| {
        let challenge = if project.digest_auth { Challenge::Digest } else { Challenge::Basic };
        Problem::NotSignedIn { error, challenge }
    })?;
    Ok(state.app.auth().permit(&actor, &project, Entrance::Api)?)
}

/// Somebody at a browser.
pub struct Visitor {
    /// Who.
    pub actor: Actor,
    /// Where.
    pub project: Arc<Project>,
}

/// Somebody with a session that belongs to the project.
pub async fn visitor(state: &State, request: &Request, name: &str) -> Result<Visitor, Problem> {
    let refused = |error| Problem::NotSignedIn { error, challenge: Challenge::Page };
    let Some(project) = project(state, name) else {
        signed_in(state, request).await?;
        return Err(Problem::Refused(Refused::NotMember));
    };
    let actor = actor(state, request, &project, Accept::SESSION).await.map_err(refused)?;
    Ok(Visitor { actor, project })
}

impl Visitor {
    /// A permit in the browser.
    pub fn permit<A: Action>(&self, state: &State) -> Result<Permit<A>, Problem> {
        Ok(state.app.auth().permit(&self.actor, &self.project, Entrance::Page)?)
    }
}

/// Somebody with a session, wherever it belongs.
pub async fn signed_in(state: &State, request: &Request) -> Result<bolster_auth::SignedIn, Problem> {
    let refused = |error| Problem::NotSignedIn { error, challenge: Challenge::Page };
    let token = request.cookie(SESSION_COOKIE).ok_or_else(|| refused(AuthError::Missing))?;
    state.app.auth().signed_in(token).map_err(refused)
}

/// A permit by the programs' door, or in the browser for who comes with a session and nothing else.
pub async fn api_or_page<A: Action>(
    state: &State,
    request: &Request,
    name: &str,
) -> Result<Permit<A>, Problem> {
    let by_session = request.cookie(SESSION_COOKIE).is_some()
        && !request.headers().contains_key(AUTHORIZATION)
        && request.query("api_key").is_none();
    if by_session {
        return visitor(state, request, name).await?.permit(state);
    }
    api(state, request, name).await
}
