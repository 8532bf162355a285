//! Custom data with its fields and profiles, and the end of accounts, as an administrator sees them.

use bolster_auth::{Accept, Action, AuthError, Check, DataField, Password, Permit, Presented, User};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::AdminError;
use bolster_usecases::admin::api_keys::KeyLimits;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::admin::import::{ImportError, ImportHow};
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::admin::workers::UserChange;
use bolster_usecases::nouns::LocationType;
use bolster_usecases::workbook;
use bolster_usecases::{Appliance, ServerSettings};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const PASSWORD: &str = "correct horse";

struct World(Appliance);

impl World {
    fn new() -> Self {
        let clock = Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000)));
        let env = Env { disk: Arc::new(SimDisk::default()), clock, random: Arc::new(OsRandom) };
        let options = StoreOptions {
            shard_cache_bytes: 1 << 20,
            log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: false },
            ..StoreOptions::default()
        };
        let app =
            Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens");
        app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
        Self(app)
    }

    fn permit<A: Action>(&self) -> Permit<A> {
        self.0.auth().operator_permit("test", &self.0.auth().project_named("p").expect("made"))
    }

    fn declare(&self, field: DataField) -> Result<(), String> {
        self.0.put_user_field(&self.permit(), &field).map_err(|error| error.to_string())
    }

    fn worker(&self, name: &str, data: &[(&str, &str)], profile: Option<&str>) -> Result<String, String> {
        let new = NewUser {
            name: name.into(),
            profile: profile.map(str::to_owned),
            data: map(data),
            password: Some(Password::new(PASSWORD)),
            ..NewUser::default()
        };
        let made = self.0.create_user(&self.permit(), &new);
        made.map(|user| user.id.clone()).map_err(|error| error.to_string())
    }

    fn change(&self, name: &str, change: &UserChange) -> Result<(), String> {
        self.0.change_worker(&self.permit(), name, change).map_err(|error| error.to_string())
    }

    fn user(&self, name: &str) -> Option<Arc<User>> {
        self.0.auth().find_user(&self.0.auth().project_named("p").expect("made"), name)
    }

    fn login(&self, name: &str) -> Result<(), AuthError> {
        let project = self.0.auth().project_named("p").expect("made");
        let login = format!("{name}:{PASSWORD}");
        let header = format!("Basic {}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, login));
        let presented = Presented {
            project: &project,
            accept: Accept::BASIC,
            authorization: Some(header.as_bytes()),
            session: None,
            query_key: None,
            method: "GET",
            target: "/",
            peer: None,
        };
        let checked = match self.0.auth().check(&presented) {
            Check::Done(done) => done,
            Check::Blocking(check) => check.run(),
        };
        checked.map(|_| ())
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn data(pairs: &[(&str, &str)]) -> UserChange {
    UserChange { data: map(pairs), ..UserChange::default() }
}

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, String>, part: &str) {
    let error = result.expect_err("is refused");
    assert!(error.contains(part), "{part:?} is not in {error:?}");
}

/// A village from a list, which is needed, and a number by an expression.
fn declared() -> World {
    let world = World::new();
    let village = DataField {
        label: "Village".into(),
        required: true,
        choices: vec!["Kanda".into(), "Mbale".into()],
        ..DataField::plain("village")
    };
    world.declare(village).expect("declared");
    let number = DataField {
        pattern: r"^\d{4}(?!0)\d$".into(),
        pattern_message: "five digits, the last not 0".into(),
        ..DataField::plain("number")
    };
    world.declare(number).expect("declared");
    world
}

#[test]
fn data_must_fit_its_fields() {
    let world = declared();
    refused(world.worker("amina", &[], None), "Village (village) is needed");
    refused(world.worker("amina", &[("village", "Paris")], None), "choose from: Kanda, Mbale");
    let odd = world.worker("amina", &[("village", "Kanda"), ("number", "12340")], None);
    refused(odd, "12340 is not possible as number: five digits, the last not 0");
    let system = world.worker("amina", &[("village", "Kanda"), ("commcare_project", "x")], None);
    refused(system, "commcare_project is set by the server");
    // What no field declares is kept as it is.
    world.worker("amina", &[("village", "Kanda"), ("shoe", "40")], None).expect("made");
    refused(world.change("amina", &data(&[("village", "")])), "is needed");
    refused(world.change("amina", &data(&[("number", "x")])), "five digits");
    world.change("amina", &data(&[("number", "12345"), ("shoe", "")])).expect("changed");
    assert_eq!(world.user("amina").unwrap().user_data, map(&[("number", "12345"), ("village", "Kanda")]));
    // A field that came later is asked for when the data changes, not when something else does.
    let later = DataField { required: true, ..DataField::plain("later") };
    world.declare(later).expect("declared");
    let rename = UserChange { first_name: Some("Amina".into()), ..UserChange::default() };
    world.change("amina", &rename).expect("changed");
    refused(world.change("amina", &data(&[("number", "54321")])), "later (later) is needed");
}

#[test]
fn fields_that_cannot_be() {
    let world = declared();
    let pattern = |text: &str| DataField { pattern: text.into(), ..DataField::plain("a") };
    refused(world.declare(pattern("(")), "is no regular expression");
    refused(world.declare(DataField::plain("commcare_x")), "is set by the server");
    refused(world.declare(DataField::plain("a b")), "cannot be the key of a field");
    let gone = world.0.remove_user_field(&world.permit(), "nothing").map_err(|error| error.to_string());
    refused(gone, "there is no field nothing");
    // An expression that would search for ever fits nothing, and says so soon.
    world.declare(pattern(r"^(a|a|b?)*(?=c)$")).expect("declared");
    let long = "a".repeat(200);
    let made = world.worker("amina", &[("village", "Kanda"), ("a", &long)], None);
    refused(made, "is not possible as a");
}

#[test]
fn a_profile_fixes_fields() {
    let world = declared();
    let put = |name: &str, fields: &[(&str, &str)]| {
        world.0.put_profile(&world.permit(), name, &map(fields)).map_err(|error| error.to_string())
    };
    refused(put("Nurse", &[("village", "Paris")]), "choose from: Kanda, Mbale");
    refused(put("Nurse", &[("colour", "red")]), "colour, which is no field of this project");
    let nurse = put("Nurse", &[("village", "Kanda")]).expect("made");
    refused(world.worker("amina", &[], Some("Cook")), "there is no profile Cook");
    refused(
        world.worker("amina", &[("village", "Mbale")], Some("Nurse")),
        "the profile Nurse fixes village as Kanda, and this worker has Mbale; leave it empty",
    );
    // The profile answers what is needed, and is not kept twice.
    world.worker("amina", &[("village", "Kanda")], Some("Nurse")).expect("made");
    let amina = world.user("amina").unwrap();
    assert_eq!((amina.profile_id.as_deref(), amina.user_data.len()), (Some(nurse.id.as_str()), 0));
    refused(world.change("amina", &data(&[("village", "Mbale")])), "fixes village");
    world.worker("juma", &[("village", "Mbale")], None).expect("made");
    let as_nurse = UserChange { profile: Some("Nurse".into()), ..UserChange::default() };
    refused(world.change("juma", &as_nurse), "this worker has Mbale");
    // Whoever loses the profile needs a value of his own.
    let without = UserChange { profile: Some(String::new()), ..UserChange::default() };
    refused(world.change("amina", &without), "is needed");
    let gone = world.0.remove_profile(&world.permit(), "Nurse").map_err(|error| error.to_string());
    refused(gone, "amina have the profile Nurse");
    let gone = world.0.remove_user_field(&world.permit(), "village").map_err(|error| error.to_string());
    refused(gone, "the profile Nurse fixes village");
    world.change("amina", &data(&[("number", "11111")])).expect("changed");
    refused(put("Nurse", &[("number", "22222")]), "amina have another number of their own");
}

#[test]
fn a_workbook_knows_fields_and_profiles() {
    let world = declared();
    world.0.put_profile(&world.permit(), "Nurse", &map(&[("village", "Kanda")])).expect("made");
    let texts = |row: &[&str]| row.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let import = |rows: &[&[&str]]| {
        let head = ["username", "password", "user_profile", "data: village", "uncategorized_data: shoe"];
        let page = ("users".to_owned(), texts(&head), rows.iter().map(|r| texts(r)).collect());
        let file = workbook::write(&[page]).expect("a workbook");
        world.0.import_workers(&world.permit(), file, ImportHow::default()).map_err(|error| match error {
            ImportError::Problems(problems) => problems.join("\n"),
            other => other.to_string(),
        })
    };
    let problems = import(&[
        &["amina", PASSWORD, "", "Paris", ""],
        &["juma", PASSWORD, "", "", ""],
        &["emi", PASSWORD, "Nurse", "Mbale", ""],
        &["dora", PASSWORD, "Cook", "Mbale", ""],
    ]);
    let problems = problems.expect_err("is refused");
    for part in [
        "row 2: Paris is no choice of Village",
        "row 3: Village (village) is needed",
        "row 4: the profile Nurse fixes village",
        "row 5: there is no profile Cook",
    ] {
        assert!(problems.contains(part), "{part} is not in {problems}");
    }
    assert!(world.user("amina").is_none(), "nothing was taken in");
    let counts = import(&[&["amina", PASSWORD, "Nurse", "", "40"], &["juma", PASSWORD, "", "Mbale", ""]]);
    assert_eq!(counts.expect("taken in").created, 2);
    let file = world.0.export_workers(&world.permit()).expect("a workbook");
    let sheets = workbook::read(file.clone()).expect("a workbook");
    let row = &sheets[0].rows[0];
    assert_eq!(sheets[0].text(row, "user_profile"), "Nurse");
    assert_eq!(sheets[0].text(row, "uncategorized_data: shoe"), "40");
    let again = world.0.import_workers(&world.permit(), file, ImportHow::default()).expect("is read");
    assert_eq!((again.unchanged, again.updated), (2, 0));
    world.0.close();
}

#[test]
fn locations_have_fields_too() {
    let world = World::new();
    let beds = DataField { required: true, pattern: "^[0-9]+$".into(), ..DataField::plain("beds") };
    world.0.put_location_field(&world.permit(), &beds).expect("declared");
    let kind = LocationType { code: "ward".into(), name: "Ward".into(), ..LocationType::default() };
    world.0.put_location_type(&world.permit(), &kind).expect("a type");
    let create = |code: &str, beds: Option<&str>| {
        let data = beds.map(|beds| ("beds".to_owned(), beds.to_owned())).into_iter().collect();
        let new =
            NewLocation { site_code: code.into(), type_code: "ward".into(), data, ..NewLocation::default() };
        world.0.create_location(&world.permit(), &new).map(|l| l.id).map_err(|error| error.to_string())
    };
    refused(create("a", None), "beds (beds) is needed");
    refused(create("a", Some("many")), "many is not possible as beds: it must fit ^[0-9]+$");
    create("a", Some("12")).expect("made");
}

#[test]
fn a_deleted_account_is_gone_and_its_name_free() {
    let world = World::new();
    let id = world.worker("amina", &[], None).expect("made");
    let group = GroupChange { name: "Nurses".into(), add: vec!["amina".into()], ..GroupChange::default() };
    world.0.create_group(&world.permit(), &group).expect("made");
    world.0.create_api_key(&world.permit(), "amina", "test", &KeyLimits::default()).expect("made");
    assert!(world.login("amina").is_ok());
    let token = world.0.log_in_as(&id).expect("stored").expect("is there");
    let delete = |confirmed: &str| {
        world.0.delete_user(&world.permit(), "amina", confirmed).map_err(|error| error.to_string())
    };
    refused(delete(""), "type the name amina once more to confirm it. This account owns no open case");
    refused(delete("juma"), "amina is not deleted");
    assert!(world.login("amina").is_ok(), "nothing has happened");
    assert_eq!(delete(" Amina "), Ok(0));
    assert!(matches!(world.login("amina"), Err(AuthError::Deleted)));
    assert!(matches!(world.0.auth().signed_in(&token), Err(AuthError::SessionEnded)));
    assert!(world.0.auth().keys_of(&id).iter().all(|key| !key.active));
    assert!(
        world.0.nouns(world.permit::<bolster_auth::ViewUsers>().project().id).unwrap().groups[0]
            .users
            .is_empty()
    );
    assert!(world.0.auth().members(world.permit::<bolster_auth::ViewUsers>().project().id).is_empty());
    assert_eq!(
        world.0.auth().user(&id).map(|u| u.username.clone()).as_deref(),
        Some("amina"),
        "for old forms"
    );
    refused(delete("amina"), "there is no user amina");
    // The name is free, and the new account is another.
    let second = world.worker("amina", &[], None).expect("made");
    assert_ne!(second, id);
    assert!(world.login("amina").is_ok());
    let back = world.0.undelete_worker(&world.permit(), &id);
    assert!(matches!(back, Err(AdminError::Exists { .. })), "somebody else has the name");
    assert_eq!(delete("amina@p.commcarehq.org"), Ok(0));
    let back = world.0.undelete_worker(&world.permit(), &id).expect("brought back");
    assert!(back.active && back.id == id);
    assert!(world.login("amina").is_ok());
    let acts: Vec<String> = world
        .0
        .audit_trail(&world.permit(), None, 100)
        .expect("reads")
        .into_iter()
        .map(|line| line.action)
        .collect();
    assert!(acts.iter().filter(|a| *a == "mobile worker deleted").count() == 2, "{acts:?}");
    assert!(acts.iter().any(|a| a == "deletion of mobile worker undone"), "{acts:?}");
    world.0.close();
}

#[test]
fn a_worker_is_moved_between_places_and_groups() {
    let world = World::new();
    let kind = LocationType { code: "ward".into(), name: "Ward".into(), ..LocationType::default() };
    world.0.put_location_type(&world.permit(), &kind).expect("a type");
    for code in ["north", "south"] {
        let new = NewLocation { site_code: code.into(), type_code: "ward".into(), ..NewLocation::default() };
        world.0.create_location(&world.permit(), &new).expect("made");
    }
    for name in ["Nurses", "Cooks"] {
        let group = GroupChange { name: name.into(), ..GroupChange::default() };
        world.0.create_group(&world.permit(), &group).expect("made");
    }
    let id = world.worker("amina", &[], None).expect("made");
    let texts = |all: &[&str]| Some(all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    let change = UserChange {
        locations: texts(&["south", "north", "south"]),
        groups: texts(&["Nurses"]),
        ..UserChange::default()
    };
    world.change("amina", &change).expect("changed");
    let nouns = || world.0.nouns(world.permit::<bolster_auth::ViewUsers>().project().id).expect("reads");
    let south = nouns().locations.by_site_code("south").expect("made").id.clone();
    let amina = world.user("amina").unwrap();
    assert_eq!((amina.locations.len(), &amina.locations[0]), (2, &south), "the first is the primary one");
    let groups = |nouns: &bolster_usecases::nouns::Nouns| {
        let mine = nouns.groups.iter().filter(|g| g.users.contains(&id));
        mine.map(|g| g.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(groups(&nouns()), ["Nurses"]);
    let change = UserChange { groups: texts(&["Cooks"]), ..UserChange::default() };
    world.change("amina", &change).expect("changed");
    assert_eq!(groups(&nouns()), ["Cooks"]);
    let nowhere = UserChange { groups: texts(&["Drivers"]), locations: texts(&[]), ..UserChange::default() };
    refused(world.change("amina", &nowhere), "there is no group Drivers");
    assert_eq!(world.user("amina").unwrap().locations.len(), 2, "all or nothing");
    world.0.close();
}
