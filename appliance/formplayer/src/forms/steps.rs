//! Stepping through a form one question at a time.

use bolster_xforms::{FormHost, FormIndex, Position, Session};
use serde_json::Value as Json;

use super::{FormWorld, OpenForm, tree};
use crate::Formplayer;
use crate::dispatch::Call;
use crate::fault::Fault;
use crate::reply::{Body, Output, Reply, text};
use crate::request::Request;
use crate::world::RequestWorld;

/// Whether a position is a stop: a question, or a group whose questions are on one screen.
fn is_stop(session: &mut Session, host: &dyn FormHost) -> Result<bool, Fault> {
    let index = session.current().clone();
    Ok(match session.describe(&index, host)? {
        Position::Question(_) | Position::NewRepeat(_) | Position::End => true,
        Position::Group(group) => group.field_list && !session.screen(host)?.is_empty(),
        _ => false,
    })
}

/// Goes to the next stop.
pub(crate) fn forward(session: &mut Session, host: &dyn FormHost) -> Result<(), Fault> {
    let from = session.current().clone();
    let list = matches!(session.describe(&from, host)?, Position::Group(group) if group.field_list);
    while *session.current() != FormIndex::End {
        session.step(host)?;
        if list && session.current().is_within(&from) {
            continue;
        }
        if is_stop(session, host)? {
            break;
        }
    }
    Ok(())
}

/// The group around a position that shows its questions on one screen.
fn screen_around(
    session: &Session,
    index: &FormIndex,
    host: &dyn FormHost,
) -> Result<Option<FormIndex>, Fault> {
    let written = index.to_string();
    for (at, _) in written.match_indices(',') {
        let Some(outer) = FormIndex::parse(&written[..at]) else { continue };
        if let Position::Group(group) = session.describe(&outer, host)?
            && group.field_list
        {
            return Ok(Some(outer));
        }
    }
    Ok(None)
}

/// Goes to the stop before; true if that is the first.
fn backward(session: &mut Session, host: &dyn FormHost) -> Result<bool, Fault> {
    let mut last_valid = session.current().clone();
    loop {
        if *session.current() == FormIndex::Beginning {
            break;
        }
        session.step_back(host)?;
        let index = session.current().clone();
        if index == FormIndex::Beginning {
            session.go_to(&last_valid, host)?;
            return Ok(true);
        }
        if let Some(outer) = screen_around(session, &index, host)? {
            session.go_to(&outer, host)?;
        }
        let index = session.current().clone();
        match session.describe(&index, host)? {
            Position::Question(_) => return Ok(false),
            Position::Group(group) if group.field_list && !session.screen(host)?.is_empty() => {
                return Ok(false);
            }
            _ => last_valid = index,
        }
    }
    forward(session, host)?;
    Ok(true)
}

/// The members of a reply about a position.
fn navigation(form: &OpenForm, first: bool, last: bool) -> Body {
    let mut body = Body::base();
    body.set("title", form.record.title.as_str());
    body.set("currentIndex", form.record.index.as_str());
    body.set("isAtFirstIndex", first);
    body.set("isAtLastIndex", last);
    body.set("seq_id", 0);
    body
}

/// The reply that shows the position of a form.
fn shown(form: &mut OpenForm, world: &RequestWorld<'_>, first: bool, last: bool) -> Result<Reply, Fault> {
    let record = form.record.clone();
    let app = form.app.clone();
    let host = FormWorld::new(world, &record, app.as_deref());
    let mut body = navigation(form, first, last);
    let index = tree::parse_index(&record.index).unwrap_or(FormIndex::Beginning);
    let questions = tree::at(&mut form.session, &index, &host)?;
    body.write("event", text(&questions.first()));
    body.write("tree", text(&questions));
    Ok(Reply::ok(&body))
}

/// Steps to the next event of a conversation and gives the members of the reply.
pub(super) fn next_event(form: &mut OpenForm, world: &RequestWorld<'_>) -> Result<Body, Fault> {
    let record = form.record.clone();
    let app = form.app.clone();
    let host = FormWorld::new(world, &record, app.as_deref());
    let from = tree::parse_index(&record.index).unwrap_or(FormIndex::Beginning);
    form.session.go_to(&from, &host)?;
    form.session.step(&host)?;
    let index = form.session.current().clone();
    form.record.index = match index {
        FormIndex::End => ">".into(),
        _ => index.to_string(),
    };
    let mut event = tree::question(&form.session, &index, &host)?;
    if index == FormIndex::End {
        form.session.finalize(&host)?;
        event.output = Some(form.session.submission(&host)?);
    }
    let mut body = navigation(form, false, false);
    if index == FormIndex::End {
        body.set("currentIndex", "-1");
    }
    body.write("event", text(&event));
    body.set("status", "accepted");
    Ok(body)
}

impl Formplayer {
    pub(crate) fn current(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.with_form(call, request, true, |form, world| shown(form, world, false, false))
    }

    /// Goes to the next or the previous screen.
    pub(crate) fn step(&self, call: &Call<'_>, request: &Request, ahead: bool) -> Result<Reply, Fault> {
        self.with_form(call, request, true, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let from = tree::parse_index(&record.index).unwrap_or(FormIndex::Beginning);
            form.session.go_to(&from, &host)?;
            let (mut first, mut last) = (false, false);
            if ahead {
                forward(&mut form.session, &host)?;
                last = *form.session.current() == FormIndex::End;
            } else {
                first = backward(&mut form.session, &host)?;
            }
            if !last {
                form.record.index = form.session.current().to_string();
            }
            shown(form, world, first, last)
        })
    }

    pub(crate) fn next_prompt(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.with_form(call, request, true, |form, world| Ok(Reply::ok(&next_event(form, world)?)))
    }

    pub(crate) fn change_locale(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let language = request.text("locale").unwrap_or_default();
        self.with_form(call, request, true, |form, world| {
            if !form.session.set_language(&language) {
                return Err(Fault::Other(format!(
                    "Attempted to set to a locale that is not defined. Attempted Locale: {language}"
                )));
            }
            form.record.language = Some(language.clone());
            if let (Some(app), Some(session)) = (form.app.clone(), form.record.session.clone()) {
                form.record.menu_language = app.language(Some(&language)).to_owned();
                let cx = bolster_runtime::Cx {
                    app: &app,
                    world,
                    language: &form.record.menu_language,
                    window_width: None,
                };
                let mut session = session;
                session.sync(&app);
                let scope = Default::default();
                let entry = session.entry(&app)?;
                form.record.title = entry.display.text.plain(&bolster_runtime::Env::new(&cx, &scope))?;
            }
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let mut body = Body::base();
            body.set("title", record.title.as_str());
            body.set("seq_id", 0);
            body.write("tree", tree::full(&mut form.session, &form.lasting, &host)?);
            Ok(Reply::ok(&body))
        })
    }

    /// Makes an entry of a repeat, or deletes one.
    pub(crate) fn repeat(&self, call: &Call<'_>, request: &Request, make: bool) -> Result<Reply, Fault> {
        let index = request.text("ix").unwrap_or_default();
        let index = tree::parse_index(&index)
            .ok_or_else(|| Fault::Other(format!("There is no position {index}.")))?;
        let mut reply = self.with_form(call, request, true, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            match make {
                true => form.session.new_repeat(&index, &host)?,
                false => form.session.delete_repeat(&index, &host)?,
            }
            let mut body = Body::base();
            body.set("title", record.title.as_str());
            body.set("seq_id", 0);
            body.write("tree", tree::full(&mut form.session, &form.lasting, &host)?);
            let draft = form.session.draft(&host)?;
            body.write("instanceXml", text(&Output { output: &draft }));
            form.draft = Some(draft);
            Ok(body)
        })?;
        let _: &Json = reply.get("title");
        reply.set("errors", Json::Null);
        Ok(Reply::ok(&reply))
    }
}
