//! Searching the cases of the store: pages, lists, limits, and what was committed a moment ago.

use bolster_auth::{Entrance, Permit, RestoreData};
use bolster_env::{Clock, Env, OsRandom, SimClock, SimDisk, SystemClock};
use bolster_model::{SubmissionInfo, Timestamp};
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::search_cases::SearchAnswer;
use bolster_usecases::{Appliance, FormUpload, ServerSettings, SubmitMode};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

struct World {
    app: Appliance,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000)));
        let env = Env { disk: Arc::new(SimDisk::default()), clock, random: Arc::new(OsRandom) };
        let options = StoreOptions {
            log: LogOptions { segment_bytes: 8 << 20, prepare_ahead: false },
            ..StoreOptions::default()
        };
        let app =
            Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens");
        for project in ["p", "far"] {
            app.create_project(&app.auth().operator_node_permit("test"), project).expect("a project");
        }
        Self { app }
    }

    fn submit(&self, project: &str, id: &str, blocks: &str) {
        let project = self.app.auth().project_named(project).expect("there");
        let xml = format!(
            "<data xmlns=\"http://example.org/f\">{blocks}<meta><instanceID>{id}</instanceID></meta></data>"
        );
        let info =
            SubmissionInfo { received_on: Timestamp(1_785_000_000_000_000), ..SubmissionInfo::default() };
        let upload = FormUpload {
            project: project.id,
            xml: xml.into_bytes(),
            info,
            mode: SubmitMode { noauth: false, demo: false, import: false },
            refused: None,
        };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.app.submit(self.app.auth().operator_permit("test", &project), upload, move |result| {
            let _ = tell.send(result);
        });
        told.recv().expect("an answer").expect("accepted");
    }

    /// Cases `c0`, `c1` … of two types and ten owners; every third has a parent.
    fn fill(&self, count: usize) {
        for (form, numbers) in (0..count).collect::<Vec<_>>().chunks(500).enumerate() {
            let mut blocks = String::new();
            for n in numbers {
                let index = match n % 3 {
                    0 => format!("<index><parent case_type=\"a\">c{}</parent></index>", n / 3),
                    _ => String::new(),
                };
                let _ = write!(
                    blocks,
                    "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"c{n}\" \
                     date_modified=\"2026-01-01T00:00:00Z\"><create><case_type>{}</case_type><case_name>n{n}</case_name>\
                     <owner_id>o{}</owner_id></create><update><age>{}</age></update>{index}</case>",
                    ["a", "b"][n % 2],
                    n % 10,
                    n % 97,
                );
            }
            self.submit("p", &format!("f{form}"), &blocks);
        }
    }

    fn permit(&self, project: &str) -> Permit<RestoreData> {
        let project = self.app.auth().project_named(project).expect("there");
        let actor = self.app.auth().operator("test");
        self.app.auth().permit(&actor, &project, Entrance::Local).expect("the operator may")
    }

    fn search(&self, parameters: &[(&str, &str)]) -> SearchAnswer {
        let parameters: Vec<(String, String)> =
            parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.app.search_cases(&self.permit("p"), None, &parameters).expect("is answered")
    }
}

fn ids(answer: &SearchAnswer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.case.id.as_str()).collect()
}

#[test]
fn pages_and_lists_find_the_same() {
    let world = World::new();
    // More than a page, so that pages meet.
    world.fill(2_600);
    // Names are compared as text: the ids are known from the way cases are made.
    let expected: Vec<usize> = (0..2_600).filter(|n| n % 2 == 0 && n % 10 == 4 && n % 97 == 12).collect();
    let mut expected: Vec<String> = expected.iter().map(|n| format!("c{n}")).collect();
    expected.sort();
    let scanned =
        world.search(&[("case_type", "a"), ("_xpath_query", "age = 12 and starts-with(@owner_id, 'o4')")]);
    assert_eq!(ids(&scanned), expected);
    assert!(scanned.steps[0].starts_with("looking at all cases of the types: a"), "{:?}", scanned.steps);
    let listed = world.search(&[("case_type", "a"), ("age", "12"), ("owner_id", "o4")]);
    assert_eq!(ids(&listed), expected);
    assert!(listed.steps[0].starts_with("answered without a scan, 260 cases"), "{:?}", listed.steps);
    let by_index = world.search(&[("case_type", "a"), ("case_type", "b"), ("indices.parent", "c5")]);
    assert_eq!(ids(&by_index), ["c15"]);
    let above = world.search(&[("case_type", "b"), ("parent/@case_id", "c7"), ("parent/name", "n7")]);
    assert_eq!(ids(&above), ["c21"]);
    let all = world.search(&[("case_type", "a"), ("commcare_sort", "-age:numeric")]);
    assert_eq!((all.hits.len(), all.more), (500, true));
    assert!(all.hits[0].case.properties[0].value == "96");
}

#[test]
fn what_was_committed_is_found_and_what_was_deleted_is_not() {
    let world = World::new();
    let block = |case: &str, name: &str| {
        format!(
            "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{case}\" \
             date_modified=\"2026-01-01T00:00:00Z\"><create><case_type>a</case_type><case_name>{name}</case_name>\
             <owner_id>o</owner_id></create></case>"
        )
    };
    for n in 0..20 {
        world.submit("p", &format!("f{n}"), &block(&format!("c{n}"), "Ada"));
        assert_eq!(world.search(&[("case_type", "a"), ("name", "Ada")]).hits.len(), n + 1);
    }
    world.submit("far", "g", &block("e", "Eve"));
    assert_eq!(world.search(&[("case_type", "a"), ("name", "Eve")]).hits.len(), 0);
    let far = world.app.query_cases(&world.permit("far"), &["name != ''".to_owned()], &[]).expect("answered");
    assert_eq!(ids(&far), ["e"]);
    world.submit(
        "p",
        "close",
        "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"c3\" \
         date_modified=\"2026-01-02T00:00:00Z\"><close/></case>",
    );
    assert_eq!(world.search(&[("case_type", "a"), ("owner_id", "o")]).hits.len(), 19);
    assert_eq!(world.search(&[("case_type", "a"), ("_xpath_query", "@case_id = 'c3'")]).hits.len(), 0);
}

/// Cases of the measured searches. `BOLSTER_CASES=100000 cargo test --release --test searches -- --nocapture` gives
/// the figures of docs/decisions/0040.
const CASES: usize = 3_000;

#[test]
fn many_cases_are_searched_in_many_ways() {
    let world = World::new();
    let count = std::env::var("BOLSTER_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    world.fill(count);
    let clock = SystemClock::default();
    for (parameters, any) in [
        (vec![("case_type", "a"), ("name", "nothing")], false),
        (vec![("case_type", "none"), ("name", "nothing")], false),
        (vec![("case_type", "a"), ("commcare_sort", "-age:numeric")], true),
        (vec![("case_type", "a"), ("owner_id", "o4"), ("name", "nothing")], false),
        (vec![("case_type", "b"), ("indices.parent", "c5")], true),
        (vec![("case_type", "a"), ("parent/age", "12")], true),
        (vec![("case_type", "a"), ("_xpath_query", "subcase-count('parent', age > 90) > 2")], false),
    ] {
        let start = clock.monotonic_us();
        let answer = world.search(&parameters);
        let took = clock.monotonic_us() - start;
        println!("{took:>9} us  {:>3} hits  {parameters:?}", answer.hits.len());
        assert_eq!(!answer.hits.is_empty(), any, "{parameters:?}");
    }
}
