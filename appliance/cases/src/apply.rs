//! One case block applied to one case. Total: what can be wrong is checked by [`check`] beforehand.

use crate::iso;
use bolster_model::id::ID_LEN_MAX;
use bolster_model::{
    Attachment, AttachmentAction, AttachmentSource, Case, CaseAttachment, CaseBlock, CaseIndex, ContentError,
    ErrorClass, Property, Register, SetBy, Timestamp, TxKinds,
};

/// What a block needs to know about its form.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext<'a> {
    /// `meta/userID`, empty when absent.
    pub form_user: &'a str,
    /// When the form was received.
    pub received_on: Timestamp,
    /// Place of this transaction in the case's list.
    pub by: SetBy,
    /// Files of the form; `None` when the project ignores case attachments.
    pub attachments: Option<&'a [Attachment]>,
}

/// Names inside `update` that never become properties.
fn is_dropped(name: &str) -> bool {
    matches!(name, "case_id" | "date_modified" | "supply_point_location_id" | "@case_id" | "@xmlns")
}

/// Names whose values are limited to [`ID_LEN_MAX`] characters.
fn is_limited(name: &str) -> bool {
    matches!(name, "case_type" | "case_name" | "owner_id" | "external_id" | "location_id" | "hq_user_id")
}

/// Finds what makes a block unusable whatever the state: values too long, an unreadable `date_opened`, a
/// case attachment whose file was not sent.
pub fn check(block: &CaseBlock, files: &[Attachment]) -> Result<(), ContentError> {
    if too_long(block.case_id.as_str()) {
        let detail = format!("case id longer than {ID_LEN_MAX} characters");
        return Err(ContentError::new(ErrorClass::IllegalCaseId, detail));
    }
    for (name, value) in &block.create {
        if !matches!(name.as_str(), "location_id" | "hq_user_id") {
            check_value(name, value)?;
        }
    }
    for (name, value) in &block.update {
        check_value(name, value)?;
    }
    for index in &block.indices {
        if too_long(&index.identifier) || too_long(&index.referenced_type) {
            let detail = format!("index of case '{}' longer than {ID_LEN_MAX} characters", block.case_id);
            return Err(ContentError::new(ErrorClass::InvalidCaseIndex, detail));
        }
    }
    for action in &block.attachments {
        if let AttachmentSource::File { src } = &action.source
            && !files.iter().any(|f| f.name == *src)
        {
            let detail = format!("case '{}' attaches '{src}', which was not sent", block.case_id);
            return Err(ContentError::new(ErrorClass::MissingAttachment, detail));
        }
    }
    Ok(())
}

fn too_long(text: &str) -> bool {
    text.len() > ID_LEN_MAX && text.chars().count() > ID_LEN_MAX
}

fn check_value(name: &str, value: &str) -> Result<(), ContentError> {
    if is_limited(name) && too_long(value) {
        let detail = format!("{name} longer than {ID_LEN_MAX} characters");
        return Err(ContentError::new(ErrorClass::CaseValueError, detail));
    }
    if name == "date_opened" && !value.is_empty() && iso::parse(value).is_none() {
        let detail = format!("date_opened is not a date: '{}'", clip(value));
        return Err(ContentError::new(ErrorClass::CaseValueError, detail));
    }
    Ok(())
}

/// The beginning of a text, for messages.
pub(crate) fn clip(text: &str) -> &str {
    match text.char_indices().nth(80) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

/// Applies a block in the fixed order create, update, close, index, attachment. Answers the kinds of the
/// transaction, [`TxKinds::FORM`] included.
pub fn apply(case: &mut Case, block: &CaseBlock, context: &BlockContext<'_>) -> TxKinds {
    let mut kinds = TxKinds::FORM;
    let when = block.date_modified.unwrap_or(context.received_on);
    let user = block.user_id.as_deref().unwrap_or(context.form_user);
    if !block.create.is_empty() {
        kinds = kinds.with(TxKinds::CREATE);
        block.create.iter().for_each(|(name, value)| set_known(case, name, value, context.by));
    }
    if !block.update.is_empty() {
        let mut added = Vec::new();
        for (name, value) in &block.update {
            update(case, &mut added, name, value, context.by);
        }
        add_properties(case, added);
    }
    if block.close {
        kinds = kinds.with(TxKinds::CLOSE);
        case.closed = Register { value: true, by: context.by };
        case.closed_on = Some(when);
        case.closed_by = user.to_owned();
    }
    if !block.indices.is_empty() {
        kinds = kinds.with(TxKinds::INDEX);
        apply_indices(case, block, context.by);
    }
    if let Some(files) = context.attachments
        && !block.attachments.is_empty()
    {
        kinds = kinds.with(TxKinds::ATTACHMENT);
        block.attachments.iter().for_each(|action| attach(case, action, files, context.by));
    }
    case.modified_by.clear();
    case.modified_by.push_str(user);
    case.modified_on = Some(case.modified_on.map_or(when, |old| old.max(when)));
    if case.opened_on.is_none() {
        case.opened_on = Some(when);
    }
    if case.opened_by.is_empty() {
        case.opened_by = user.to_owned();
    }
    if case.owner_id.value.is_empty() {
        case.owner_id = Register { value: user.to_owned(), by: context.by };
    }
    kinds
}

/// Sets a property that both `create` and `update` know; others are left alone.
fn set_known(case: &mut Case, name: &str, value: &str, by: SetBy) {
    let register = match name {
        "case_type" => &mut case.case_type,
        "case_name" => &mut case.name,
        "owner_id" => &mut case.owner_id,
        "external_id" => &mut case.external_id,
        // An empty date clears; the rule for unset dates then fills it again.
        "date_opened" => {
            case.opened_on = iso::parse(value);
            return;
        }
        // `user_id` names the last modifier, which every block sets anyway.
        _ => return,
    };
    *register = Register { value: value.to_owned(), by };
}

fn update(case: &mut Case, added: &mut Vec<Property>, name: &str, value: &str, by: SetBy) {
    match name {
        "case_type" | "case_name" | "owner_id" | "external_id" | "date_opened" | "user_id" => {
            set_known(case, name, value, by);
        }
        "name" => case.name = Register { value: value.to_owned(), by },
        "location_id" => case.location_id = Register { value: value.to_owned(), by },
        "hq_user_id" => {
            case.external_id = Register { value: value.to_owned(), by };
            set_property(case, added, name, value, by);
        }
        _ if is_dropped(name) => {}
        _ => set_property(case, added, name, value, by),
    }
}

/// Sets a property that the case has, or notes one that it gets.
fn set_property(case: &mut Case, added: &mut Vec<Property>, name: &str, value: &str, by: SetBy) {
    match case.properties.binary_search_by(|p| p.name.as_str().cmp(name)) {
        Ok(at) => {
            let property = &mut case.properties[at];
            property.value.clear();
            property.value.push_str(value);
            property.by = by;
        }
        Err(_) => added.push(Property { name: name.to_owned(), value: value.to_owned(), by }),
    }
}

/// Puts new properties in their places, all at once: one by one would take time quadratic in their number.
fn add_properties(case: &mut Case, mut added: Vec<Property>) {
    if added.is_empty() {
        return;
    }
    added.sort_by(|a, b| a.name.cmp(&b.name));
    added.dedup_by(|later, earlier| {
        let same = later.name == earlier.name;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    case.properties.append(&mut added);
    case.properties.sort_by(|a, b| a.name.cmp(&b.name));
}

fn apply_indices(case: &mut Case, block: &CaseBlock, by: SetBy) {
    for action in &block.indices {
        let place = case.indices.binary_search_by(|i| i.identifier.as_str().cmp(&action.identifier));
        match (&action.referenced_id, place) {
            (None, Ok(at)) => {
                case.indices.remove(at);
            }
            (None, Err(_)) => {}
            (Some(target), place) => {
                let index = CaseIndex {
                    identifier: action.identifier.clone(),
                    referenced_type: action.referenced_type.clone(),
                    referenced_id: target.clone(),
                    relationship: action.relationship,
                    by,
                };
                match place {
                    Ok(at) => case.indices[at] = index,
                    Err(at) => case.indices.insert(at, index),
                }
            }
        }
    }
}

fn attach(case: &mut Case, action: &AttachmentAction, files: &[Attachment], by: SetBy) {
    let place = case.attachments.binary_search_by(|a| a.name.as_str().cmp(&action.name));
    match &action.source {
        AttachmentSource::Remove => {
            if let Ok(at) = place {
                case.attachments.remove(at);
            }
        }
        AttachmentSource::File { src } => {
            let Some(file) = files.iter().find(|f| f.name == *src) else { return };
            let attachment = CaseAttachment {
                name: action.name.clone(),
                content_type: content_type(file),
                length: file.length,
                blob: file.blob,
                md5: file.md5,
                by,
            };
            match place {
                Ok(at) => case.attachments[at] = attachment,
                Err(at) => case.attachments.insert(at, attachment),
            }
        }
    }
}

/// The type that came with the file, else a guess from its name.
fn content_type(file: &Attachment) -> String {
    if !file.content_type.is_empty() {
        return file.content_type.clone();
    }
    let extension = file.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let guess = match extension.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "amr" => "audio/amr",
        "ogg" => "audio/ogg",
        "mp4" | "m4v" => "video/mp4",
        "3gp" | "3gpp" => "video/3gpp",
        _ => "application/octet-stream",
    };
    guess.to_owned()
}
