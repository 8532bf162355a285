//! Phones that work, sync, lose answers and come back, in thousands of small worlds: what the appliance believes
//! a phone holds is what the phone holds after its own purge, and no healthy phone is sent back to the start.

use bolster_auth::{Entrance, Password, Permit, RestoreData};
use bolster_cases::sync::{Link, PhoneCases, SyncCase, apply_block, purge};
use bolster_env::{Env, OsRandom, SimClock, SimDisk};
use bolster_model::{CaseId, FormId, SubmissionInfo, Timestamp};
use bolster_runtime::{Sandbox, UserData};
use bolster_store::{LogOptions, StoreOptions};
use bolster_usecases::admin::users::NewUser;
use bolster_usecases::nouns::{Group, kind};
use bolster_usecases::restore::{Answer, RestoreError, RestoreRequest, StateHash};
use bolster_usecases::{Appliance, FormUpload, ServerSettings, SubmissionOutcome, SubmitMode};
use bolster_xpath::{DataSource, NoHost, NodeId, NodeList};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Worlds in one run; `BOLSTER_WORLDS` for more.
const WORLDS: u64 = 60;
const STEPS: usize = 40;
const CASES: u64 = 9;

/// Small and good enough: the same seed gives the same world.
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

/// A phone as CommCare is: a table of cases, a token, the groups of its fixture.
#[derive(Clone, Default)]
struct Phone {
    user: String,
    device: String,
    token: Option<String>,
    cases: BTreeMap<CaseId, SyncCase>,
    owners: HashSet<String>,
}

impl PhoneCases for Phone {
    fn get(&mut self, id: &CaseId) -> Option<SyncCase> {
        self.cases.get(id).cloned()
    }
    fn put(&mut self, id: &CaseId, case: SyncCase) {
        self.cases.insert(id.clone(), case);
    }
}

impl Phone {
    /// True when it took something.
    fn purge(&mut self) -> bool {
        let before = self.cases.len();
        let table: Vec<(&CaseId, &SyncCase)> = self.cases.iter().collect();
        let kept: HashSet<CaseId> = purge(&table, &self.owners)
            .expect("no cycle ever reaches a phone")
            .into_iter()
            .cloned()
            .collect();
        self.cases.retain(|id, _| kept.contains(id));
        self.cases.len() < before
    }

    fn state(&self) -> String {
        format!("ccsh:{}", StateHash::of(self.cases.keys()).text(self.cases.len() as u64))
    }

    /// Parses a payload as the phone does: strictly.
    fn take(&mut self, payload: &str) {
        let document = roxmltree::Document::parse(payload).expect("a payload is XML");
        let root = document.root_element();
        let elements = root.children().filter(roxmltree::Node::is_element);
        assert_eq!(root.attribute("items"), Some(elements.clone().count().to_string().as_str()));
        for element in elements {
            match element.tag_name().name() {
                "Sync" => {
                    self.token = element.first_element_child().and_then(|n| n.text()).map(str::to_owned)
                }
                "Registration" => {}
                "fixture" if element.attribute("id") == Some("user-groups") => {
                    let groups = element.descendants().filter(|n| n.tag_name().name() == "group");
                    self.owners = groups.filter_map(|n| n.attribute("id")).map(str::to_owned).collect();
                    self.owners.insert(self.user.clone());
                }
                "case" => self.take_case(element),
                _ => {}
            }
        }
    }

    fn take_case(&mut self, element: roxmltree::Node<'_, '_>) {
        let id = CaseId::new(element.attribute("case_id").expect("an id"));
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.children().find(|n| n.tag_name().name() == name).map(|n| n.id())
        };
        let get = |id| element.document().get_node(id).expect("there");
        let create = child(element, "create").map(get);
        let update = child(element, "update").map(get);
        assert!(create.is_some() || self.cases.contains_key(&id), "an update of {id}, which the phone lacks");
        let mut case = self.cases.get(&id).cloned().unwrap_or_default();
        for part in [create, update].into_iter().flatten() {
            if let Some(owner) = child(part, "owner_id").map(get) {
                case.owner = owner.text().unwrap_or_default().to_owned();
            }
        }
        case.closed |= child(element, "close").is_some();
        if let Some(index) = child(element, "index").map(get) {
            for link in index.children().filter(roxmltree::Node::is_element) {
                let identifier = link.tag_name().name().to_owned();
                case.links.retain(|l| l.identifier != identifier);
                if let Some(target) = link.text().filter(|t| !t.is_empty()) {
                    assert_ne!(target, id.as_str(), "an index of a case to itself");
                    let extension = link.attribute("relationship") == Some("extension");
                    case.links.push(Link { identifier, target: CaseId::new(target), extension });
                }
            }
            case.links.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        }
        self.cases.insert(id, case);
    }
}

struct World {
    app: Appliance,
    clock: Arc<SimClock>,
    disk: SimDisk,
    dice: Dice,
    forms: u64,
    /// Cases of forms that the appliance could not apply: their phones have them all the same.
    refused: HashSet<CaseId>,
}

fn open(disk: &SimDisk, clock: &Arc<SimClock>) -> Appliance {
    let env = Env { disk: Arc::new(disk.clone()), clock: clock.clone(), random: Arc::new(OsRandom) };
    let options = StoreOptions {
        shard_cache_bytes: 1 << 20,
        log: LogOptions { segment_bytes: 1 << 20, prepare_ahead: false },
        ..StoreOptions::default()
    };
    Appliance::open(env, Path::new("/data"), options, ServerSettings::default()).expect("opens")
}

/// How many elements there are below one, itself included.
fn elements(data: &dyn DataSource, node: NodeId) -> usize {
    let mut below = NodeList::new();
    data.all_children(node, &mut below);
    1 + below.iter().map(|child| elements(data, *child)).sum::<usize>()
}

impl World {
    fn new(seed: u64) -> Self {
        let (disk, clock) = (SimDisk::default(), Arc::new(SimClock::at(Timestamp(1_785_000_000_000_000))));
        let app = open(&disk, &clock);
        app.create_project(&app.auth().operator_node_permit("test"), "p").expect("a project");
        Self { app, clock, disk, dice: Dice(seed), forms: 0, refused: HashSet::new() }
    }

    fn user(&self, name: &str) {
        let project = self.app.auth().project_named("p").expect("made");
        let new = NewUser {
            name: name.to_lowercase(),
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
            password: Some(Password::new("correct horse")),
        };
        self.app.create_user(&self.app.auth().operator_permit(name, &project), &new).expect("a user");
    }

    fn permit(&self, user: &str) -> Permit<RestoreData> {
        let project = self.app.auth().project_named("p").expect("made");
        let actor = self.app.auth().operator(user);
        self.app.auth().permit(&actor, &project, Entrance::Local).expect("the operator may")
    }

    /// Members of the one group that shares cases.
    fn share(&mut self, members: Vec<String>) {
        let project = self.app.auth().project_named("p").expect("made").id;
        let group =
            Group { id: "G".into(), name: "G".into(), case_sharing: true, reporting: false, users: members };
        let document = bolster_model::AdminDocument {
            kind: kind::GROUP.into(),
            id: "G".into(),
            json: Some(serde_json::to_string(&group).expect("JSON")),
            action: "test".into(),
            changed: Vec::new(),
            actor: "test".into(),
            at: Timestamp(0),
        };
        self.app.commit_documents(vec![(project, document, false)]).expect("stored");
    }

    /// A form about one or two cases, as a phone (or the web) would make it.
    fn form(&mut self, user: &str, known: &[CaseId]) -> Vec<u8> {
        self.forms += 1;
        let mut blocks = String::new();
        for _ in 0..=self.dice.roll(2) {
            let fresh = known.is_empty() || self.dice.roll(3) == 0;
            let id = if fresh {
                format!("c{}", self.dice.roll(CASES))
            } else {
                known[self.dice.roll(known.len() as u64) as usize].to_string()
            };
            let exists = known.iter().any(|k| k.as_str() == id);
            let owner = ["U", "V", "G", "-", "other"][self.dice.roll(5) as usize];
            let mut inner = String::new();
            if !exists {
                inner += &format!(
                    "<create><case_type>t</case_type><case_name>n</case_name><owner_id>{owner}</owner_id></create>"
                );
            } else if self.dice.roll(3) == 0 {
                inner += &format!("<update><owner_id>{owner}</owner_id></update>");
            } else {
                inner += &format!("<update><n>{}</n></update>", self.forms);
            }
            if self.dice.roll(6) == 0 {
                inner += "<close/>";
            }
            if self.dice.roll(2) == 0 && !known.is_empty() {
                let target = known[self.dice.roll(known.len() as u64) as usize].as_str();
                let identifier = ["parent", "host"][self.dice.roll(2) as usize];
                let relationship = ["child", "extension"][self.dice.roll(2) as usize];
                // Phones refuse indices that close a cycle; here they point downhill.
                if target < id.as_str() {
                    let target = if self.dice.roll(5) == 0 { "" } else { target };
                    inner += &format!(
                        "<index><{identifier} case_type=\"t\" relationship=\"{relationship}\">{target}\
                         </{identifier}></index>"
                    );
                }
            }
            blocks += &format!(
                "<case case_id=\"{id}\" user_id=\"{user}\" date_modified=\"2026-01-01T10:00:00Z\" \
                 xmlns=\"http://commcarehq.org/case/transaction/v2\">{inner}</case>"
            );
        }
        format!(
            "<data xmlns=\"http://example.org/f\">{blocks}<meta xmlns=\"http://openrosa.org/jr/xforms\">\
             <userID>{user}</userID><instanceID>f{}</instanceID></meta></data>",
            self.forms
        )
        .into_bytes()
    }

    fn submit(&mut self, xml: &[u8], token: Option<&String>) {
        if let SubmissionOutcome::ContentError { .. } = self.outcome(xml, token) {
            let parsed = bolster_wire::parse_form(xml, &bolster_wire::Limits::default()).expect("a form");
            self.refused.extend(parsed.case_blocks.into_iter().map(|block| block.case_id));
        }
    }

    fn outcome(&self, xml: &[u8], token: Option<&String>) -> SubmissionOutcome {
        let project = self.app.auth().project_named("p").expect("made");
        let permit = self.app.auth().operator_permit("test", &project);
        let info = SubmissionInfo {
            received_on: self.app.env().clock.now(),
            last_sync_token: token.cloned(),
            ..SubmissionInfo::default()
        };
        let upload = FormUpload {
            project: project.id,
            xml: xml.to_vec(),
            info,
            mode: SubmitMode::default(),
            refused: None,
        };
        let (tell, told) = std::sync::mpsc::channel();
        self.app.submit(permit, upload, move |answer| drop(tell.send(answer)));
        told.recv().expect("an answer").expect("decided")
    }

    /// Somebody takes a form out of force, or puts it back; cases lose what it did, or are open again.
    fn archive(&mut self) {
        let id = FormId::new(format!("f{}", self.forms.saturating_sub(self.dice.roll(4))));
        let archive = self.dice.roll(3) > 0;
        let project = self.app.auth().project_named("p").expect("made");
        let permit = self.app.auth().operator_permit("test", &project);
        // Forms that never came or could not be applied stay as they are.
        let _ = self.app.archive_form(&permit, &id, archive);
    }

    fn restore(&self, phone: &Phone) -> Result<String, RestoreError> {
        let request = RestoreRequest {
            as_user: Some(phone.user.to_lowercase()),
            since: phone.token.clone(),
            state: phone.token.as_ref().map(|_| phone.state()),
            device_id: phone.device.clone(),
            items: true,
            ..RestoreRequest::default()
        };
        let Answer::Live(restore) = self.app.prepare_restore(&self.permit(&phone.user), request)? else {
            panic!("nobody froze anything")
        };
        let mut payload = Vec::new();
        restore.send(&mut |bytes| {
            payload.extend(bytes);
            true
        })?;
        Ok(String::from_utf8(payload).expect("text"))
    }

    fn sync(&self, phone: &mut Phone, context: &str) {
        phone.purge();
        let payload = match self.restore(phone) {
            Ok(payload) => payload,
            Err(error) => {
                let token = phone.token.clone().unwrap_or_default();
                panic!(
                    "{context}: {error}; the phone has {:?}, the appliance believes {:?}",
                    phone.cases,
                    self.app.phone_of(&token).expect("reads")
                );
            }
        };
        phone.take(&payload);
        // In rare shapes one purge leaves cases to the next one.
        while phone.purge() {}
        let token = phone.token.clone().expect("a token");
        let believed = self.app.phone_of(&token).expect("reads").expect("known");
        let has: Vec<&CaseId> = phone.cases.keys().collect();
        let kept: Vec<&CaseId> = believed.kept.iter().collect();
        assert_eq!(has, kept, "{context}: left what the phone has, right what is believed");
    }

    /// A fresh phone of the same user gets the same cases.
    fn compare_with_fresh(&self, phone: &Phone, context: &str) {
        let mut fresh = Phone { user: phone.user.clone(), device: "fresh".into(), ..Phone::default() };
        self.sync(&mut fresh, context);
        if !self.refused.is_empty() {
            return;
        }
        let mut expected = fresh.cases;
        for (id, case) in &mut expected {
            // A case that is open again stays closed on a phone as long as something there needs it.
            case.closed |= phone.cases.get(id).is_some_and(|c| c.closed);
        }
        assert_eq!(phone.cases, expected, "{context}: left the phone, right a fresh one");
    }

    /// What a browser shows of a user's cases is what a fresh phone has after its purge, values and links included.
    fn compare_with_browser(&self, user: &str, context: &str) {
        let phone = Phone { user: user.into(), device: "browser".into(), ..Phone::default() };
        let mut fresh = Sandbox::new();
        fresh.apply(&self.restore(&phone).expect(context), &NoHost).expect(context);
        while fresh.purge().expect(context) > 0 {}
        let live = self.app.live_data(&self.permit(user), Some(&user.to_lowercase())).expect(context);
        let all = |data: &Sandbox| -> BTreeMap<String, String> {
            data.cases().map(|case| (case.case_id.clone(), format!("{case:?}"))).collect()
        };
        assert_eq!(all(&live), all(&fresh), "{context}: left the browser, right a fresh phone");
        assert_eq!(live.user(), fresh.user(), "{context}");
        let groups =
            |data: &Sandbox| data.fixture("user-groups").map(|groups| elements(&*groups, groups.root()));
        assert_eq!(groups(&live), groups(&fresh), "{context}");
    }

    fn power_cut(&mut self) {
        let left = self.disk.image().crash(self.dice.0);
        self.app.close();
        self.disk = left;
        self.app = open(&self.disk, &self.clock);
    }
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    for user in ["U", "V"] {
        world.user(user);
    }
    let mut phones: Vec<Phone> = [("U", "d1"), ("V", "d2"), ("U", "d3")]
        .map(|(user, device)| Phone { user: user.into(), device: device.into(), ..Phone::default() })
        .into();
    for step in 0..STEPS {
        let context = format!("seed {seed} step {step}");
        world.clock.set(Timestamp(1_785_000_000_000_000 + step as i64 * 60_000_000));
        let who = world.dice.roll(phones.len() as u64) as usize;
        let mut phone = phones[who].clone();
        match world.dice.roll(13) {
            0..5 if phone.token.is_some() => {
                let known: Vec<CaseId> = phone.cases.keys().cloned().collect();
                let xml = world.form(&phone.user.clone(), &known);
                let parsed =
                    bolster_wire::parse_form(&xml, &bolster_wire::Limits::default()).expect("a form");
                parsed.case_blocks.iter().for_each(|block| apply_block(&mut phone, block));
                world.submit(&xml, phone.token.as_ref());
                if world.dice.roll(5) == 0 {
                    // The answer was lost, and the phone sends again.
                    world.submit(&xml, phone.token.as_ref());
                }
            }
            5 | 6 => {
                // Somebody on the web changes what exists.
                let all: Vec<CaseId> = (0..CASES).map(|n| CaseId::new(format!("c{n}"))).collect();
                let xml = world.form("web", &all);
                world.submit(&xml, None);
            }
            7 if world.dice.roll(3) == 0 => world.power_cut(),
            7 => {
                let members = ["U", "V"].into_iter().filter(|_| world.dice.roll(2) == 0);
                let members = members.map(str::to_owned).collect();
                world.share(members);
            }
            9 => world.archive(),
            8 if phone.token.is_some() => {
                // The answer of a sync is lost.
                let mut lost = phone.clone();
                world.sync(&mut lost, &context);
            }
            _ => world.sync(&mut phone, &context),
        }
        phones[who] = phone;
        for user in ["U", "V"] {
            if world.dice.roll(3) > 0 {
                world.compare_with_browser(user, &context);
            }
        }
    }
    for phone in &mut phones {
        world.sync(phone, &format!("seed {seed} at the end"));
        world.sync(phone, &format!("seed {seed} at the end, again"));
    }
    for phone in &phones {
        world.compare_with_fresh(phone, &format!("seed {seed} fresh"));
    }
    world.app.close();
}

#[test]
fn what_is_believed_of_phones_is_what_they_hold() {
    let worlds = std::env::var("BOLSTER_WORLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(WORLDS);
    let first = std::env::var("BOLSTER_WORLD").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + worlds {
        live(seed);
    }
}

/// A form of nobody's phone, with these case blocks.
fn on_the_web(id: &str, blocks: &str) -> Vec<u8> {
    format!(
        "<data xmlns=\"http://example.org/f\">{blocks}<meta xmlns=\"http://openrosa.org/jr/xforms\">\
         <userID>web</userID><instanceID>{id}</instanceID></meta></data>"
    )
    .into_bytes()
}

fn block(id: &str, inner: &str) -> String {
    format!(
        "<case case_id=\"{id}\" user_id=\"web\" date_modified=\"2026-01-01T10:00:00Z\" \
         xmlns=\"http://commcarehq.org/case/transaction/v2\">{inner}</case>"
    )
}

#[test]
fn a_case_that_is_open_again_comes_back_once_the_phone_let_it_go() {
    let mut world = World::new(1);
    world.user("U");
    let mut phone = Phone { user: "U".into(), device: "d".into(), ..Phone::default() };
    let create = "<create><case_type>t</case_type><case_name>n</case_name><owner_id>U</owner_id></create>";
    let child = format!("{create}<index><parent case_type=\"t\">mother</parent></index>");
    let both = block("mother", create) + &block("child", &child);
    world.submit(&on_the_web("made", &both), None);
    world.submit(&on_the_web("closed", &block("mother", "<close/>")), None);
    world.sync(&mut phone, "the mother is closed, and needed");
    let project = world.app.auth().project_named("p").expect("made");
    let permit = world.app.auth().operator_permit("test", &project);
    world.app.archive_form(&permit, &FormId::new("closed"), true).expect("is archived");
    world.sync(&mut phone, "the mother is open again");
    let mother = CaseId::new("mother");
    assert!(phone.cases[&mother].closed, "nothing opens a case on a phone that has it");
    world.submit(&on_the_web("done", &block("child", "<close/>")), None);
    world.sync(&mut phone, "the child is closed");
    assert!(phone.cases.is_empty(), "the phone takes both for closed");
    world.sync(&mut phone, "the mother comes anew");
    assert_eq!(phone.cases.keys().collect::<Vec<_>>(), [&mother]);
    assert!(!phone.cases[&mother].closed);
    world.app.close();
}
