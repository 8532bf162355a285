//! Case blocks.

use bolster_xpath::{CaseRecord, Host, dates};
use roxmltree::Node;

use super::Sandbox;
use crate::error::{Code, Error};
use crate::parse::xml::{self, attribute, elements, name, text_of};

/// Characters that type, owner, name and external id may have.
const LENGTH_MAX: usize = 255;

/// What applying a payload or a form did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Owners, indices or open cases changed: cases may have to go.
    pub disturbed: bool,
    /// How many case blocks there were.
    pub blocks: usize,
}

fn broken(message: String) -> Error {
    Error::new(Code::Data, message)
}

fn trimmed(node: Node<'_, '_>) -> String {
    xml::trim(&text_of(node)).to_owned()
}

/// An element as error texts show it: forms are written with a prefix for every namespace but their own.
fn source(node: Node<'_, '_>) -> String {
    let of_form = node.document().root_element().tag_name().namespace().is_some();
    match node.tag_name().namespace() {
        Some(namespace) if of_form => format!("<n0:{}> tag in namespace: {namespace}", name(node)),
        _ => format!("<{}>", name(node)),
    }
}

impl Sandbox {
    pub(super) fn case_block(
        &mut self,
        node: Node<'_, '_>,
        host: &dyn Host,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        changes.blocks += 1;
        let needed = |key: &str, id: &str| match attribute(node, key) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(broken(format!(
                "The {key} attribute of a <case> {id} wasn't set. Source: {}",
                source(node)
            ))),
        };
        let id = needed("case_id", "")?;
        let modified = needed("date_modified", id)?;
        let modified = dates::parse(modified, host)
            .ok_or_else(|| broken(format!("The date_modified {modified} of case {id} is not a date.")))?;
        let user = attribute(node, "user_id").unwrap_or_default();
        let mut case: Option<CaseRecord> = None;
        let stored = |sandbox: &Sandbox| sandbox.case(id).map(|case| CaseRecord::clone(case));
        for action in elements(node) {
            let kind = name(action).to_ascii_lowercase();
            if kind != "create" && case.is_none() {
                case = stored(self);
            }
            let missing = || broken(format!("Unable to update or close case {id}, it wasn't found"));
            match (&*kind, &mut case) {
                ("create", _) => case = Some(self.create(action, id, modified, user, host)?),
                ("update", Some(case)) => update(case, action, host, changes)?,
                ("close", Some(case)) => {
                    case.closed = true;
                    changes.disturbed = true;
                }
                ("update" | "close", None) => return Err(missing()),
                ("index", Some(case)) => index(case, action, changes)?,
                ("index", None) => return Err(missing()),
                ("attachment", Some(case)) => attach(case, action),
                _ => {}
            }
        }
        if let Some(mut case) = case {
            case.last_modified = Some(dates::start_of_day(modified, host));
            self.store(case);
        }
        Ok(())
    }

    fn create(
        &self,
        node: Node<'_, '_>,
        id: &str,
        modified: i64,
        user: &str,
        host: &dyn Host,
    ) -> Result<CaseRecord, Error> {
        let (mut kind, mut label, mut owner) = (None, None, None);
        for child in elements(node) {
            match name(child) {
                "case_type" => kind = Some(trimmed(child)),
                "case_name" => label = Some(trimmed(child)),
                "owner_id" => owner = Some(trimmed(child)),
                other => {
                    return Err(broken(format!(
                        "Expected one of [case_type, owner_id, case_name], found {other}"
                    )));
                }
            }
        }
        let (Some(kind), Some(label)) = (kind, label) else {
            return Err(broken(format!(
                "One of [case_type, case_name] is missing for case <create> with ID: {id}"
            )));
        };
        let mut case = match self.case(id) {
            Some(known) => CaseRecord::clone(known),
            None => CaseRecord {
                case_id: id.to_owned(),
                date_opened: Some(dates::start_of_day(modified, host)),
                ..CaseRecord::default()
            },
        };
        case.case_type = kind;
        case.case_name = label;
        case.owner_id = owner.unwrap_or_else(|| user.to_owned());
        if case.owner_id.is_empty() {
            return Err(broken(format!(
                "One of [user_id, owner_id] is missing for case <create> with ID: {id}"
            )));
        }
        check_lengths(&case)?;
        Ok(case)
    }
}

fn check_lengths(case: &CaseRecord) -> Result<(), Error> {
    let long = |what: &str, text: &str| match text.chars().count() > LENGTH_MAX {
        true => Err(broken(format!(
            "The {what} of case {} is longer than {LENGTH_MAX} characters.",
            case.case_id
        ))),
        false => Ok(()),
    };
    long("case type", &case.case_type)?;
    long("owner", &case.owner_id)?;
    long("case name", &case.case_name)?;
    long("external id", case.external_id.as_deref().unwrap_or_default())
}

fn update(
    case: &mut CaseRecord,
    node: Node<'_, '_>,
    host: &dyn Host,
    changes: &mut Changes,
) -> Result<(), Error> {
    for child in elements(node) {
        let value = trimmed(child);
        match name(child) {
            "case_type" => case.case_type = value,
            "case_name" => case.case_name = value,
            "date_opened" => {
                case.date_opened = dates::parse(&value, host).map(|ms| dates::start_of_day(ms, host))
            }
            "owner_id" => {
                changes.disturbed |= case.owner_id != value;
                case.owner_id = value;
            }
            "external_id" => case.external_id = Some(value),
            "category" => case.category = Some(value),
            "state" => case.state = Some(value),
            key => match case.properties.iter_mut().find(|(known, _)| known == key) {
                Some(known) => known.1 = value,
                None => case.properties.push((key.to_owned(), value)),
            },
        }
    }
    check_lengths(case)
}

fn index(case: &mut CaseRecord, node: Node<'_, '_>, changes: &mut Changes) -> Result<(), Error> {
    for child in elements(node) {
        let id = name(child);
        let relationship = attribute(child, "relationship").unwrap_or("child");
        if relationship.is_empty() {
            return Err(broken("Invalid Case Transaction: Attempt to create '' relationship type".into()));
        }
        let target = trimmed(child);
        if target == case.case_id {
            return Err(broken(format!("Case {} cannot index itself", case.case_id)));
        }
        let known = case.indices.iter().position(|(known, ..)| known == id);
        if target.is_empty() {
            if let Some(at) = known {
                case.indices.remove(at);
                changes.disturbed = true;
            }
            continue;
        }
        let kind = attribute(child, "case_type").unwrap_or_default().to_owned();
        let entry = (id.to_owned(), target, kind, relationship.to_owned());
        match known {
            Some(at) => case.indices[at] = entry,
            None => case.indices.push(entry),
        }
        changes.disturbed = true;
    }
    Ok(())
}

fn attach(case: &mut CaseRecord, node: Node<'_, '_>) {
    for child in elements(node) {
        let id = name(child);
        let source = attribute(child, "src").unwrap_or_default();
        case.attachments.retain(|(known, _)| known != id);
        if !source.is_empty() {
            case.attachments.push((id.to_owned(), source.to_owned()));
        }
    }
}
