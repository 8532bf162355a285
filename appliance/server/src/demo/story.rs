//! The sample project as a story: households are visited and registered, their members become patients,
//! patients are visited again and again, some move away.
//!
//! Everything follows from a fixed seed and one date: the same date gives the same forms, byte for byte.

use super::form_xml::{CaseAction, Form};
use bolster_env::{Random, SeededRandom};
use bolster_model::Timestamp;

/// Days before `today` on which the story begins.
const DAYS: i64 = 120;
const HOUSEHOLDS: usize = 58;
const VISITS: usize = 96;
const SEED: u64 = 20_260_301;
const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;

const VILLAGES: [&str; 6] = ["Kanda", "Ndoleleji", "São Tomé", "Mbarara", "Río Blanco", "Đông Hà"];
const FAMILIES: [&str; 14] = [
    "Mushi",
    "Otieno",
    "Diallo",
    "Nakamura",
    "Okafor",
    "Pérez",
    "Şahin",
    "Haile",
    "Rakoto",
    "Singh",
    "Mwangi",
    "Tshabalala",
    "Nguyễn",
    "Kone",
];
const GIRLS: [&str; 10] =
    ["Amina", "Neema", "Zawadi", "Fatou", "María", "Aisha", "Lan", "Grace", "Mariam", "Thandi"];
const BOYS: [&str; 10] =
    ["Juma", "Baraka", "Kofi", "José", "Ibrahim", "Minh", "Samuel", "Tesfaye", "Moussa", "Daniel"];
const ROOFS: [&str; 3] = ["iron_sheet", "thatch", "tiles"];
const WATER: [&str; 4] = ["well", "tap", "river", "rain"];
const COMPLAINTS: [&str; 6] = ["none", "fever", "cough", "diarrhoea", "headache", "injury"];

/// A form of the story with the time at which the appliance received it.
pub struct StoryForm {
    /// Not before the previous one's.
    pub received_on: Timestamp,
    /// The whole XML.
    pub xml: String,
}

struct Patient {
    id: String,
    name: String,
    age: u64,
    household: String,
    weight_dg: u64,
    visits: u64,
    closed: bool,
}

/// Who tells the story.
pub struct Story<'a> {
    random: SeededRandom,
    user_id: &'a str,
    now: Timestamp,
    patients: Vec<Patient>,
    forms: Vec<StoryForm>,
}

/// All forms, oldest first, ending the day before `today`. `user_id` is the worker who sends them and owns the
/// cases.
pub fn tell(user_id: &str, today: Timestamp) -> Vec<StoryForm> {
    let midnight = Timestamp(today.0.div_euclid(DAY_US) * DAY_US);
    let mut story = Story {
        random: SeededRandom::new(SEED),
        user_id,
        now: Timestamp(midnight.0 - DAYS * DAY_US),
        patients: Vec::new(),
        forms: Vec::new(),
    };
    let steps = HOUSEHOLDS + VISITS;
    let step_us = (DAYS - 1) * DAY_US / steps as i64;
    let mut households = 0;
    for step in 0..steps {
        let jitter = story.below(step_us as u64 / 2) as i64;
        let begin = story.now;
        story.now = Timestamp(begin.0 + jitter);
        // Registrations come early, visits late.
        if households < HOUSEHOLDS && (story.patients.len() < 8 || story.below(steps as u64) as usize > step)
        {
            story.register_household();
            households += 1;
        } else if story.below(9) == 0 {
            story.move_away();
        } else {
            story.visit();
        }
        story.now = Timestamp(begin.0 + step_us);
    }
    story.forms
}

impl Story<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(bolster_env::random::bytes(&self.random)) % bound.max(1)
    }

    fn one_of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len() as u64) as usize]
    }

    fn id(&mut self) -> String {
        let mut b = [0; 16];
        self.random.fill(&mut b);
        b[6] = b[6] & 0x0f | 0x40;
        b[8] = b[8] & 0x3f | 0x80;
        let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    fn form(&mut self, kind: &str, title: &str) -> Form {
        let id = self.id();
        let ended = self.now;
        let started = Timestamp(ended.0 - (2 + self.below(9) as i64) * MINUTE_US);
        Form::new(kind, title, &id, self.user_id, (started, ended))
    }

    fn send(&mut self, form: Form) {
        let delay = (1 + self.below(40) as i64) * MINUTE_US / 4;
        self.forms.push(StoryForm { received_on: Timestamp(self.now.0 + delay), xml: form.finish() });
    }

    fn register_household(&mut self) {
        let household = self.id();
        let family = self.one_of(&FAMILIES);
        let village = self.one_of(&VILLAGES);
        let (roof, water) = (self.one_of(&ROOFS), self.one_of(&WATER));
        let members = 1 + self.below(4);
        let mut form = self.form("register-household", "Register household");
        let name = format!("{family}, {village}");
        for (question, answer) in [("family", family), ("village", village), ("roof", roof), ("water", water)]
        {
            form.answer(question, answer);
        }
        form.answer("members", &members.to_string());
        let owner = self.user_id.to_owned();
        form.case(CaseAction::new(&household).create("household", &name, &owner).update(&[
            ("village", village),
            ("roof", roof),
            ("water", water),
            ("members", &members.to_string()),
        ]));
        for _ in 0..members {
            self.register_patient(&mut form, &household, family);
        }
        self.send(form);
    }

    fn register_patient(&mut self, form: &mut Form, household: &str, family: &str) {
        let girl = self.below(2) == 0;
        let first = self.one_of(if girl { &GIRLS } else { &BOYS });
        let patient = Patient {
            id: self.id(),
            name: format!("{first} {family}"),
            age: 1 + self.below(70),
            household: household.to_owned(),
            weight_dg: 90 + self.below(600),
            visits: 0,
            closed: false,
        };
        let sex = if girl { "female" } else { "male" };
        let age = patient.age.to_string();
        form.open_group("member");
        form.answer("name", &patient.name);
        form.answer("sex", sex);
        form.answer("age", &age);
        form.case(
            CaseAction::new(&patient.id)
                .create("patient", &patient.name, self.user_id)
                .update(&[("sex", sex), ("age", &age), ("visits", "0")])
                .index("parent", "household", household),
        );
        form.close_group("member");
        self.patients.push(patient);
    }

    /// A patient who still lives here.
    fn somebody(&mut self) -> Option<usize> {
        let start = self.below(self.patients.len() as u64) as usize;
        let count = self.patients.len();
        (0..count).map(|i| (start + i) % count).find(|i| !self.patients[*i].closed)
    }

    fn visit(&mut self) {
        let Some(who) = self.somebody() else { return };
        let visit = self.id();
        let gain = self.below(30);
        let complaint = self.one_of(&COMPLAINTS);
        let temperature_dc = if complaint == "fever" { 380 + self.below(20) } else { 362 + self.below(9) };
        let patient = &mut self.patients[who];
        patient.visits += 1;
        patient.weight_dg = (patient.weight_dg + gain).saturating_sub(12);
        let weight = format!("{}.{}", patient.weight_dg / 10, patient.weight_dg % 10);
        let temperature = format!("{}.{}", temperature_dc / 10, temperature_dc % 10);
        let (id, name, visits) = (patient.id.clone(), patient.name.clone(), patient.visits.to_string());
        let day = self.now.to_string()[..10].to_owned();
        let mut form = self.form("visit", "Home visit");
        for (question, answer) in [
            ("weight", &*weight),
            ("temperature", &temperature),
            ("complaint", complaint),
            ("visit_date", &day),
        ] {
            form.answer(question, answer);
        }
        if complaint != "none" {
            form.answer("advice", "Rest, drink much, come to the clinic if it lasts more than three days.");
        }
        form.case(CaseAction::new(&id).update(&[
            ("weight", &weight),
            ("last_visit", &day),
            ("last_complaint", complaint),
            ("visits", &visits),
        ]));
        form.case(
            CaseAction::new(&visit)
                .create("visit", &format!("{name} {day}"), self.user_id)
                .update(&[("weight", &weight), ("temperature", &temperature), ("complaint", complaint)])
                .index("parent", "patient", &id),
        );
        self.send(form);
    }

    fn move_away(&mut self) {
        let Some(who) = self.somebody() else { return };
        self.patients[who].closed = true;
        let (id, household) = (self.patients[who].id.clone(), self.patients[who].household.clone());
        let left = self.patients.iter().filter(|p| p.household == household && !p.closed).count();
        let mut form = self.form("move-away", "Moved away");
        form.answer("reason", "moved to another district");
        form.case(CaseAction::new(&id).update(&[("moved", "yes")]).close());
        form.case(CaseAction::new(&household).update(&[("members", &left.to_string())]));
        self.send(form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Timestamp = Timestamp(1_790_000_000_000_000);

    #[test]
    fn the_same_day_tells_the_same_story() {
        let one: Vec<String> = tell("w1", TODAY).into_iter().map(|f| f.xml).collect();
        let two: Vec<String> = tell("w1", TODAY).into_iter().map(|f| f.xml).collect();
        assert_eq!(one, two);
    }

    #[test]
    fn it_has_about_300_cases_with_history() {
        let forms = tell("w1", TODAY);
        let count = |needle: &str| forms.iter().map(|f| f.xml.matches(needle).count()).sum::<usize>();
        let created = count("<n0:create>");
        assert!((270..=330).contains(&created), "{created} cases");
        assert!(count("<n0:close/>") >= 5);
        assert!(count("<n0:case ") > created + 80, "cases are updated");
    }

    #[test]
    fn every_form_is_one_that_the_receiver_reads() {
        let limits = bolster_wire::Limits::default();
        for form in tell("w1", TODAY) {
            let parsed = bolster_wire::parse_form(form.xml.as_bytes(), &limits).unwrap();
            assert_eq!(parsed.meta.user_id.as_deref(), Some("w1"));
            assert!(!parsed.case_blocks.is_empty());
        }
    }

    #[test]
    fn time_passes_in_one_direction_and_ends_before_today() {
        let forms = tell("w1", TODAY);
        assert!(forms.is_sorted_by_key(|f| f.received_on));
        assert!(forms.last().unwrap().received_on < TODAY);
    }
}
