//! A month of work: phones that lose answers, send again, stay away for days, are set back to an older backup, and
//! a server that loses power at any moment. In the end nothing is lost, and every phone holds what a new one gets.

use api_tests::apps::Made;
use api_tests::{PASSWORD, Server};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_http::HttpOptions;
use bolster_model::{AdminDocument, FormId, FormState, Timestamp};
use bolster_store::ReadExt;
use bolster_usecases::nouns::{Group, Location, LocationType, kind};
use phone_tests::{Line, Phone};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const DAYS: i64 = 30;
const DAY_US: i64 = 86_400_000_000;
const BEGIN_US: i64 = 1_785_000_000_000_000;

/// The same seed gives the same month.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }
}

struct Month {
    server: Option<Server>,
    disk: SimDisk,
    clock: Arc<SimClock>,
    dice: Dice,
    forms: u64,
    users: BTreeMap<String, String>,
}

fn open(disk: &SimDisk, clock: &Arc<SimClock>) -> Server {
    let env = Env { disk: Arc::new(disk.clone()), clock: clock.clone(), random: Arc::new(OsRandom) };
    Server::on(env, Path::new("/data"), HttpOptions::default())
}

impl Month {
    fn new(seed: u64) -> Self {
        let (disk, clock) = (SimDisk::default(), Arc::new(SimClock::at(Timestamp(BEGIN_US))));
        let server = open(&disk, &clock);
        server.set("demo", "secure_submissions", "true");
        let mut users = BTreeMap::new();
        for name in ["amina", "juma"] {
            users.insert(name.to_owned(), server.user("demo", name, None));
        }
        server.import("demo", &Made::default());
        server.release("demo", "app", 3);
        Self { server: Some(server), disk, clock, dice: Dice(seed), forms: 0, users }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// The power fails; what was answered is there again.
    fn power_cut(&mut self, phones: &mut [Phone]) {
        let left = self.disk.image().crash(self.dice.0);
        drop(self.server.take());
        self.disk = left;
        let server = open(&self.disk, &self.clock);
        phones.iter_mut().for_each(|phone| phone.server = server.address);
        self.server = Some(server);
    }

    fn put(&self, kind: &str, id: &str, json: String) {
        let server = self.server();
        let project = server.app.auth().project_named("demo").expect("made").id;
        let document = AdminDocument {
            kind: kind.into(),
            id: id.into(),
            json: Some(json),
            action: "test".into(),
            changed: Vec::new(),
            actor: "test".into(),
            at: Timestamp(0),
        };
        server.app.commit_documents(vec![(project, document, false)]).expect("stored");
    }

    /// Places, and a group in which both workers share cases.
    fn arrange(&self) {
        let kind_of_place = LocationType {
            code: "ward".into(),
            name: "Ward".into(),
            shares_cases: true,
            ..Default::default()
        };
        self.put(kind::LOCATION_TYPE, "ward", serde_json::to_string(&kind_of_place).expect("JSON"));
        for id in ["north", "south"] {
            let place = Location {
                id: id.into(),
                site_code: id.into(),
                name: id.into(),
                type_code: "ward".into(),
                ..Default::default()
            };
            self.put(kind::LOCATION, id, serde_json::to_string(&place).expect("JSON"));
        }
        self.share(&["amina", "juma"]);
    }

    fn share(&self, members: &[&str]) {
        let group = Group {
            id: "both".into(),
            name: "Both".into(),
            case_sharing: true,
            reporting: false,
            users: members.iter().map(|name| self.users[*name].clone()).collect(),
        };
        self.put(kind::GROUP, "both", serde_json::to_string(&group).expect("JSON"));
    }

    /// Moves a worker to a place.
    fn assign(&self, user: &str, place: &str) {
        let server = self.server();
        let user = server.app.auth().user(&self.users[user]).expect("made");
        let mut moved = (*user).clone();
        moved.locations = vec![place.to_owned()];
        self.put("user", &user.id, serde_json::to_string(&moved).expect("JSON"));
    }

    /// A form about one or two cases of the phone, or a new one.
    fn visit(&mut self, phone: &Phone) -> (String, String) {
        self.forms += 1;
        let id = format!("form-{}", self.forms);
        let user = &phone.sandbox.user_id;
        let at = self.clock_of(phone);
        let open: Vec<(&String, _)> = phone.sandbox.cases.iter().filter(|(_, case)| !case.closed).collect();
        let mut blocks = String::new();
        let block = |case: &str, inner: &str| {
            format!(
                "<case case_id=\"{case}\" user_id=\"{user}\" date_modified=\"{at}\" \
                 xmlns=\"http://commcarehq.org/case/transaction/v2\">{inner}</case>"
            )
        };
        let owner = ["both", "north", "south", user.as_str(), user.as_str()][self.dice.roll(5) as usize];
        if open.is_empty() || self.dice.roll(3) == 0 {
            let case = format!("case-{}", self.forms);
            let parent = open.get(self.dice.roll(4) as usize).map(|(id, _)| {
                let relationship = ["child", "extension"][self.dice.roll(2) as usize];
                format!("<index><of case_type=\"patient\" relationship=\"{relationship}\">{id}</of></index>")
            });
            blocks += &block(
                &case,
                &format!(
                    "<create><case_type>patient</case_type><case_name>Person {}</case_name>\
                     <owner_id>{owner}</owner_id></create><update><weight>{}</weight></update>{}",
                    self.forms,
                    self.dice.roll(90),
                    parent.unwrap_or_default()
                ),
            );
        } else {
            let (case, _) = open[self.dice.roll(open.len() as u64) as usize];
            let change = match self.dice.roll(6) {
                0 => "<close/>".to_owned(),
                1 => format!("<update><owner_id>{owner}</owner_id></update>"),
                _ => format!("<update><weight>{}</weight><last>{id}</last></update>", self.dice.roll(90)),
            };
            blocks += &block(case, &change);
        }
        let xml = format!(
            "<data xmlns=\"http://example.org/visit\" name=\"Visit\" version=\"3\" uiVersion=\"1\">{blocks}\
             <meta xmlns=\"http://openrosa.org/jr/xforms\"><deviceID>{}</deviceID><timeStart>{at}</timeStart>\
             <timeEnd>{at}</timeEnd><username>{}</username><userID>{user}</userID>\
             <instanceID>{id}</instanceID></meta></data>",
            phone.device, phone.user
        );
        (id, xml)
    }

    /// One phone's clock is two years late and in another zone.
    fn clock_of(&self, phone: &Phone) -> String {
        let now = bolster_env::Clock::now(&*self.clock);
        if phone.device == "late" {
            let text = Timestamp(now.0 - 730 * DAY_US).to_string();
            return text.replace('Z', "+05:45");
        }
        now.to_string()
    }
}

fn live(seed: u64) {
    let mut month = Month::new(seed);
    month.arrange();
    let address = month.server().address;
    let mut phones: Vec<Phone> = [("amina", "a1"), ("amina", "a2"), ("juma", "late")]
        .map(|(user, device)| Phone::new(address, user, PASSWORD, device))
        .into();
    let build = "/a/demo/apps/download/app/profile.ccpr?latest=true";
    let mut backup: Option<Phone> = None;
    for phone in &mut phones {
        phone.install(build);
        phone.log_in();
        phone.sync(Line::Good);
        phone.beat();
    }
    let mut surprises = 0;
    for day in 0..DAYS {
        for number in 0..phones.len() {
            month.clock.set(Timestamp(BEGIN_US + day * DAY_US + number as i64 * 3_600_000_000));
            for _ in 0..month.dice.roll(4) {
                let (id, xml) = month.visit(&phones[number]);
                phones[number].complete(&id, xml);
            }
            match month.dice.roll(12) {
                0 => phones[number].send_forms(Line::AnswerLost),
                1 => phones[number].sync(Line::AnswerLost),
                2 => {
                    // Everything is sent, and the answer of the restore is lost.
                    phones[number].send_forms(Line::Good);
                    phones[number].sync(Line::AnswerLost);
                }
                3 => month.power_cut(&mut phones),
                4 if number == 0 && backup.is_none() && phones[0].unsent.is_empty() => {
                    backup = Some(phones[0].clone());
                }
                5 if number == 0 => {
                    if let Some(mut old) = backup.take() {
                        // The phone broke; its owner goes on with last week's copy of it.
                        old.server = phones[0].server;
                        old.sent = phones[0].sent.clone();
                        old.unsent = phones[0].unsent.clone();
                        surprises += 1;
                        old.recoveries = phones[0].recoveries;
                        phones[0] = old;
                        phones[0].sync(Line::Good);
                    }
                }
                6 => {
                    let place = ["north", "south"][month.dice.roll(2) as usize];
                    let user = phones[number].user.clone();
                    month.assign(&user, place);
                }
                7 => {
                    let members: &[&[&str]] = &[&["amina", "juma"], &["amina"], &["juma"], &[]];
                    let of_today = members[month.dice.roll(4) as usize];
                    month.share(of_today);
                }
                8 => {}
                _ => phones[number].sync(Line::Good),
            }
        }
        if day == DAYS / 2 {
            let server = month.server();
            server.import("demo", &Made { version: 4, text: "Home visit", ..Made::default() });
            server.release("demo", "app", 4);
            for phone in &mut phones {
                phone.send_forms(Line::Good);
                assert!(phone.update());
                assert_eq!(phone.app.version, 4);
                assert!(!phone.update());
            }
        }
    }
    for round in 0..3 {
        for phone in &mut phones {
            phone.sync(Line::Good);
            phone.log_in();
            assert!(phone.unsent.is_empty(), "round {round}");
        }
    }
    let server = month.server();
    let project = server.app.auth().project_named("demo").expect("made").id;
    let view = server.app.store().view();
    for phone in &phones {
        assert!(phone.recoveries <= surprises, "a healthy phone was sent back to the beginning, seed {seed}");
        for id in &phone.sent {
            let row = view.form(project, &FormId::new(id)).expect("reads");
            assert!(row.is_some_and(|row| row.state == FormState::Normal), "form {id} is lost, seed {seed}");
        }
        let mut fresh = Phone::new(phone.server, &phone.user, PASSWORD, "fresh");
        fresh.install(build);
        fresh.log_in();
        fresh.sync(Line::Good);
        assert_eq!(phone.sandbox.cases, fresh.sandbox.cases, "seed {seed}, {} {}", phone.user, phone.device);
        assert_eq!(phone.sandbox.fixtures, fresh.sandbox.fixtures, "seed {seed}");
        assert_eq!(phone.sandbox.groups, fresh.sandbox.groups, "seed {seed}");
    }
}

#[test]
fn a_month_of_work_loses_nothing() {
    let months = std::env::var("BOLSTER_MONTHS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let first = std::env::var("BOLSTER_MONTH").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + months {
        live(seed);
    }
}
