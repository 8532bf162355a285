//! Who may do what to whom, and what is remembered of passwords.

use bolster_auth::{
    Accept, Actor, AuthError, Check, EditUsers, Entrance, Password, Permit, Presented, Project,
};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::AdminError;
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::{Appliance, ServerSettings};
use std::path::Path;
use std::sync::Arc;

const PASSWORD: &str = "correct horse";

struct World {
    app: Appliance,
    clock: Arc<SimClock>,
}

fn new(name: &str, role: Option<&str>) -> NewUser {
    NewUser {
        name: name.into(),
        web: name.contains('@'),
        admin: role == Some("admin"),
        server_admin: false,
        role: role.filter(|r| *r != "admin").map(str::to_owned),
        data: Default::default(),
        locations: Vec::new(),
        groups: Vec::new(),
        profile: None,
        practice: false,
        id: None,
        password: Some(Password::new(PASSWORD)),
    }
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000)));
        let env =
            Env { disk: Arc::new(SimDisk::default()), clock: clock.clone(), random: Arc::new(OsRandom) };
        let options = StoreOptions {
            shard_cache_bytes: 1 << 20,
            log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: false },
            ..StoreOptions::default()
        };
        let app =
            Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens");
        app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
        let world = Self { app, clock };
        for (name, role) in [
            ("chief@example.org", Some("admin")),
            ("helper@example.org", Some("Field Implementer")),
            ("amina", None),
            ("juma", None),
        ] {
            world.app.create_user(&world.operator(), &new(name, role)).expect("a user");
        }
        world
    }

    fn project(&self) -> Arc<Project> {
        self.app.auth().project_named("p").expect("made")
    }

    fn operator(&self) -> Permit<EditUsers> {
        self.app.auth().operator_permit("test", &self.project())
    }

    fn check(&self, name: &str, password: &str) -> Check {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        let header = format!("Basic {text}");
        self.app.auth().check(&Presented {
            project: &self.project(),
            accept: Accept::ANY,
            authorization: Some(header.as_bytes()),
            session: None,
            query_key: None,
            method: "GET",
            target: "/",
            peer: None,
        })
    }

    fn login(&self, name: &str, password: &str) -> Result<Actor, AuthError> {
        match self.check(name, password) {
            Check::Done(result) => result,
            Check::Blocking(check) => check.run(),
        }
    }

    fn is_remembered(&self, name: &str) -> bool {
        matches!(self.check(name, PASSWORD), Check::Done(Ok(_)))
    }

    fn permit(&self, name: &str) -> Permit<EditUsers> {
        let actor = self.login(name, PASSWORD).expect("signs in");
        self.app.auth().permit(&actor, &self.project(), Entrance::Page).expect("may edit users")
    }
}

#[test]
fn nobody_reaches_above_himself() {
    let world = World::new();
    let app = &world.app;
    let helper = world.permit("helper@example.org");
    let refused = |result: Result<(), AdminError>, what: &str| {
        assert!(matches!(result, Err(AdminError::AboveRank { .. })), "{what}: {result:?}");
    };
    app.create_user(&helper, &new("nurse", None)).expect("a mobile worker may be made");
    app.set_password(&helper, "nurse", &Password::new("another horse")).expect("and given a password");
    refused(app.create_user(&helper, &new("x@example.org", Some("admin"))).map(drop), "an administrator");
    refused(app.create_user(&helper, &new("y@example.org", None)).map(drop), "a web user");
    refused(app.create_user(&helper, &new("z", Some("Member"))).map(drop), "a wider role");
    let password = Password::new("another horse");
    refused(app.set_password(&helper, "chief@example.org", &password), "the administrator's password");
    refused(app.set_user_active(&helper, "chief@example.org", false), "the administrator's account");
    refused(
        app.create_api_key(&helper, "chief@example.org", "k", &Default::default()).map(drop),
        "a key of the administrator",
    );

    let chief = world.permit("chief@example.org");
    app.set_user_active(&chief, "helper@example.org", false).expect("an administrator may");
    refused(
        app.set_password(&chief, "helper@example.org", &password),
        "a web user's password opens other projects too",
    );
    app.create_api_key(&chief, "chief@example.org", "k", &Default::default()).expect("one's own key");
    let last = app.set_user_active(&chief, "chief@example.org", false);
    assert!(matches!(last, Err(AdminError::NotPossible(_))), "the last administrator stays: {last:?}");
    let keys = app.api_keys(&world.operator());
    assert_eq!(keys.len(), 1);
    app.revoke_api_key(&chief, &keys[0].1.shown).expect("is revoked");
    assert!(!app.api_keys(&world.operator())[0].1.active);
    app.close();
}

#[test]
fn a_change_of_one_user_costs_the_others_nothing() {
    let world = World::new();
    for name in ["amina", "juma"] {
        assert!(!world.is_remembered(name));
        world.login(name, PASSWORD).expect("signs in");
        assert!(world.is_remembered(name));
    }
    world.app.set_password(&world.operator(), "juma", &Password::new("another horse")).expect("is set");
    assert!(world.is_remembered("amina") && !world.is_remembered("juma"));
    assert!(world.login("juma", PASSWORD).is_err(), "the old password is good for nothing");
    world.app.set_user_active(&world.operator(), "amina", false).expect("is barred");
    assert!(!world.is_remembered("amina"));
    assert!(matches!(world.login("amina", PASSWORD), Err(AuthError::Inactive)));
    world.app.close();
}

#[test]
fn failures_count_for_the_user_however_the_name_is_written() {
    let world = World::new();
    for name in ["amina", "AMINA", "amina@p.commcarehq.org", "Amina@P.commcarehq.org", " amina"] {
        assert!(matches!(world.login(name, "wrong"), Err(AuthError::Wrong)), "{name}");
    }
    assert!(matches!(world.login("amina", PASSWORD), Err(AuthError::LockedOut { .. })));
    world.login("juma", PASSWORD).expect("others sign in");
    world.app.set_password(&world.operator(), "amina", &Password::new(PASSWORD)).expect("is set");
    world.login("amina", PASSWORD).expect("a new password opens the lock");
    world.app.close();
}

#[test]
fn sessions_that_are_over_are_removed() {
    let world = World::new();
    let user = world.app.auth().web_user("chief@example.org").expect("made");
    let token = world.app.log_in_as(&user.id).expect("is stored").expect("is there");
    assert_eq!(world.app.forget_old_sessions().expect("reads"), 0);
    assert!(world.app.auth().signed_in(&token).is_ok());
    world.clock.advance_us(15 * 24 * 3600 * 1_000_000);
    assert!(world.app.auth().signed_in(&token).is_err());
    assert_eq!(world.app.forget_old_sessions().expect("reads"), 1);
    world.app.close();
}
