//! Opening forms: from menus, by themselves, and again.

use std::sync::Arc;

use bolster_runtime::{Cx, Env, Navigator};
use bolster_xforms::{FormDefinition, FormIndex, OpenOptions, Session as FormSession};
use serde_json::{Map, Value as Json, json};

use super::{FormWorld, OpenForm, Record, parse_form, steps, tree};
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::host::{Account, Need, Shelf};
use crate::menus::{Trip, common, fault};
use crate::reply::{Body, Output, Reply, text};
use crate::request::Request;
use crate::{Formplayer, lock};

/// Texts that clients show around forms.
const TRANSLATIONS: [&str; 2] = ["repeat.dialog.add.new", "upload.clear.title"];
/// The id of the text that makes a form submit itself.
const AUTO_SUBMIT: &str = "Pragma-Submit-Automatically";

/// Members of `session-data` that are no data of the session.
const NO_DATA: [&str; 12] = [
    "username",
    "domain",
    "user_id",
    "app_id",
    "app_version",
    "device_id",
    "user_data",
    "host",
    "session_name",
    "additional_filters",
    "function_context",
    "functionContext",
];

/// The translations that the application has.
pub(super) fn translations(language: &str, app: Option<&bolster_runtime::App>) -> Map<String, Json> {
    let mut out = Map::new();
    for key in TRANSLATIONS {
        if let Some(text) = app.and_then(|app| app.locales.get(language, key)) {
            out.insert(key.into(), text.into());
        }
    }
    out
}

/// The members of the reply that shows a form.
fn shown(form: &mut OpenForm, host: &FormWorld<'_>) -> Result<Body, Fault> {
    let record = &form.record;
    let mut body = Body::base();
    body.set("title", record.title.as_str());
    body.set("session_id", record.id.as_str());
    body.set("seq_id", record.version);
    body.set("langs", form.session.definition().languages().collect::<Vec<_>>());
    let written = if record.one_question {
        let index = tree::parse_index(&record.index).unwrap_or(FormIndex::Beginning);
        text(&tree::at(&mut form.session, &index, host)?)
    } else {
        tree::full(&mut form.session, &form.lasting, host)?
    };
    body.write("tree", written);
    // Showing the form may make entries of counted repeats, which the instance then has.
    let draft = form.session.draft(host)?;
    body.write("instanceXml", text(&Output { output: &draft }));
    form.draft = Some(draft);
    Ok(body)
}

impl Formplayer {
    /// Opens the form that a navigation leads to.
    pub(crate) fn open_form(
        &self,
        trip: &Trip<'_>,
        cx: &Cx<'_>,
        navigator: &mut Navigator<'_>,
    ) -> Result<Body, Fault> {
        let session = navigator.session.clone();
        let namespace = session.form(cx.app).map(str::to_owned).unwrap_or_default();
        let definition = cx.app.form(&namespace)?;
        let entry = session.entry(cx.app)?;
        let scope = Default::default();
        let title = entry.display.text.plain(&Env::new(cx, &scope))?;
        let mut record = Record {
            app_id: Some(trip.opened.id.clone()),
            preview: trip.preview,
            language: Some(trip.language.clone()),
            menu_language: trip.language.clone(),
            title,
            post_url: cx.app.profile.property("PostURL").unwrap_or_default().to_owned(),
            data: session.data().to_vec(),
            session: Some(session),
            one_question: trip.one_question,
            namespace: Some(namespace),
            window_width: trip.window_width.clone(),
            ..Record::default()
        };
        record.set_account(trip.account);
        let app = trip.opened.app.clone();
        let (form, mut body) =
            self.begin(trip.call, trip.account, trip.world, record, definition, Some(app), None)?;
        common(&mut body, trip, cx, navigator).map_err(|error| fault(error, trip.world))?;
        let mut texts = translations(&trip.language, Some(cx.app));
        let command = navigator.session.command().unwrap_or_default().replace('-', "");
        let label = format!("forms.{command}.submit_label");
        if let Some(text) = cx.app.locales.get(&trip.language, &label) {
            texts.insert(label, text.into());
        }
        body.set("translations", texts);
        let host = FormWorld::new(trip.world, &form.record, form.app.as_deref());
        body.set("shouldAutoSubmit", form.session.itext(AUTO_SUBMIT, &host)?.is_some());
        lock(&self.live).put(trip.account.key(), form.record, form.session);
        Ok(body)
    }

    /// Opens a form for the first time, keeps it, and gives what shows it.
    #[allow(clippy::too_many_arguments)]
    fn begin(
        &self,
        call: &Call<'_>,
        account: &Account,
        world: &crate::world::RequestWorld<'_>,
        mut record: Record,
        definition: Arc<FormDefinition>,
        app: Option<Arc<bolster_runtime::App>>,
        saved: Option<&str>,
    ) -> Result<(OpenForm, Body), Fault> {
        record.id = call.host.uuid();
        record.opened_ms = call.host.now_ms();
        record.index = "0".into();
        let host = FormWorld::new(world, &record, app.as_deref());
        let options = OpenOptions {
            language: record.language.as_deref(),
            saved,
            completed: false,
            read_only: false,
            juncture: false,
        };
        let mut session = FormSession::open(&definition, &options, &host)?;
        if record.language.is_none() {
            record.language = session.language().map(str::to_owned);
        }
        if record.one_question {
            steps::forward(&mut session, &host)?;
            record.index = session.current().to_string();
        }
        drop(host);
        let lasting = self.lasting.of(&definition);
        let mut form = OpenForm { record, session, app, account: account.clone(), lasting, draft: None };
        let body = self.show(&mut form, world)?;
        let draft = form.draft.take().unwrap_or_default();
        call.host.save(Shelf::Forms, &account.key(), &form.record.id, &form.record.written(&draft));
        Ok((form, body))
    }

    fn show(&self, form: &mut OpenForm, world: &crate::world::RequestWorld<'_>) -> Result<Body, Fault> {
        let record = form.record.clone();
        let app = form.app.clone();
        let host = FormWorld::new(world, &record, app.as_deref());
        shown(form, &host)
    }

    pub(crate) fn new_form(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        let content = match (request.text("form-url"), request.text("form-content")) {
            (Some(url), _) => call.host.fetch(&account, &url)?,
            (None, Some(content)) => content,
            (None, None) => return Err(Fault::Other("No FormURL or FormContent".into())),
        };
        let data = call.host.data(&account, Need::Sync { purge: account.case.is_none() })?;
        let definition = parse_form(&content)?;
        let results = self.user(&account).results.clone();
        let mut world =
            crate::world::RequestWorld::new(call.host, &account, results, Default::default(), data);
        world.offset_ms = crate::apps::client_offset(request);
        world.zone = crate::apps::client_zone(request);
        let facts = request.get("session-data");
        let empty = Map::new();
        let members = facts.as_object().unwrap_or(&empty);
        let own = members.iter().filter(|(key, _)| !NO_DATA.contains(&key.as_str()));
        let prompts = request.text("nav_mode").as_deref() == Some("prompt");
        let mut record = Record {
            app_id: facts["app_id"].as_str().map(str::to_owned),
            language: request.text("lang"),
            menu_language: request.text("lang").unwrap_or_else(|| "default".into()),
            title: definition.title().unwrap_or_default().to_owned(),
            post_url: request.text("post_url").unwrap_or_default(),
            data: own.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
            functions: functions(members),
            one_question: request.flag("oneQuestionPerScreen"),
            prompts,
            namespace: definition.xmlns().map(str::to_owned),
            form_text: Some(content),
            window_width: request.text("windowWidth"),
            ..Record::default()
        };
        record.set_account(&account);
        let saved = request.text("instance-content");
        let (form, mut body) =
            self.begin(call, &account, &world, record, definition, None, saved.as_deref())?;
        body.set("translations", Map::new());
        if prompts {
            let mut session = form.session.clone();
            let host = FormWorld::new(&world, &form.record, None);
            let index = tree::parse_index(&form.record.index).unwrap_or(FormIndex::Beginning);
            let shown = match form.record.one_question {
                true => tree::at(&mut session, &index, &host)?.into_iter().next(),
                false => match session.positions(&host)?.first() {
                    Some(first) => Some(tree::question(&session, first, &host)?),
                    None => None,
                },
            };
            body.write("event", text(&shown));
            body.set("tree", Json::Null);
            body.write("tree", "null".into());
        }
        lock(&self.live).put(account.key(), form.record, form.session);
        Ok(Reply::ok(&body))
    }

    pub(crate) fn incomplete_form(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.with_form(call, request, false, |form, world| {
            let body = self.show(form, world)?;
            Ok(Reply::ok(&body))
        })
    }

    pub(crate) fn get_sessions(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        let data = call.host.data(&account, Need::Any { older_than_ms: None, unknown_is_old: false });
        let owned = call.host.owned(Shelf::Forms, &account.key());
        let mut records: Vec<Record> =
            owned.iter().filter_map(|(_, bytes)| Some(Record::read(bytes)?.0)).collect();
        records.sort_by(|a, b| b.opened_ms.cmp(&a.opened_ms).then_with(|| b.id.cmp(&a.id)));
        let size = match request.number("page_size") {
            0 => 10,
            size => size.clamp(1, 100),
        } as usize;
        let page = usize::try_from(request.number("page_number")).unwrap_or(0);
        let mut out = Vec::new();
        for record in records.iter().skip(page.saturating_mul(size)).take(size) {
            let case = record.data.iter().find(|(key, _)| key == "case_id").map(|(_, id)| id);
            let name = case.map(|id| {
                let known = data.as_ref().ok().and_then(|data| data.case_name(id));
                known.unwrap_or_else(|| format!("Case with id {id}does not exist!"))
            });
            out.push(json!({
                "title": record.title, "dateOpened": instant(record.opened_ms), "sessionId": record.id,
                "caseName": name,
            }));
        }
        Ok(Reply::of(&json!({"sessions": out, "total_records": records.len()})))
    }
}

/// Functions with fixed results that a request brings.
fn functions(members: &Map<String, Json>) -> Vec<(String, String)> {
    let context = members.get("functionContext").or_else(|| members.get("function_context"));
    let fixed = context.map(|context| &context["static-date"]).and_then(Json::as_array);
    let one = |function: &Json| {
        Some((function["name"].as_str()?.to_owned(), function["value"].as_str()?.to_owned()))
    };
    fixed.into_iter().flatten().filter_map(one).collect()
}

/// An instant of UTC with microseconds.
fn instant(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let clock = ms.rem_euclid(86_400_000);
    // Civil date from days: eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        clock / 3_600_000,
        clock / 60_000 % 60,
        clock / 1000 % 60,
        clock % 1000 * 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(instant(1_749_546_001_123), "2025-06-10T09:00:01.123000Z");
        assert_eq!(instant(951_782_400_000), "2000-02-29T00:00:00.000000Z");
    }
}
