//! Places, groups and lookup tables: what is refused, what an import changes, and that a workbook written is a
//! workbook read.

use bolster_auth::{Action, Password, Permit};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_model::Timestamp;
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::AdminError;
use bolster_usecases::admin::groups::GroupChange;
use bolster_usecases::admin::import::{ImportCounts, ImportError, ImportHow};
use bolster_usecases::admin::places::NewLocation;
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::nouns::LocationType;
use bolster_usecases::workbook::{self, Page};
use bolster_usecases::{Appliance, ServerSettings};
use std::path::Path;
use std::sync::Arc;

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

    fn kind(&self, code: &str, parent: Option<&str>) {
        let kind = LocationType {
            code: code.into(),
            name: code.into(),
            parent: parent.map(str::to_owned),
            shares_cases: true,
            ..LocationType::default()
        };
        self.0.put_location_type(&self.permit(), &kind).expect("a type");
    }

    fn place(&self, code: &str, kind: &str, parent: Option<&str>) -> Result<String, AdminError> {
        let new = NewLocation {
            site_code: code.into(),
            type_code: kind.into(),
            parent: parent.map(str::to_owned),
            ..NewLocation::default()
        };
        self.0.create_location(&self.permit(), &new).map(|l| l.id)
    }

    fn worker(&self, name: &str, locations: &[&str], groups: &[&str]) -> Result<String, AdminError> {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
        let new = NewUser {
            name: name.into(),
            web: false,
            admin: false,
            server_admin: false,
            role: None,
            data: Default::default(),
            locations: texts(locations),
            groups: texts(groups),
            profile: None,
            practice: false,
            id: None,
            password: Some(Password::new("correct horse")),
        };
        self.0.create_user(&self.permit(), &new).map(|u| u.id.clone())
    }

    fn tables(&self, pages: &[Page], how: ImportHow) -> Result<ImportCounts, String> {
        let file = workbook::write(pages).expect("a workbook");
        match self.0.import_tables(&self.permit(), file, how) {
            Ok(counts) => Ok(counts.rows),
            Err(ImportError::Problems(problems)) => Err(problems.join("\n")),
            Err(error) => panic!("{error}"),
        }
    }

    fn rows(&self) -> usize {
        let project = self.0.auth().project_named("p").expect("made").id;
        self.0.nouns(project).expect("reads").tables.iter().map(|(_, rows)| rows.len()).sum()
    }
}

fn page(name: &str, rows: &[&[&str]]) -> Page {
    let texts = |row: &&[&str]| row.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    (name.to_owned(), texts(&rows[0]), rows[1..].iter().map(texts).collect())
}

fn counts(created: usize, updated: usize, deleted: usize, unchanged: usize) -> ImportCounts {
    ImportCounts { created, updated, deleted, unchanged }
}

#[test]
fn a_tree_grows_and_is_pruned() {
    let world = World::new();
    world.kind("district", None);
    world.kind("village", Some("district"));
    let north = world.place("north", "district", None).expect("made");
    world.place("kanda", "village", Some("north")).expect("made");
    for (code, kind, parent, problem) in [
        ("north", "district", None, "location north exists already"),
        ("Kanda", "village", Some("north"), "a site code is"),
        ("x", "village", None, "lies in a district; say in which"),
        ("x", "village", Some("kanda"), "and kanda is a village"),
        ("x", "planet", None, "there is no location type planet"),
        ("x", "village", Some("south"), "there is no location south"),
    ] {
        let error = world.place(code, kind, parent).expect_err(code).to_string();
        assert!(error.contains(problem), "{code}: {error}");
    }
    assert!(world.worker("amina", &["nowhere"], &[]).is_err());
    assert!(world.worker("amina", &["kanda"], &["Nurses"]).is_err(), "there is no such group");
    let group = GroupChange { name: "Nurses".into(), case_sharing: Some(true), ..GroupChange::default() };
    let group = world.0.create_group(&world.permit(), &group).expect("a group");
    let amina = world.worker("amina", &["kanda", "north"], &["Nurses"]).expect("a worker");
    let project = world.0.auth().project_named("p").expect("made").id;
    let nouns = world.0.nouns(project).expect("reads");
    assert_eq!(nouns.groups[0].users, std::slice::from_ref(&amina));
    let sharing: Vec<String> = nouns
        .sharing(&amina, &world.0.auth().user(&amina).expect("made").locations)
        .into_iter()
        .map(|s| s.1)
        .collect();
    assert_eq!(sharing, ["Nurses", "north/kanda-Cases", "north-Cases"]);

    assert_eq!(world.0.archive_location(&world.permit(), "north", true).expect("is archived"), 2);
    assert!(world.0.auth().user(&amina).expect("made").locations.is_empty(), "nobody works there any more");
    let alone =
        world.0.archive_location(&world.permit(), "kanda", false).expect_err("lies in an archived one");
    assert!(alone.to_string().contains("is archived"), "{alone}");
    world.0.archive_location(&world.permit(), "north", false).expect("is back");
    assert_eq!(world.0.delete_location(&world.permit(), &north).expect("is gone"), 2);
    assert_eq!(world.0.nouns(project).expect("reads").locations.all().len(), 0);
    let leave = GroupChange { name: group.id, remove: vec!["amina".into()], ..GroupChange::default() };
    assert!(world.0.change_group(&world.permit(), &leave).expect("is changed").users.is_empty());
    world.0.delete_group(&world.permit(), "Nurses").expect("is gone");
    world.0.close();
}

#[test]
fn a_tree_comes_and_goes_as_a_workbook() {
    let world = World::new();
    let import = |pages: &[Page], check: bool| {
        let file = workbook::write(pages).expect("a workbook");
        let how = ImportHow { check, replace: false };
        world.0.import_locations(&world.permit(), file, how).map_err(|error| error.to_string())
    };
    let types = page(
        "types",
        &[
            &["code", "name", "parent_code", "Delete(Y/N)", "Shares Cases Y/N", "View Child Cases (Y/N)"],
            &["district", "District", "", "N", "N", "Y"],
            &["village", "Village", "district", "N", "Y", "N"],
        ],
    );
    let head = ["site_code", "name", "parent_site_code", "latitude", "data: beds"];
    let districts = page("district", &[&head, &["north", "North", "", "", ""]]);
    let bad =
        page("village", &[&head, &["kanda", "Kanda", "nowhere", "91", ""], &["", "Lumi", "north", "", ""]]);
    let problems = import(&[types.clone(), districts.clone(), bad], false).expect_err("is refused");
    for part in
        ["sheet village, row 2: there is no location nowhere", "sheet village, row 3: it needs a site_code"]
    {
        assert!(problems.contains(part), "{part} is not in {problems}");
    }
    let villages = page("village", &[&head, &["kanda", "Kanda", "north", "-1.5", "12"]]);
    let pages = [types, districts, villages];
    assert_eq!(import(&pages, true), Ok(counts(2, 0, 0, 0)));
    assert_eq!(import(&pages, false), Ok(counts(2, 0, 0, 0)), "the check changed nothing");
    assert_eq!(import(&pages, false), Ok(counts(0, 0, 0, 2)));
    let file = world.0.export_locations(&world.permit()).expect("a workbook");
    let how = ImportHow::default();
    let again = world.0.import_locations(&world.permit(), file, how).expect("what was written is read");
    assert_eq!(again, counts(0, 0, 0, 2));
    world.0.close();
}

#[test]
fn tables_come_as_workbooks() {
    let world = World::new();
    world.kind("village", None);
    world.place("kanda", "village", None).expect("made");
    world.worker("amina", &[], &[]).expect("made");
    let types = page(
        "types",
        &[
            &[
                "Delete(Y/N)",
                "table_id",
                "is_global?",
                "field 1",
                "field 1: is_indexed?",
                "field 2",
                "field 2 : property 1",
                "property 1",
            ],
            &["N", "pump", "no", "code", "yes", "label", "lang", "since"],
        ],
    );
    let head = [
        "UID",
        "Delete(Y/N)",
        "field: code",
        "field: label 1",
        "label: lang 1",
        "field: label 2",
        "label: lang 2",
        "property: since",
        "user 1",
        "location 1",
    ];
    let rows = page(
        "pump",
        &[
            &head,
            &["", "N", "007", "Hand pump", "en", "Pompe", "fr", "2020", "Amina", ""],
            &["", "N", "P2", "Solar", "en", "", "", "", "", "kanda"],
        ],
    );
    let how = ImportHow::default();
    assert_eq!(
        world.tables(&[types.clone(), rows.clone()], ImportHow { check: true, ..how }),
        Ok(counts(2, 0, 0, 0))
    );
    assert_eq!(world.rows(), 0, "a check changes nothing");
    assert_eq!(world.tables(&[types.clone(), rows.clone()], how), Ok(counts(2, 0, 0, 0)));
    let project = world.0.auth().project_named("p").expect("made").id;
    let nouns = world.0.nouns(project).expect("reads");
    let (table, stored) = &nouns.tables[0];
    assert!(table.fields[0].indexed && !table.is_global);
    let labels: Vec<&str> = stored[0].fields["label"].iter().map(|v| v.value.as_str()).collect();
    assert_eq!((labels, stored[0].fields["code"][0].value.as_str()), (vec!["Hand pump", "Pompe"], "007"));
    assert_eq!(stored[0].fields["label"][1].properties["lang"], "fr");
    assert_eq!(
        (stored[0].users.len(), stored[1].locations.len(), stored[1].fields["label"].len()),
        (1, 1, 1)
    );

    let file = world.0.export_tables(&world.permit(), &[]).expect("a workbook");
    let again = world.0.import_tables(&world.permit(), file, how).expect("what was written is read");
    assert_eq!((again.tables, again.rows), (counts(0, 0, 0, 1), counts(0, 0, 0, 2)));
    // Rows without UID are new ones, as on CommCare HQ; replacing takes the others away.
    assert_eq!(world.tables(&[types.clone(), rows.clone()], how), Ok(counts(2, 0, 0, 0)));
    assert_eq!(world.rows(), 4);
    assert_eq!(world.tables(&[types, rows], ImportHow { replace: true, ..how }), Ok(counts(2, 0, 4, 0)));
    let gone = page("types", &[&["Delete(Y/N)", "table_id"], &["Y", "pump"]]);
    assert_eq!(world.tables(&[gone], how), Ok(counts(0, 0, 2, 0)));
    assert_eq!(world.rows(), 0);
    world.0.close();
}

#[test]
fn every_problem_of_a_table_is_named_and_nothing_is_changed() {
    let world = World::new();
    let types = page(
        "types",
        &[
            &["table_id", "is_global?", "field 1", "field 2", "colour"],
            &["pump", "maybe", "code", "code", ""],
            &["1st", "yes", "a", "", ""],
            &["empty", "yes", "", "", ""],
            &["pump", "yes", "a", "", ""],
            &["lonely", "yes", "a", "", ""],
        ],
    );
    let rows = page(
        "pump",
        &[
            &["UID", "Delete(Y/N)", "field: code", "user 1", "field: other"],
            &["a", "N", "1", "nobody", ""],
            &["a", "N", "2", "", ""],
            &["b", "Y", "3", "", ""],
            &["", "perhaps", "4", "", ""],
        ],
    );
    let other = page("unnamed", &[&["x"]]);
    let problems = world.tables(&[types, rows, other], ImportHow::default()).expect_err("is refused");
    for part in [
        "sheet types: nothing is known of a column \"colour\"",
        "sheet types, row 2: is_global? is yes or no",
        "sheet types, row 2: the field code is here twice",
        "sheet types, row 3: \"1st\" cannot be a table_id",
        "sheet types, row 4: table empty has neither fields nor properties",
        "sheet types, row 5: table pump is here twice",
        "the workbook needs a sheet named \"lonely\"",
        "sheet unnamed: the sheet types names no such table",
        "sheet pump: nothing is known of a column \"field: other\"",
        "sheet pump, row 2: there is no user nobody",
        "sheet pump, row 3: the UID a is here twice",
        "sheet pump, row 4: a row to delete needs the UID of one that exists",
        "sheet pump, row 5: Delete(Y/N) is Y or N",
    ] {
        assert!(problems.contains(part), "{part} is not in\n{problems}");
    }
    assert_eq!(world.rows(), 0);
    world.0.close();
}

#[test]
fn workers_come_as_workbooks() {
    let world = World::new();
    world.kind("village", None);
    for code in ["kanda", "mbale"] {
        world.place(code, "village", None).expect("made");
    }
    let group = GroupChange { name: "Nurses".into(), ..GroupChange::default() };
    world.0.create_group(&world.permit(), &group).expect("a group");
    world.worker("juma", &[], &["Nurses"]).expect("made");
    let import = |rows: &[&[&str]], check: bool| {
        let file = workbook::write(&[page("users", rows)]).expect("a workbook");
        let how = ImportHow { check, replace: false };
        world.0.import_workers(&world.permit(), file, how).map_err(|error| error.to_string())
    };
    let head = [
        "username",
        "password",
        "name",
        "group 1",
        "location_code 1",
        "location_code 2",
        "data: shoe",
        "is_active",
    ];
    let problems = import(
        &[
            &head,
            &["amina", "", "", "", "", "", "", ""],
            &["b c", "correct horse", "", "", "", "", "", ""],
            &["dora", "x", "", "Cooks", "", "", "", ""],
            &["emi", "correct horse", "", "", "nowhere", "", "", "perhaps"],
            &["juma", "", "", "", "", "", "", ""],
            &["Juma", "", "", "", "", "", "", ""],
        ],
        false,
    )
    .expect_err("is refused");
    for part in [
        "sheet users, row 2: amina is new and needs a password",
        "sheet users, row 3: b c cannot be the name of a mobile worker",
        "sheet users, row 4: ",
        "sheet users, row 5: is_active is yes or no",
        "sheet users, row 7: juma is here twice",
    ] {
        assert!(problems.contains(part), "{part} is not in {problems}");
    }
    let rows: [&[&str]; 3] = [
        &head,
        &["amina", "correct horse", "Amina K. Odhiambo", "Nurses", "mbale", "kanda", "40", ""],
        &["juma", "****", "", "", "kanda", "", "", "no"],
    ];
    assert_eq!(import(&rows, true), Ok(counts(1, 1, 0, 0)));
    assert_eq!(import(&rows, false), Ok(counts(1, 1, 0, 0)), "the check changed nothing");
    let project = world.0.auth().project_named("p").expect("made");
    let amina = world.0.auth().find_user(&project, "amina").expect("made");
    assert_eq!((amina.first_name.as_str(), amina.last_name.as_str()), ("Amina", "K. Odhiambo"));
    assert_eq!((amina.locations.len(), amina.user_data["shoe"].as_str()), (2, "40"));
    let juma = world.0.auth().find_user(&project, "juma").expect("made");
    assert!(!juma.active && juma.locations.len() == 1);
    let nouns = world.0.nouns(project.id).expect("reads");
    assert_eq!(
        nouns.groups[0].users,
        std::slice::from_ref(&amina.id),
        "an empty cell takes out of the group"
    );
    let file = world.0.export_workers(&world.permit()).expect("a workbook");
    let again = world
        .0
        .import_workers(&world.permit(), file, ImportHow::default())
        .expect("what was written is read");
    assert_eq!(again, counts(0, 0, 0, 2));
    world.0.close();
}
