//! Small pieces that several pages share: times, links, names of people and states.

use crate::resources::forms::SEGMENT;
use bolster_auth::Project;
use bolster_model::{Case, CaseId, FormId, FormState, Timestamp};
use bolster_usecases::Appliance;
use maud::{Markup, html};
use percent_encoding::utf8_percent_encode;

/// A time, to the minute.
pub fn time(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = format!("{} {}", &exact[..10], &exact[11..16]);
    html! { time datetime=(exact) title=(exact) { (shown) " UTC" } }
}

/// A time that may be absent.
pub fn maybe_time(at: Option<Timestamp>) -> Markup {
    html! { @if let Some(at) = at { (time(at)) } @else { "–" } }
}

/// Address of a form's page.
pub fn form_address(project: &Project, id: &FormId) -> String {
    format!("/a/{}/reports/form_data/{}/", project.name, utf8_percent_encode(id.as_str(), SEGMENT))
}

/// Address of a case's page.
pub fn case_address(project: &Project, id: &CaseId) -> String {
    format!("/a/{}/reports/case_data/{}/", project.name, utf8_percent_encode(id.as_str(), SEGMENT))
}

/// A link to a case by its name, or by its id where it has none or is unknown.
pub fn case_link(project: &Project, id: &CaseId, case: Option<&Case>) -> Markup {
    let name = case.map(|c| c.name.value.as_str()).filter(|n| !n.trim().is_empty());
    html! { a href=(case_address(project, id)) dir="auto" { (name.unwrap_or(id.as_str())) } }
}

/// What a person reads of a form's state.
pub fn state_name(state: FormState) -> &'static str {
    match state {
        FormState::Normal => "accepted",
        FormState::Archived => "archived",
        FormState::Deprecated => "replaced by an edit",
        FormState::Duplicate => "sent again",
        FormState::Error => "not applied",
        FormState::SubmissionError => "unreadable",
    }
}

/// A form's state as a label; what is normal needs none.
pub fn state_label(state: FormState) -> Markup {
    let class = match state {
        FormState::Error | FormState::SubmissionError => "label bad",
        FormState::Normal | FormState::Archived | FormState::Deprecated | FormState::Duplicate => "label",
    };
    html! { @if state != FormState::Normal { span class=(class) { (state_name(state)) } } }
}

/// A case's state as a label.
pub fn case_label(case: &Case) -> Markup {
    html! {
        @if case.deletion.is_deleted() { span .label.bad { "deleted" } }
        @else if case.closed.value { span .label { "closed" } }
    }
}

/// Who an id stands for: the name of a user, or the id itself.
pub fn person(app: &Appliance, id: &str) -> Markup {
    let user = app.auth().user(id);
    html! {
        @match &user {
            Some(user) => span title=(id) { bdi { (user.username) } },
            None if id.is_empty() => { "–" },
            None => code dir="auto" { (id) },
        }
    }
}

/// The files of a form or case. `place` is what their addresses begin with; each has name, type and length.
pub fn files<'f>(place: &str, files: impl ExactSizeIterator<Item = (&'f str, &'f str, u64)>) -> Markup {
    html! {
        @if files.len() > 0 {
            section aria-labelledby="files" {
                h2 #files { "Attachments" }
                ul .list {
                    @for (name, content_type, length) in files {
                        li {
                            a href={ (place) (utf8_percent_encode(name, SEGMENT)) } dir="auto" { (name) }
                            div .small { bdi { (content_type) } " · " (size(length)) }
                        }
                    }
                }
            }
        }
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}
