//! The scripted host: answers as a session says, and notes what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolster_formplayer::{Account, Failure, Host, Need, RestoreFetch, Sandboxes, Shelf, Submission, Upload};
use bolster_runtime::{Files, UserData};
use bolster_xpath::{Host as XPathHost, Zone};
use serde_json::{Value as Json, json};

use crate::package::Package;

const SUBMITTED: &str = "<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message \
                         nature=\"submit_success\">   √   </message></OpenRosaResponse>";

/// A rule with what is left of its uses.
struct Rule {
    rule: Json,
    left: Cell<i64>,
}

impl Rule {
    fn new(rule: &Json) -> Rule {
        Rule { rule: rule.clone(), left: Cell::new(rule["times"].as_i64().unwrap_or(i64::MAX)) }
    }

    fn fits(&self, kind: &str, path: &str, form: &[(String, String)]) -> bool {
        if self.left.get() <= 0 || self.rule["kind"].as_str() != Some(kind) {
            return false;
        }
        if self.rule["path"].as_str().is_some_and(|part| !path.contains(part)) {
            return false;
        }
        let wanted = self.rule["params"].as_object();
        wanted.into_iter().flatten().all(|(key, value)| {
            let last = form.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
            last == value.as_str()
        })
    }
}

/// An answer of the other side.
struct Answer {
    status: u16,
    body: String,
    headers: Json,
}

/// Files by session: name, type, size.
type Kept = HashMap<String, Vec<(String, String, u64)>>;
type Shelved = HashMap<(Shelf, String), (String, Vec<u8>)>;

/// The host of one session.
pub struct Scripted {
    folder: PathBuf,
    vector: Json,
    rules: Vec<Rule>,
    step_rules: RefCell<Vec<Rule>>,
    sandboxes: Sandboxes,
    restores: Cell<usize>,
    clock: Cell<i64>,
    numbers: Cell<u64>,
    shelves: RefCell<Shelved>,
    files: RefCell<Kept>,
    /// What the other side was asked during the step.
    pub asked: RefCell<Vec<Json>>,
}

impl Scripted {
    pub fn new(folder: &Path, vector: &Json) -> Result<Scripted, String> {
        let now = vector["now"].as_str().unwrap_or("2025-06-10T09:00:00Z");
        let now: jiff::Timestamp = now.parse().map_err(|e: jiff::Error| e.to_string())?;
        let rules = vector["hq_rules"].as_array().into_iter().flatten();
        Ok(Scripted {
            folder: folder.to_owned(),
            vector: vector.clone(),
            rules: rules.map(Rule::new).collect(),
            step_rules: RefCell::default(),
            sandboxes: Sandboxes::new(),
            restores: Cell::new(0),
            clock: Cell::new(now.as_millisecond() + 1000),
            numbers: Cell::new(0),
            shelves: RefCell::default(),
            files: RefCell::default(),
            asked: RefCell::default(),
        })
    }

    /// Prepares for a step.
    pub fn begin(&self, step: &Json) {
        self.clock.set(self.clock.get() + 250);
        let rules = step["hq_rules"].as_array().into_iter().flatten();
        *self.step_rules.borrow_mut() = rules.map(Rule::new).collect();
        self.asked.borrow_mut().clear();
    }

    fn rule(&self, kind: &str, path: &str, form: &[(String, String)]) -> Option<Answer> {
        let step = self.step_rules.borrow();
        let rule = step.iter().chain(&self.rules).find(|rule| rule.fits(kind, path, form))?;
        rule.left.set(rule.left.get() - 1);
        let body = match rule.rule["file"].as_str() {
            Some(file) => self.read(&format!("_queries/{file}")),
            None => rule.rule["body"].as_str().unwrap_or("").to_owned(),
        };
        let status = rule.rule["status"].as_u64().unwrap_or(200) as u16;
        Some(Answer { status, body, headers: rule.rule["headers"].clone() })
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    fn note(&self, entry: Json) {
        self.asked.borrow_mut().push(entry);
    }

    fn sent(answer: Answer) -> Result<(u16, String), Failure> {
        match answer.status {
            200..300 => Ok((answer.status, answer.body)),
            status => Err(Failure::Status(status, answer.body)),
        }
    }
}

/// The path of an address.
fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    rest.split('?').next().unwrap_or(rest).to_owned()
}

impl XPathHost for Scripted {
    fn now_ms(&self) -> i64 {
        self.clock.get()
    }
}

impl RestoreFetch for Scripted {
    fn restore(&self, _account: &Account, _since: Option<&str>) -> Result<String, Failure> {
        self.note(json!({"kind": "restore"}));
        let Some(answer) = self.rule("restore", "", &[]) else {
            let restores = self.vector["restores"].as_array().cloned().unwrap_or_default();
            let at = self.restores.get().min(restores.len().saturating_sub(1));
            self.restores.set(self.restores.get() + 1);
            let file = restores.get(at).and_then(Json::as_str).unwrap_or_default();
            return Ok(self.read(file));
        };
        if answer.status == 202 {
            return Err(pending(&answer));
        }
        Scripted::sent(answer).map(|(_, body)| body)
    }
}

fn pending(answer: &Answer) -> Failure {
    let document = roxmltree::Document::parse(&answer.body).ok();
    let named =
        |name: &str| document.as_ref().and_then(|d| d.descendants().find(|n| n.tag_name().name() == name));
    let number = |name: &str| {
        named("progress").and_then(|n| n.attribute(name)).and_then(|t| t.parse().ok()).unwrap_or(0)
    };
    let retry = answer.headers.as_object().into_iter().flatten();
    let retry = retry.filter(|(key, _)| key.eq_ignore_ascii_case("retry-after"));
    let retry = retry.filter_map(|(_, value)| value.as_str()?.parse().ok()).next();
    Failure::Retry {
        message: named("message").and_then(|n| n.text()).unwrap_or("").to_owned(),
        done: number("done"),
        total: number("total"),
        retry_after: retry.unwrap_or_else(|| number("retry-after")),
    }
}

impl Host for Scripted {
    fn now_ms(&self) -> i64 {
        self.clock.get()
    }

    fn offset_ms(&self, _zone: Zone, _utc_ms: i64) -> i64 {
        0
    }

    fn named_offset_ms(&self, zone: &str, utc_ms: i64) -> Option<i64> {
        let zone = jiff::tz::TimeZone::get(zone).ok()?;
        let at = jiff::Timestamp::from_millisecond(utc_ms).ok()?;
        Some(i64::from(zone.to_offset(at).seconds()) * 1_000)
    }

    fn random(&self) -> f64 {
        0.375
    }

    fn uuid(&self) -> String {
        self.numbers.set(self.numbers.get() + 1);
        format!("00000000-0000-4000-8000-{:012x}", self.numbers.get())
    }

    fn build(&self, _account: &Account, app_id: &str, _preview: bool) -> Result<String, Failure> {
        if let Some(answer) = self.vector["packages"].get(app_id) {
            let status = answer["status"].as_u64().unwrap_or(200) as u16;
            let body = answer["body"].as_str().unwrap_or("").to_owned();
            return match status {
                200 => Err(Failure::Broken("The package is no zip file.".into())),
                status => Err(Failure::Status(status, body)),
            };
        }
        Ok(match self.vector["app"].as_str() {
            Some(file) if self.vector["app_id"].as_str() == Some(app_id) => file.to_owned(),
            _ => format!("_apps/{app_id}.ccz"),
        })
    }

    fn files(&self, _account: &Account, _app_id: &str, build: &str) -> Result<Box<dyn Files>, Failure> {
        match Package::read(&self.folder.join(build)) {
            Ok(package) => Ok(Box::new(package)),
            Err(what) => Err(Failure::Broken(what)),
        }
    }

    fn data(&self, account: &Account, need: Need) -> Result<Arc<dyn UserData>, Failure> {
        self.sandboxes.data(account, need, self, self)
    }

    fn forget(&self, account: &Account) {
        self.sandboxes.forget(account);
    }

    fn search(
        &self,
        _account: &Account,
        url: &str,
        parameters: &[(String, String)],
    ) -> Result<String, Failure> {
        let path = path_of(url);
        self.note(json!({"kind": "search", "method": "POST", "path": path, "form": parameters}));
        match self.rule("search", &path, parameters) {
            Some(answer) => Scripted::sent(answer).map(|(_, body)| body),
            None => Ok("<results id=\"case\"></results>".into()),
        }
    }

    fn post(&self, _account: &Account, url: &str, parameters: &[(String, String)]) -> Result<u16, Failure> {
        let path = path_of(url);
        self.note(json!({"kind": "claim", "method": "POST", "path": path, "form": parameters}));
        match self.rule("claim", &path, parameters) {
            Some(answer) => Scripted::sent(answer).map(|(status, _)| status),
            None => Ok(201),
        }
    }

    fn submit(&self, account: &Account, submission: &Submission<'_>) -> Result<String, Failure> {
        let prepared = self.sandboxes.prepare(account, submission.xml, submission.purge, self)?;
        let path = path_of(submission.url);
        let mut entry = json!({"kind": "submit", "method": "POST", "path": path, "xml": submission.xml});
        let files = self.files.borrow();
        if let Some(files) = files.get(submission.session).filter(|files| !files.is_empty()) {
            let part = |(id, kind, size): &(String, String, u64)| json!({"name": id, "filename": id, "content_type": kind, "bytes": size});
            entry["parts"] = files.iter().map(part).collect();
        }
        self.note(entry);
        let body = match self.rule("submit", &path, &[]) {
            Some(answer) => Scripted::sent(answer).map(|(_, body)| body)?,
            None => SUBMITTED.to_owned(),
        };
        self.sandboxes.commit(prepared);
        Ok(body)
    }

    fn fetch(&self, _account: &Account, url: &str) -> Result<String, Failure> {
        let path = path_of(url);
        self.note(json!({"kind": "fetch", "method": "GET", "path": path}));
        match self.rule("fetch", &path, &[]) {
            Some(answer) => Scripted::sent(answer).map(|(_, body)| body),
            None => Err(Failure::Status(404, String::new())),
        }
    }

    fn readable_questions(
        &self,
        account: &Account,
        parameters: &[(String, String)],
    ) -> Result<String, Failure> {
        let path = format!("/a/{}/cloudcare/api/readable_questions/", account.domain);
        self.note(json!({"kind": "readable_questions", "method": "POST", "path": path, "form": parameters}));
        match self.rule("readable_questions", &path, parameters) {
            Some(answer) => Scripted::sent(answer).map(|(_, body)| body),
            None => Ok(json!({
                "form_data": "<dl>readable</dl>", "form_questions": [{"label": "Q", "value": "/data/q"}],
            })
            .to_string()),
        }
    }

    fn save(&self, shelf: Shelf, owner: &str, id: &str, bytes: &[u8]) {
        self.shelves.borrow_mut().insert((shelf, id.to_owned()), (owner.to_owned(), bytes.to_vec()));
    }

    fn load(&self, shelf: Shelf, id: &str) -> Option<(String, Vec<u8>)> {
        self.shelves.borrow().get(&(shelf, id.to_owned())).cloned()
    }

    fn remove(&self, shelf: Shelf, id: &str) {
        self.shelves.borrow_mut().remove(&(shelf, id.to_owned()));
    }

    fn owned(&self, shelf: Shelf, owner: &str) -> Vec<(String, Vec<u8>)> {
        let shelves = self.shelves.borrow();
        let own = shelves.iter().filter(|((kind, _), (whose, _))| *kind == shelf && whose == owner);
        own.map(|((_, id), (_, bytes))| (id.clone(), bytes.clone())).collect()
    }

    fn keep_file(&self, session: &str, id: &str, upload: &mut Upload<'_>) -> Result<(), Failure> {
        let size = std::io::copy(upload.content, &mut std::io::sink());
        let size = size.map_err(|e| Failure::Broken(e.to_string()))?;
        let entry = (id.to_owned(), upload.content_type.to_owned(), size);
        self.files.borrow_mut().entry(session.to_owned()).or_default().push(entry);
        Ok(())
    }

    fn drop_file(&self, session: &str, id: Option<&str>) {
        let mut files = self.files.borrow_mut();
        match id {
            None => {
                files.remove(session);
            }
            Some(id) => {
                if let Some(own) = files.get_mut(session) {
                    own.retain(|(known, ..)| known != id);
                }
            }
        }
    }

    fn file_count(&self, session: &str) -> usize {
        self.files.borrow().get(session).map_or(0, Vec::len)
    }
}
