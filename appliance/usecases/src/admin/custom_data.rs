//! Custom data: which fields and profiles a project declares, and whether values fit them.
//!
//! Data is judged where it is written, never again: a field that is declared or narrowed later leaves what
//! users have, until their data changes for another reason.

use super::{Act, AdminError};
use crate::Appliance;
use bolster_auth::{
    DataField, EditLocations, EditUsers, Member, Permit, Profile, Project, SYSTEM_KEYS, kind,
};
use fancy_regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;

/// Steps back of one search of an expression.
const BACKTRACKS_MAX: usize = 100_000;
/// Longest value, in characters.
const VALUE_CHARS_MAX: usize = 10_000;
/// Longest key of data that no field declares, in characters.
const KEY_CHARS_MAX: usize = 255;
/// Most fields, and most profiles, of a project.
const DECLARED_MAX: usize = 500;
/// Longest name of a profile, in characters.
const NAME_CHARS_MAX: usize = 126;

/// Declared fields, ready to judge values.
pub(super) struct FieldRules(Vec<(DataField, Option<Regex>)>);

fn no(problem: String) -> AdminError {
    AdminError::NotPossible(problem)
}

fn compiled(field: &DataField) -> Result<Option<Regex>, AdminError> {
    if field.pattern.is_empty() {
        return Ok(None);
    }
    let built = RegexBuilder::new(&field.pattern).backtrack_limit(BACKTRACKS_MAX).build();
    let problem =
        |error| no(format!("{}: {} is no regular expression: {error}", field.shown(), field.pattern));
    built.map(Some).map_err(problem)
}

type Data = BTreeMap<String, String>;

impl FieldRules {
    pub(super) fn new(fields: &[DataField]) -> Result<Self, AdminError> {
        let ready = |field: &DataField| Ok((field.clone(), compiled(field)?));
        Ok(Self(fields.iter().map(ready).collect::<Result<_, AdminError>>()?))
    }

    /// What is wrong with a value of a declared field; an empty one is no value.
    fn wrong(&self, slug: &str, value: &str) -> Option<String> {
        let (field, pattern) = self.0.iter().find(|(field, _)| field.slug == slug)?;
        if value.is_empty() {
            return None;
        }
        if !field.choices.is_empty() && !field.choices.iter().any(|c| c == value) {
            let choices = field.choices.join(", ");
            return Some(format!("{value} is no choice of {}; choose from: {choices}", field.shown()));
        }
        let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(value).unwrap_or(false));
        if fits {
            return None;
        }
        Some(match field.pattern_message.as_str() {
            "" => format!("{value} is not possible as {}: it must fit {}", field.shown(), field.pattern),
            message => format!("{value} is not possible as {}: {message}", field.shown()),
        })
    }

    /// Whether the values of declared fields fit, and no required one is missing.
    fn judge<'d>(
        &self,
        value_of: impl Fn(&str) -> &'d str,
        required: impl Fn(&DataField) -> bool,
    ) -> Result<(), AdminError> {
        let mut problems = Vec::new();
        for (field, _) in &self.0 {
            let value = value_of(&field.slug);
            if value.is_empty() && required(field) {
                problems.push(format!("{} ({}) is needed", field.shown(), field.slug));
            }
            problems.extend(self.wrong(&field.slug, value));
        }
        if problems.is_empty() { Ok(()) } else { Err(no(problems.join("; "))) }
    }

    /// Judges the whole data of a user.
    pub(super) fn check_data(
        &self,
        project: &Project,
        web: bool,
        data: &Data,
        profile: Option<&str>,
    ) -> Result<(), AdminError> {
        let fixed = profile.and_then(|id| project.profile(id));
        let value_of = |slug: &str| {
            let value = fixed.and_then(|p| p.fields.get(slug)).or_else(|| data.get(slug));
            value.map_or("", String::as_str)
        };
        self.judge(value_of, |field| if web { field.required_web } else { field.required })
    }

    /// Judges the whole data of a location.
    pub(super) fn check_location(&self, data: &Data) -> Result<(), AdminError> {
        self.judge(|slug| data.get(slug).map_or("", String::as_str), |field| field.required)
    }

    /// Own data and profile of a user after a change. What the profile fixes is not kept twice.
    pub(super) fn changed_data(
        &self,
        project: &Project,
        web: bool,
        (data, profile): (&Data, Option<&str>),
        (change, new_profile): (&Data, Option<&str>),
    ) -> Result<(Data, Option<String>), AdminError> {
        let profile = match new_profile {
            None => profile.and_then(|id| project.profile(id)),
            Some("") => None,
            Some(name) => {
                let missing = || AdminError::Missing { what: "profile", name: name.to_owned() };
                Some(project.profile(name).ok_or_else(missing)?)
            }
        };
        let mut after = data.clone();
        for (key, value) in change {
            check_pair(key, value)?;
            match value.as_str() {
                "" => drop(after.remove(key)),
                value => drop(after.insert(key.clone(), value.to_owned())),
            }
        }
        for (key, fixed) in profile.iter().flat_map(|p| &p.fields) {
            let Some(own) = after.remove(key) else { continue };
            if own != *fixed {
                let name = profile.map_or("", |p| p.name.as_str());
                let whose = if web { "user" } else { "worker" };
                return Err(no(format!(
                    "the profile {name} fixes {key} as {fixed}, and this {whose} has {own}; leave it empty"
                )));
            }
        }
        Ok((after, profile.map(|p| p.id.clone())))
    }
}

/// Whether somebody may write this under this key.
fn check_pair(key: &str, value: &str) -> Result<(), AdminError> {
    if SYSTEM_KEYS.contains(&key) && !value.is_empty() {
        return Err(no(format!("{key} is set by the server, not by hand")));
    }
    if key.trim().is_empty() || key.chars().count() > KEY_CHARS_MAX || key.chars().any(char::is_control) {
        return Err(no(format!("{key:?} cannot be a key of data: use up to {KEY_CHARS_MAX} characters")));
    }
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if value.chars().count() > VALUE_CHARS_MAX || value.chars().any(odd) {
        return Err(no(format!("{key} is a text of up to {VALUE_CHARS_MAX} characters")));
    }
    Ok(())
}

/// Puts a field in place of the one with its slug, or behind the others.
fn put(fields: &mut Vec<DataField>, new: &DataField) -> Result<(), AdminError> {
    new.check().map_err(|error| no(error.to_string()))?;
    compiled(new)?;
    match fields.iter().position(|f| f.slug == new.slug) {
        Some(at) => fields[at].clone_from(new),
        None if fields.len() >= DECLARED_MAX => {
            return Err(no(format!("a project has at most {DECLARED_MAX} fields")));
        }
        None => fields.push(new.clone()),
    }
    Ok(())
}

fn taken_out(fields: &mut Vec<DataField>, slug: &str) -> Result<(), AdminError> {
    let at = fields.iter().position(|f| f.slug == slug);
    let at = at.ok_or_else(|| AdminError::Missing { what: "field", name: slug.to_owned() })?;
    fields.remove(at);
    Ok(())
}

/// Every profile has values of declared fields that fit.
fn check_profiles(project: &Project) -> Result<(), AdminError> {
    let rules = FieldRules::new(&project.user_fields)?;
    for profile in &project.user_profiles {
        for (slug, value) in &profile.fields {
            let name = &profile.name;
            if !project.user_fields.iter().any(|f| f.slug == *slug) {
                return Err(no(format!(
                    "the profile {name} fixes {slug}, which is no field of this project"
                )));
            }
            if let Some(problem) = rules.wrong(slug, value) {
                return Err(no(format!("the profile {name}: {problem}")));
            }
        }
    }
    Ok(())
}

impl Appliance {
    /// Declares a field of user data, or changes the one of its slug.
    pub fn put_user_field(&self, permit: &Permit<EditUsers>, field: &DataField) -> Result<(), AdminError> {
        self.change_declared(permit, "user field declared", |project| {
            put(&mut project.user_fields, field)?;
            check_profiles(project)
        })
    }

    /// Takes a field of user data back. What users have of it stays, undeclared.
    pub fn remove_user_field(&self, permit: &Permit<EditUsers>, slug: &str) -> Result<(), AdminError> {
        self.change_declared(permit, "user field removed", |project| {
            taken_out(&mut project.user_fields, slug)?;
            check_profiles(project)
        })
    }

    /// Declares a field of locations, or changes the one of its slug.
    pub fn put_location_field(
        &self,
        permit: &Permit<EditLocations>,
        field: &DataField,
    ) -> Result<(), AdminError> {
        self.change_declared(permit, "location field declared", |project| {
            put(&mut project.location_fields, field)
        })
    }

    /// Takes a field of locations back; phones are not told its values any more.
    pub fn remove_location_field(
        &self,
        permit: &Permit<EditLocations>,
        slug: &str,
    ) -> Result<(), AdminError> {
        self.change_declared(permit, "location field removed", |project| {
            taken_out(&mut project.location_fields, slug)
        })
    }

    /// Makes a profile, or changes what the one of this name (or id) fixes; an empty value fixes a field no
    /// more.
    pub fn put_profile(
        &self,
        permit: &Permit<EditUsers>,
        name: &str,
        change: &BTreeMap<String, String>,
    ) -> Result<Profile, AdminError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(no(format!("a profile needs a name of up to {NAME_CHARS_MAX} characters")));
        }
        let fresh = self.random_id();
        let members = self.auth().members(permit.project().id);
        let mut made = Profile::default();
        self.change_declared(permit, "profile changed", |project| {
            let at = project.user_profiles.iter().position(|p| p.name == name || p.id == name);
            let mut profile = at.map(|at| project.user_profiles[at].clone()).unwrap_or_else(|| Profile {
                id: fresh,
                name: name.to_owned(),
                fields: BTreeMap::new(),
            });
            for (key, value) in change {
                check_pair(key, value)?;
                match value.as_str() {
                    "" => drop(profile.fields.remove(key)),
                    value => drop(profile.fields.insert(key.clone(), value.to_owned())),
                }
            }
            against_users(&members, &profile)?;
            made = profile.clone();
            match at {
                Some(at) => project.user_profiles[at] = profile,
                None if project.user_profiles.len() >= DECLARED_MAX => {
                    return Err(no(format!("a project has at most {DECLARED_MAX} profiles")));
                }
                None => project.user_profiles.push(profile),
            }
            project.user_profiles.sort_by(|a, b| a.name.cmp(&b.name));
            check_profiles(project)
        })?;
        Ok(made)
    }

    /// Removes a profile that nobody has.
    pub fn remove_profile(&self, permit: &Permit<EditUsers>, name: &str) -> Result<(), AdminError> {
        let members = self.auth().members(permit.project().id);
        self.change_declared(permit, "profile removed", |project| {
            let at = project.user_profiles.iter().position(|p| p.name == name || p.id == name);
            let at = at.ok_or_else(|| AdminError::Missing { what: "profile", name: name.to_owned() })?;
            let having = having(&members, &project.user_profiles[at].id);
            if !having.is_empty() {
                let names = some_names(&having);
                return Err(no(format!("{names} have the profile {name}; give them another first")));
            }
            project.user_profiles.remove(at);
            Ok(())
        })
    }

    fn change_declared<A: bolster_auth::Action>(
        &self,
        permit: &Permit<A>,
        action: &str,
        change: impl FnOnce(&mut Project) -> Result<(), AdminError>,
    ) -> Result<(), AdminError> {
        let _turn = self.admin_turn();
        let id = permit.project().id;
        let missing = || AdminError::Missing { what: "project", name: permit.project().name.clone() };
        let before = self.auth().project(id).ok_or_else(missing)?;
        let mut after = (*before).clone();
        change(&mut after)?;
        if after != *before {
            let key = id.to_string();
            let act = Act { kind: kind::PROJECT, id: &key, action, actor: permit.actor().username() };
            self.commit_documents(vec![self.document(id, &act, Some(&*before), &after, false)])?;
        }
        Ok(())
    }
}

fn profile_of(member: &Member) -> Option<&str> {
    match &member.membership {
        Some(membership) => membership.profile_id.as_deref(),
        None => member.user.profile_id.as_deref(),
    }
}

fn having<'m>(members: &'m [Member], id: &str) -> Vec<&'m Member> {
    members.iter().filter(|m| profile_of(m) == Some(id)).collect()
}

/// Nobody's own data says otherwise than a profile.
fn against_users(members: &[Member], profile: &Profile) -> Result<(), AdminError> {
    for (key, fixed) in &profile.fields {
        let other = |m: &&Member| {
            let data = m.membership.as_ref().map_or(&m.user.user_data, |m| &m.user_data);
            data.get(key).is_some_and(|own| !own.is_empty() && own != fixed)
        };
        let odd: Vec<&Member> = having(members, &profile.id).into_iter().filter(other).collect();
        if !odd.is_empty() {
            let names = some_names(&odd);
            return Err(no(format!("{names} have another {key} of their own; empty it first")));
        }
    }
    Ok(())
}

/// The first names of a list, and how many more.
fn some_names(members: &[&Member]) -> String {
    const NAMED: usize = 5;
    let names: Vec<&str> = members.iter().take(NAMED).map(|m| m.user.username.as_str()).collect();
    let more = members.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}
