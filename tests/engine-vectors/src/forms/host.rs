//! The host of a vector: pinned clock, counted uuids, instances from files.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolster_xforms::{External, ExternalError, FormHost};
use bolster_xpath::{CaseSnapshot, Datum, Host, Names, NodeId, Tree, Zone};
use jiff::Timestamp;
use jiff::tz::{TimeZone, db};
use roxmltree::{Document, Node};
use serde_json::Value as Json;

use crate::world::{self, Instance};

pub struct RecordedHost {
    folder: PathBuf,
    zone: TimeZone,
    now: Cell<i64>,
    uuids: Cell<u64>,
    restores: Vec<String>,
    session: Json,
    instances: Json,
    replies: HashMap<String, String>,
}

fn instant(text: &str) -> Result<i64, String> {
    text.parse::<Timestamp>().map(|t| t.as_millisecond()).map_err(|e| format!("{text}: {e}"))
}

impl RecordedHost {
    pub fn new(folder: &Path, vector: &Json) -> Result<Self, String> {
        let zone = vector["pins"]["zone"].as_str().unwrap_or("UTC");
        let mut restores = Vec::new();
        for file in vector["restore"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            restores.push(std::fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"))?);
        }
        let replies = vector["send"].as_object().into_iter().flatten();
        Ok(RecordedHost {
            folder: folder.to_owned(),
            zone: db().get(zone).map_err(|e| e.to_string())?,
            now: Cell::new(instant(vector["pins"]["now"].as_str().unwrap_or("2024-03-15T10:30:00Z"))?),
            uuids: Cell::new(0),
            restores,
            session: vector["session"].clone(),
            instances: vector["instances"].clone(),
            replies: replies.map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())).collect(),
        })
    }

    pub fn set_clock(&self, now: &str) -> Result<(), String> {
        self.now.set(instant(now)?);
        Ok(())
    }

    fn documents(&self) -> Vec<Document<'_>> {
        self.restores.iter().filter_map(|text| Document::parse(text).ok()).collect()
    }

    fn session(&self, names: &Names) -> Tree {
        let mut tree = Tree::new(names, names.intern("session"));
        let child = |tree: &mut Tree, parent: NodeId, name: &str| tree.append(parent, names.intern(name));
        let fields = |tree: &mut Tree, parent: NodeId, values: &Json, skip: &[&str]| {
            for (name, value) in values.as_object().into_iter().flatten() {
                if let Some(text) = value.as_str().filter(|_| !skip.contains(&name.as_str())) {
                    let node = child(tree, parent, name);
                    tree.set(node, Datum::text(text));
                }
            }
        };
        let root = NodeId(0);
        let data = child(&mut tree, root, "data");
        fields(&mut tree, data, &self.session["data"], &[]);
        let context = child(&mut tree, root, "context");
        fields(&mut tree, context, &self.session, &["user", "data"]);
        if self.session["drift"].is_null() {
            // The recording host always knew how far its clock was off.
            fields(&mut tree, context, &serde_json::json!({"drift": "0"}), &[]);
        }
        let user = child(&mut tree, root, "user");
        let user = child(&mut tree, user, "data");
        fields(&mut tree, user, &self.session["user"], &[]);
        tree
    }

    fn fixture(&self, id: &str, names: &Names) -> Option<External> {
        for document in self.documents() {
            match world::fixture(document.root_element(), id, names) {
                Instance::Source(source) => return Some(Arc::from(source)),
                Instance::Unloaded => {}
            }
        }
        None
    }
}

impl Host for RecordedHost {
    fn now_ms(&self) -> i64 {
        self.now.get()
    }

    fn offset_ms(&self, _zone: Zone, utc_ms: i64) -> i64 {
        // The recording runtime knows no local mean times before 1900.
        let at = utc_ms.clamp(-2_208_900_000_000, Timestamp::MAX.as_millisecond() - 86_400_000);
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        i64::from(self.zone.to_offset(at).seconds()) * 1000
    }

    fn random(&self) -> f64 {
        0.25
    }

    fn uuid(&self, length: Option<usize>) -> String {
        let number = self.uuids.get() + 1;
        self.uuids.set(number);
        match length {
            Some(length) => format!("{number:0length$}"),
            None => format!("00000000-0000-4000-8000-{number:012}"),
        }
    }
}

impl FormHost for RecordedHost {
    fn external(&self, id: &str, source: &str, names: &Names) -> Result<External, ExternalError> {
        if let Some(fixture) = source.strip_prefix("jr://fixture/") {
            return self
                .fixture(fixture, names)
                .ok_or_else(|| ExternalError::Missing(format!("Unable to find lookup table: {source}")));
        }
        match source {
            "jr://instance/casedb" => {
                let documents = self.documents();
                let blocks = documents.iter().flat_map(|d| d.root_element().children());
                let blocks = blocks.filter(|n: &Node<'_, '_>| n.tag_name().name() == "case");
                Ok(Arc::new(CaseSnapshot::new(names, blocks.map(|block| world::case_record(block, self)))))
            }
            "jr://instance/ledgerdb" => {
                let documents = self.documents();
                Ok(Arc::new(world::ledgers(documents.iter().map(Document::root_element), names)))
            }
            "jr://instance/session" => Ok(Arc::new(self.session(names))),
            _ => {
                let file = self.instances[id].as_str().ok_or(ExternalError::Unknown)?;
                let text =
                    std::fs::read_to_string(self.folder.join(file)).map_err(|_| ExternalError::Unknown)?;
                let document = Document::parse(&text).map_err(|_| ExternalError::Unknown)?;
                Ok(Arc::new(world::tree(document.root_element(), names)))
            }
        }
    }

    fn send(&self, resource: &str, parameters: Option<&[(String, String)]>) -> Option<String> {
        let reply = self.replies.get(resource).filter(|reply| *reply != "!throw")?;
        match parameters {
            None => Some(reply.clone()),
            Some(parameters) => {
                let mut pairs: Vec<String> = parameters.iter().map(|(k, v)| format!("{k}=[{v}]")).collect();
                pairs.sort();
                Some(format!("{reply}:{{{}}}", pairs.join(", ")))
            }
        }
    }
}
