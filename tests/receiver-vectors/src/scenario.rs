//! One scenario: a world, its steps, what each must lead to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::{self, Request, Response};
use crate::compare::{Bound, Differences};
use crate::expect::Checker;
use crate::world::World;
use crate::{credentials, request};

/// Most tries of a request of a `parallel` step that is to be sent again.
const TRIES_MAX: usize = 50;

/// Runs a scenario once for each of its variants; what differed first, if anything.
pub fn run(folder: &Path) -> Result<Differences> {
    let text = std::fs::read_to_string(folder.join("scenario.json"))
        .with_context(|| format!("reading {}", folder.display()))?;
    let scenario: Value = serde_json::from_str(&text)?;
    let one = vec![json!({})];
    let variants = scenario["variants"].as_array().filter(|v| !v.is_empty()).unwrap_or(&one);
    for variant in variants {
        let mut differences = run_variant(&scenario, variant, folder)?;
        if !differences.is_empty() {
            if variants.len() > 1 {
                differences.0[0] = format!("variant {variant}: {}", differences.0[0]);
            }
            return Ok(differences);
        }
    }
    Ok(Differences::default())
}

fn run_variant(scenario: &Value, variant: &Value, folder: &Path) -> Result<Differences> {
    let steps = scenario["steps"].as_array().context("a scenario without steps")?;
    let mut world = World::new(&scenario["setup"], variant)?;
    let mut bound = Bound::new();
    for (number, step) in steps.iter().enumerate() {
        let differences = run_step(&mut world, step, folder, &mut bound);
        let mut differences = differences.with_context(|| format!("step {}", number + 1))?;
        if let Some(first) = differences.0.first_mut() {
            *first = format!("step {}: {first}", number + 1);
            return Ok(differences);
        }
    }
    Ok(Differences::default())
}

fn run_step(world: &mut World, step: &Value, folder: &Path, bound: &mut Bound) -> Result<Differences> {
    if let Some(at) = step["at"].as_str() {
        world.set_clock(at)?;
    }
    let text = |key: &str| step[key].as_str().with_context(|| format!("a step without {key}"));
    let mut seconds = 0.0;
    let mut answer = None;
    match text("do")? {
        "request" => {
            let before = world.real_time_us();
            answer = Some(send(world, &step["request"], folder, bound)?);
            seconds = Duration::from_micros(world.real_time_us() - before).as_secs_f64();
        }
        "parallel" => {
            let mut out = parallel(world, step, folder, bound)?;
            let mut expect = step["expect"].clone();
            expect.as_object_mut().map(|e| e.remove("statuses_in"));
            let checker = Checker { world, folder, seconds };
            out.0.extend(checker.check(&expect, None, bound)?.0);
            return Ok(out);
        }
        "restore" => return restore(world, step, bound),
        "archive" => world.archive(text("form")?, true, step["user"].as_str())?,
        "unarchive" => world.archive(text("form")?, false, step["user"].as_str())?,
        "delete_form" => world.delete_form(text("form")?)?,
        "delete_case" => world.delete_case(text("case")?)?,
        "rebuild_case" => world.rebuild_case(text("case")?)?,
        "set_project" => world.set_project(text("project")?, step)?,
        "set_user" => world.set_user(text("user")?, step)?,
        "set_server" => world.set_server(step)?,
        "delete_app" => world.delete_app(text("app")?)?,
        "fault" => world.fault(text("fault")?, step["on"] == true)?,
        "kill_and_restart" => world.kill_and_restart()?,
        other => bail!("the step '{other}' is not known"),
    }
    Checker { world, folder, seconds }.check(&step["expect"], answer.as_ref(), bound)
}

fn send(world: &World, request: &Value, folder: &Path, bound: &Bound) -> Result<Response> {
    let plain = request::build(request, folder, bound)?;
    let auth = &request["auth"];
    let text = |key: &str| auth[key].as_str().unwrap_or_default();
    let with = |name: &str, value: String| {
        let mut request = plain.clone();
        request.headers.push((name.to_owned(), value));
        request
    };
    let address = world.address()?;
    match text("kind") {
        "" | "none" => client::send(address, &plain),
        "basic" => {
            let authorization = credentials::basic(text("user"), text("password"));
            client::send(address, &with("Authorization", authorization))
        }
        "digest" => {
            let first = client::send(address, &Request { body: Vec::new(), ..plain.clone() })?;
            let challenge = first.header("www-authenticate").unwrap_or_default();
            let answer =
                credentials::digest(challenge, text("user"), text("password"), &plain.method, &plain.target);
            match answer {
                Some(authorization) => client::send(address, &with("Authorization", authorization)),
                None => Ok(first),
            }
        }
        "session" => client::send(address, &with("Cookie", world.session_cookie(text("user"))?)),
        // There are no access tokens to be had yet: whatever is sent is one that nobody gave.
        "bearer" => client::send(address, &with("Authorization", "Bearer 0123456789abcdef".to_owned())),
        "api_key" => client::send(address, &with("Authorization", world.api_key(auth)?)),
        other => bail!("the credentials '{other}' are not known"),
    }
}

/// A phone restores; its token is remembered under the name that the step gives.
fn restore(world: &World, step: &Value, bound: &mut Bound) -> Result<Differences> {
    let user = step["user"].as_str().context("a restore without user")?;
    let project = world.project_of(user)?;
    let mut target = format!("/a/{project}/phone/restore/?version=2.0");
    if let Some(since) = step["since"].as_str() {
        target.push_str("&since=");
        target.push_str(bound.get(since).context("a token that no restore gave")?);
    }
    let headers = vec![("Cookie".to_owned(), world.session_cookie(user)?)];
    let request = Request { method: "GET".to_owned(), target, headers, body: Vec::new() };
    let answer = client::send(world.address()?, &request)?;
    if answer.status != 200 {
        bail!("a restore was answered with {}", answer.status);
    }
    let payload = String::from_utf8(answer.body)?;
    let document = roxmltree::Document::parse(&payload)?;
    let named = |name: &'static str| document.descendants().filter(move |n| n.tag_name().name() == name);
    if let Some(name) = step["bind_token"].as_str() {
        let token = named("restore_id").next().and_then(|n| n.text()).context("a restore without token")?;
        bound.insert(name.to_owned(), token.to_owned());
    }
    let mut out = Differences::default();
    if let Some(expected) = step["expect"]["cases_in_payload"].as_array() {
        let mut cases: Vec<Value> =
            named("case").filter_map(|n| n.attribute("case_id")).map(Value::from).collect();
        cases.sort_by_key(Value::to_string);
        let mut wanted = expected.clone();
        wanted.sort_by_key(Value::to_string);
        if cases != wanted {
            out.add("cases_in_payload", &wanted.into(), &cases.into());
        }
    }
    Ok(out)
}

/// Sends requests at once; each again while it gets a status that asks for it.
fn parallel(world: &World, step: &Value, folder: &Path, bound: &Bound) -> Result<Differences> {
    let requests = step["requests"].as_array().context("no requests")?;
    let retry: Vec<u64> =
        step["retry_on"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let one = |request: &Value| -> Result<u16> {
        for _ in 0..TRIES_MAX {
            let status = send(world, request, folder, bound)?.status;
            if !retry.contains(&u64::from(status)) {
                return Ok(status);
            }
        }
        bail!("a request was refused {TRIES_MAX} times")
    };
    let one = &one;
    let answers: Vec<Result<u16>> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|r| scope.spawn(move || one(r))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| bail!("a sender panicked"))).collect()
    });
    let allowed = step["expect"]["statuses_in"].as_array();
    let mut out = Differences::default();
    for status in answers {
        let status = status?;
        if allowed.is_some_and(|a| !a.contains(&json!(status))) {
            out.say(format!("a status is {status}"));
        }
    }
    Ok(out)
}
