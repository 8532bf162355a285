//! Expression vectors.

use std::collections::HashMap;
use std::path::Path;

use bolster_xpath::{
    Context, DataSource, Error, Expr, Handler, Host, Kind, Names, NodeRef, NodeValue, Value, Zone,
    format_number,
};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, tz};
use serde_json::Value as Json;

use crate::compare;
use crate::report::Report;
use crate::world::{Instance, World, datum};

struct Recorded {
    process: TimeZone,
    user: TimeZone,
    named: TimeZone,
    now: Option<i64>,
    random: Option<f64>,
    uuid: Option<String>,
    handlers: HashMap<String, RecordedHandler>,
}

impl Host for Recorded {
    fn now_ms(&self) -> i64 {
        self.now.unwrap_or(1_700_000_000_000)
    }

    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64 {
        let zone = match zone {
            Zone::Process => &self.process,
            Zone::User => &self.user,
            Zone::Named => &self.named,
        };
        // The recording runtime knows no local mean times before 1900.
        let at = utc_ms.clamp(-2_208_900_000_000, Timestamp::MAX.as_millisecond() - 86_400_000);
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        i64::from(zone.to_offset(at).seconds()) * 1000
    }

    fn random(&self) -> f64 {
        self.random.unwrap_or(0.5)
    }

    fn uuid(&self, length: Option<usize>) -> String {
        match (length, &self.uuid) {
            (None, Some(uuid)) => uuid.clone(),
            (None, None) => "01234567-89ab-4cde-8f01-23456789abcd".into(),
            (Some(length), _) => "A".repeat(length),
        }
    }

    fn locale_text(&self, _key: &str) -> Option<String> {
        None
    }

    fn handler(&self, name: &str) -> Option<&dyn Handler> {
        self.handlers.get(name).map(|h| h as &dyn Handler)
    }

    fn has_handlers(&self) -> bool {
        !self.handlers.is_empty()
    }
}

struct RecordedHandler {
    prototypes: Vec<Vec<Kind>>,
    raw: bool,
    result: Json,
}

impl Handler for RecordedHandler {
    fn prototypes(&self) -> &[Vec<Kind>] {
        &self.prototypes
    }

    fn raw(&self) -> bool {
        self.raw
    }

    fn call<'a>(
        &self,
        _name: &str,
        arguments: &[Value<'a>],
        _here: Option<NodeRef<'a>>,
        context: &Context<'a>,
    ) -> Result<Value<'a>, Error> {
        match &self.result {
            Json::Number(n) => return Ok(Value::Number(n.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => return Ok(Value::text(text.clone())),
            Json::Bool(b) => return Ok(Value::Boolean(*b)),
            _ => {}
        }
        let mut parts = Vec::new();
        for argument in arguments {
            parts.push(match argument {
                Value::Number(n) => format!("number:{}", format_number(*n)),
                Value::Text(text) => format!("string:{text}"),
                Value::Boolean(b) => format!("boolean:{b}"),
                Value::Date(_) => format!("date:{}", argument.to_text(context)?),
                Value::Nodes(nodes) => format!("nodeset:{}", nodes.nodes.len()),
                Value::Sequence(_) => "sequence".to_owned(),
            });
        }
        Ok(Value::text(format!("[{}]", parts.join(","))))
    }
}

fn kind(text: &Json) -> Kind {
    match text.as_str() {
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("date") => Kind::Date,
        _ => Kind::Text,
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    tz::db().get(name).map_err(|e| e.to_string())
}

fn host(vector: &Json) -> Result<Recorded, String> {
    let process = zone(vector["tz"].as_str().unwrap_or("UTC"))?;
    let named = vector["user_tz"].as_str().map(zone).transpose()?;
    let fixed = vector["user_offset_min"]
        .as_i64()
        .map(|minutes| TimeZone::fixed(Offset::from_seconds(minutes as i32 * 60).unwrap_or(Offset::UTC)));
    let mut handlers = HashMap::new();
    for handler in vector["handlers"].as_array().into_iter().flatten() {
        let prototypes = handler["prototypes"].as_array().into_iter().flatten();
        let entry = RecordedHandler {
            prototypes: prototypes.map(|p| p.as_array().into_iter().flatten().map(kind).collect()).collect(),
            raw: handler["raw"].as_bool() == Some(true),
            result: handler["result"].clone(),
        };
        handlers.insert(handler["name"].as_str().unwrap_or("").to_owned(), entry);
    }
    let now = vector["now"].as_str().and_then(|t| t.parse::<Timestamp>().ok()).map(|t| t.as_millisecond());
    Ok(Recorded {
        user: named.clone().or(fixed).unwrap_or_else(|| process.clone()),
        named: named.unwrap_or_else(|| process.clone()),
        process,
        now,
        random: vector["random"].as_f64(),
        uuid: vector["uuid"].as_str().map(str::to_owned),
        handlers,
    })
}

/// The node a written reference denotes; a step without a position is the first of its name.
fn locate<'a>(world: &'a World, text: &'a str) -> Result<Option<NodeRef<'a>>, String> {
    if text == "/" {
        return Ok(None);
    }
    let missing = || format!("no node at {text}");
    let (instance, source, path): (_, &dyn DataSource, _) = match text.strip_prefix("instance('") {
        Some(rest) => {
            let (id, path) = rest.split_once("')/").ok_or_else(missing)?;
            match world.instances.get(id) {
                Some(Instance::Source(source)) => (Some(id), &**source, path),
                _ => return Err(missing()),
            }
        }
        None => (None, world.main.as_ref().ok_or_else(missing)?, &text[1..]),
    };
    let mut node = source.root();
    for step in path.split('/').skip(1) {
        let (name, at) = match step.split_once('[') {
            Some((name, at)) => (name, at.trim_end_matches(']').parse().unwrap_or(1)),
            None => (step, 1),
        };
        let next = match name.strip_prefix('@') {
            Some(name) => source.names().get(name).and_then(|name| source.attribute(node, name)),
            None => source.names().get(name).and_then(|name| source.child_at(node, name, at - 1)),
        };
        node = next.ok_or_else(missing)?;
    }
    Ok(Some(NodeRef { instance, source, node }))
}

fn check(vector: &Json, world: &World, names: &Names, host: &Recorded, planned: bool) -> Result<(), String> {
    let text = vector["expr"].as_str().unwrap_or("");
    let expr = Expr::parse(text, names);
    let instances = world;
    let mut context = Context::new(world.main.as_ref().map(|t| t as &dyn DataSource), &instances, host);
    context.planned = planned;
    if let Some(node) = vector["context"].as_str() {
        context.node = locate(world, node)?;
    }
    if let Some(node) = vector["original"].as_str() {
        context.original = locate(world, node)?;
    }
    let candidate = vector["candidate"]
        .as_object()
        .map(|c| datum(c["value"].as_str().unwrap_or(""), c["type"].as_str().unwrap_or(""), host));
    context.candidate = candidate.as_ref().map(|c| -> NodeValue<'_> { c.view() });
    let variables: Vec<(&str, Value<'_>)> = vector["vars"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = match value {
                Json::Number(n) => Value::Number(n.as_f64().unwrap_or(f64::NAN)),
                Json::Bool(b) => Value::Boolean(*b),
                other => Value::text(other.as_str().filter(|t| !t.trim().is_empty()).unwrap_or("")),
            };
            (name.as_str(), value)
        })
        .collect();
    context.variables = &variables;
    let got = match &expr {
        Ok(expr) => expr.evaluate(&context),
        Err(e) => Err(e.clone()),
    };
    let approx = vector["approx"].as_bool() == Some(true);
    let ours = &vector["ours"];
    if ours.is_null() {
        return compare::outcome(&vector["expect"], &got, approx, &context);
    }
    if ours["any"].as_bool() == Some(true) {
        return Ok(());
    }
    if let Some(either) = ours["either"].as_array() {
        let results = either.iter().map(|one| compare::outcome(one, &got, approx, &context));
        return results.reduce(|a, b| a.or(b)).unwrap_or(Ok(()));
    }
    compare::outcome(ours, &got, approx, &context)
}

/// Runs every expression vector below `folder`, planned and unplanned.
pub fn run(folder: &Path, report: &mut Report) -> Result<(), String> {
    let data = folder.join("data");
    let worlds =
        std::fs::read_to_string(data.join("worlds.json")).map_err(|e| format!("worlds.json: {e}"))?;
    let worlds: Json = serde_json::from_str(&worlds).map_err(|e| e.to_string())?;
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map_err(|e| e.to_string())?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let names = Names::new();
    let mut built: HashMap<String, World> = HashMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
            let vector: Json = serde_json::from_str(line).map_err(|e| e.to_string())?;
            let id = vector["id"].as_str().unwrap_or("?");
            let host = host(&vector)?;
            let world = vector["world"].as_str().unwrap_or("none");
            let key = format!("{world} {} {} {}", vector["tz"], vector["user_tz"], vector["user_offset_min"]);
            if !built.contains_key(&key) {
                built.insert(key.clone(), World::build(&worlds[world], &data, &names, &host)?);
            }
            let world = &built[&key];
            let outcome = check(&vector, world, &names, &host, true)
                .and_then(|()| {
                    check(&vector, world, &names, &host, false).map_err(|e| format!("unplanned: {e}"))
                })
                .map_err(|e| format!("{}: {e}", vector["expr"]));
            report.note(id, outcome);
        }
    }
    Ok(())
}
