//! Running one recorded session.

use std::path::Path;

use bolster_formplayer::{Call, Caller, Credential, Formplayer, Reply, Upload};
use serde_json::Value as Json;

use crate::compare::{BASE, Bindings};
use crate::host::Scripted;
use crate::report::Report;

/// Runs every session below a folder.
pub fn run(folder: &Path, report: &mut Report) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<_> =
        entries.flatten().map(|e| e.path().join("vector.json")).filter(|p| p.is_file()).collect();
    files.sort();
    let only = std::env::var("APP_VECTORS_ONLY").ok();
    for file in files {
        let name =
            file.parent().and_then(|p| p.file_name()).and_then(|n| n.to_str()).unwrap_or("?").to_owned();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let vector: Json = serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
        let outcome = play(folder, &name, &vector, report);
        report.note(&name, outcome);
    }
    Ok(())
}

/// Plays a session to its end; the first difference if there is one.
fn play(folder: &Path, name: &str, vector: &Json, report: &mut Report) -> Result<(), String> {
    let all = std::env::var_os("APP_VECTORS_ALL").is_some();
    let host = Scripted::new(folder, vector)?;
    let formplayer = Formplayer::new();
    let mut bindings = Bindings::default();
    let mut replies: Vec<(i64, Json)> = Vec::new();
    let mut first = Ok(());
    for step in vector["steps"].as_array().into_iter().flatten() {
        let number = step["n"].as_i64().unwrap_or(0);
        host.begin(step);
        let reply = perform(&formplayer, &host, vector, step, &replies);
        let body: Json = serde_json::from_str(&reply.json).unwrap_or_else(|_| reply.json.clone().into());
        let outcome = check(&mut bindings, step, &reply, &body, &host.asked.borrow());
        report.steps += 1;
        match outcome {
            Ok(()) => report.steps_passed += 1,
            Err(what) => {
                let endpoint = step["endpoint"].as_str().unwrap_or("");
                let what = format!("step {number} {endpoint}: {what}");
                if all {
                    println!("  {name} {what}");
                }
                if first.is_ok() {
                    first = Err(what);
                }
            }
        }
        replies.push((number, body));
    }
    first
}

fn perform(
    formplayer: &Formplayer,
    host: &Scripted,
    vector: &Json,
    step: &Json,
    replies: &[(i64, Json)],
) -> Reply {
    let text = |key: &str| vector[key].as_str().unwrap_or("").to_owned();
    let toggles =
        ["toggles", "previews"].iter().flat_map(|key| vector[*key].as_array().into_iter().flatten());
    let caller = Caller {
        credential: match step["auth"].as_str() {
            Some("hmac") => Credential::Signed,
            Some("none") => Credential::Nobody,
            Some("nocsrf") => Credential::Session { csrf: false },
            _ => Credential::Session { csrf: true },
        },
        username: text("username"),
        domains: vec![text("domain")],
        superuser: vector["superuser"].as_bool() == Some(true),
        toggles: toggles.filter_map(Json::as_str).map(str::to_owned).collect(),
    };
    let call = Call { host, caller: &caller, base: BASE };
    let endpoint = step["endpoint"].as_str().unwrap_or("");
    let body = match step["raw_request"].as_str() {
        Some(raw) => raw.as_bytes().to_vec(),
        None if step["request"].is_null() => Vec::new(),
        None => fill(&step["request"], replies).to_string().into_bytes(),
    };
    if let Some(file) = step["multipart"].get("file") {
        let words = file["content"].as_str().unwrap_or("");
        let digits: String =
            words.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
        let size: u64 = digits.parse().unwrap_or(52_143);
        let content = vec![0u8; size as usize];
        let mut upload = Upload {
            name: file["filename"].as_str().unwrap_or(""),
            content_type: file["content_type"].as_str().unwrap_or(""),
            size,
            content: &mut content.as_slice(),
        };
        return formplayer.handle_upload(&call, &body, &mut upload);
    }
    formplayer.handle(&call, step["method"].as_str().unwrap_or("POST"), endpoint, &body)
}

/// Puts values of earlier replies into a request.
fn fill(request: &Json, replies: &[(i64, Json)]) -> Json {
    match request {
        Json::String(text) => {
            let mut out = String::new();
            let mut rest = text.as_str();
            while let Some(start) = rest.find("${step") {
                let Some(end) = rest[start..].find('}') else { break };
                out.push_str(&rest[..start]);
                let value = lookup(&rest[start + 6..start + end], replies);
                if start == 0 && end + 1 == rest.len() && out.is_empty() {
                    return value;
                }
                match value {
                    Json::String(text) => out.push_str(&text),
                    Json::Null => {}
                    other => out.push_str(&other.to_string()),
                }
                rest = &rest[start + end + 1..];
            }
            out.push_str(rest);
            out.into()
        }
        Json::Array(values) => values.iter().map(|value| fill(value, replies)).collect(),
        Json::Object(members) => {
            members.iter().map(|(key, value)| (key.clone(), fill(value, replies))).collect()
        }
        other => other.clone(),
    }
}

fn lookup(path: &str, replies: &[(i64, Json)]) -> Json {
    let mut steps = path.split('.');
    let number: i64 = steps.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let Some((_, reply)) = replies.iter().find(|(known, _)| *known == number) else { return Json::Null };
    let mut value = reply;
    for step in steps {
        value = match step.parse::<usize>() {
            Ok(at) if value.is_array() => &value[at],
            _ => &value[step],
        };
    }
    value.clone()
}

fn check(
    bindings: &mut Bindings,
    step: &Json,
    reply: &Reply,
    body: &Json,
    asked: &[Json],
) -> Result<(), String> {
    let ignore: Vec<String> = step["ignore"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|i| i.as_str().map(str::to_owned))
        .collect();
    let lenient = step["lenient"].as_str();
    if lenient == Some("defect") {
        return Ok(());
    }
    let status = step["status"].as_u64().unwrap_or(200);
    if u64::from(reply.status) != status {
        return Err(format!("expected status {status}, got {}: {}", reply.status, reply.json));
    }
    if status == 403 {
        return Ok(());
    }
    // Steps whose own rules answer a restore with an error are about private copies.
    if lenient == Some("error-text") {
        let bad = body["status"] == "error" || body["notification"]["error"] == true;
        return if bad { Ok(()) } else { Err(format!("expected an error, got {}", reply.json)) };
    }
    if body["exception"].is_string() && !step["response"]["exception"].is_string() {
        return Err(format!("expected no error, got {}", body["exception"]));
    }
    if !body["exception"].is_string() && step["response"]["exception"].is_string() {
        return Err(format!("expected the error {}", step["response"]["exception"]));
    }
    bindings.same(&step["response"], body, "response", &ignore)?;
    let wanted = step["hq"].as_array().cloned().unwrap_or_default();
    let wanted: Vec<(usize, &Json)> =
        wanted.iter().enumerate().filter(|(_, e)| e["kind"] != "restore").collect();
    let asked: Vec<&Json> = asked.iter().filter(|entry| entry["kind"] != "restore").collect();
    if wanted.len() != asked.len() {
        let kinds = |all: &[&Json]| all.iter().map(|e| e["kind"].to_string()).collect::<Vec<_>>().join(",");
        let expected: Vec<&Json> = wanted.iter().map(|(_, e)| *e).collect();
        return Err(format!("hq: expected [{}], got [{}]", kinds(&expected), kinds(&asked)));
    }
    for ((at, expected), got) in wanted.into_iter().zip(asked) {
        for key in ["kind", "method", "path", "parts"] {
            bindings.same(&expected[key], &got[key], &format!("hq.{at}.{key}"), &ignore)?;
        }
        bindings.same_form(&expected["form"], &got["form"], &format!("hq.{at}.form"))?;
        if expected["xml"].is_string() {
            bindings.same(&expected["xml"], &got["xml"], &format!("hq.{at}.xml"), &ignore)?;
        }
    }
    Ok(())
}
