//! Claims, against a real appliance.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, bail, ensure};
use bolster_auth::{EditUsers, Entrance, Password, Permit, Project, RestoreData};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_model::{Case, CaseId, SubmissionInfo, Timestamp};
use bolster_store::{LogOptions, ReadExt, StoreOptions};
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::claim_case::{CLAIM_TYPE, Claim, ClaimOutcome};
use bolster_usecases::{Appliance, FormUpload, ServerSettings, SubmitMode};
use bolster_wire::restore::Printer;
use serde_json::Value;

struct World {
    app: Appliance,
    project: Arc<Project>,
    users: Vec<(String, String)>,
}

impl World {
    fn new() -> Result<Self> {
        let clock = SimClock::at(Timestamp(1_700_000_000_000_000));
        let env =
            Env { disk: Arc::new(SimDisk::default()), clock: Arc::new(clock), random: Arc::new(OsRandom) };
        let options = StoreOptions {
            shard_cache_bytes: 1 << 20,
            log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: false },
            ..StoreOptions::default()
        };
        let app = Appliance::open(env, Path::new("/data"), options, ServerSettings::default())?;
        let project = app.create_project(&app.auth().operator_node_permit("vectors"), "claims")?;
        Ok(Self { app, project, users: Vec::new() })
    }

    /// Id of a user, who is made when first named.
    fn user(&mut self, name: &str) -> Result<String> {
        if let Some((_, id)) = self.users.iter().find(|(known, _)| known == name) {
            return Ok(id.clone());
        }
        let new = NewUser {
            name: name.replace('_', "."),
            web: false,
            admin: false,
            server_admin: false,
            role: None,
            data: Default::default(),
            locations: Vec::new(),
            groups: Vec::new(),
            profile: None,
            practice: false,
            id: Some(name.to_owned()),
            password: Some(Password::new("only for this run".to_owned())),
        };
        let permit = self.app.auth().operator_permit::<EditUsers>("vectors", &self.project);
        let made = self.app.create_user(&permit, &new)?;
        self.users.push((name.to_owned(), made.id.clone()));
        Ok(made.id.clone())
    }

    /// The operator may act as anybody.
    fn permit(&self) -> Result<Permit<RestoreData>> {
        let actor = self.app.auth().operator("vectors");
        Ok(self.app.auth().permit(&actor, &self.project, Entrance::Local)?)
    }

    fn create(&self, case: &Value) -> Result<()> {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let mut out = Printer::default();
        out.raw("<data xmlns=\"http://example.org/vectors\"><case xmlns=\"http://commcarehq.org/case/transaction/v2\"");
        out.attribute("case_id", text("case_id"));
        out.attribute("date_modified", "2023-01-01T00:00:00.000000Z");
        out.raw("><create>");
        out.element("case_type", text("case_type"));
        out.element("case_name", text("name"));
        out.element("owner_id", text("owner_id"));
        out.raw("</create></case><meta><instanceID>setup</instanceID></meta></data>");
        let upload = FormUpload {
            project: self.project.id,
            xml: out.take(),
            info: SubmissionInfo {
                received_on: Timestamp(1_700_000_000_000_000),
                ..SubmissionInfo::default()
            },
            mode: SubmitMode { noauth: false, demo: false, import: false },
            refused: None,
        };
        let (tell, told) = sync_channel(1);
        self.app.submit(self.app.auth().operator_permit("vectors", &self.project), upload, move |result| {
            // The receiver waits below.
            let _ = tell.send(result);
        });
        told.recv()??;
        Ok(())
    }

    /// Open claims of a case.
    fn claims(&self, host: &str) -> Result<Vec<Case>> {
        let view = self.app.store().view();
        let mut claims = Vec::new();
        for (source, ..) in view.referrers(self.project.id, &CaseId(host.to_owned()))? {
            claims.extend(
                view.case(self.project.id, &source)?.filter(|case| case.case_type.value == CLAIM_TYPE),
            );
        }
        Ok(claims)
    }
}

pub fn run(vector: &Value) -> Result<()> {
    let mut world = World::new()?;
    let host = vector["case"]["case_id"].as_str().context("no case")?;
    world.create(&vector["case"])?;
    for step in vector["steps"].as_array().context("no steps")? {
        let name = step["as"].as_str().context("nobody claims")?;
        let claimant = world.user(step["login_as"].as_str().unwrap_or(name))?;
        let claimant = world.app.auth().user(&claimant).context("no user")?.username.clone();
        let case_ids = match &step["post"]["case_id"] {
            Value::String(id) => vec![id.clone()],
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let claim = Claim { case_ids, as_user: Some(claimant), token: None };
        let before = world.claims(host)?.len();
        let outcome = world.app.claim_cases(&world.permit()?, &claim)?;
        let claimed = world.claims(host)?.len() > before;
        // The vectors' 200 and 409 are those of an older server: 201 and 204 today.
        let fits = match step["status"].as_u64() {
            Some(200 | 201) => outcome == ClaimOutcome::Sync && claimed,
            Some(204 | 409) => !claimed && !matches!(outcome, ClaimOutcome::Missing(_)),
            Some(404 | 410) => matches!(outcome, ClaimOutcome::Missing(_)),
            _ => bail!("a step without status"),
        };
        ensure!(fits, "{step}: {outcome:?}, claimed: {claimed}");
    }
    let claims = world.claims(host)?;
    let expected = vector["expect"]["claims"].as_array().context("no claims expected")?;
    ensure!(claims.len() == expected.len(), "{} claims, expected {}", claims.len(), expected.len());
    for wanted in expected {
        let owner = wanted["owner_id"].as_str().map(|name| world.user(name)).transpose()?;
        let fits = |case: &&Case| {
            let text = |key: &str, got: &str| wanted[key].as_str().is_none_or(|wanted| wanted == got);
            let index = &wanted["index"];
            owner.as_ref().is_none_or(|owner| *owner == case.owner_id.value)
                && text("case_type", &case.case_type.value)
                && text("name", &case.name.value)
                && (index.is_null()
                    || case.indices.iter().any(|i| {
                        index["identifier"] == i.identifier.as_str()
                            && index["referenced_id"] == i.referenced_id.as_str()
                            && i.relationship == bolster_model::Relationship::Extension
                    }))
        };
        ensure!(claims.iter().any(|case| fits(&case)), "no claim is as expected: {wanted}");
    }
    Ok(())
}
