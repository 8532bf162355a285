//! Mobile workers by workbook, in the shape of CommCare HQ's bulk upload.

use super::custom_data::FieldRules;
use super::import::{ImportCounts, ImportError, ImportHow, Problems, check_headers};
use super::workers::UserChange;
use super::{Act, AdminError};
use crate::nouns::{Group, Nouns, kind as nouns_kind};
use crate::workbook::{self, Page, Row, Sheet, yes};
use crate::{Appliance, DocumentFact};
use bolster_auth::documents::worker_name;
use bolster_auth::{EditUsers, Password, Permit, User, ViewUsers, kind};
use std::collections::{BTreeSet, HashMap};

const SHEET: &str = "users";
/// Most passwords in one workbook: each takes some 30 ms of a processor.
const PASSWORDS_MAX: usize = 5_000;
/// Columns that say what is, and are not read.
const SHOWN_ONLY: [&str; 8] = [
    "status",
    "registered_on (read only)",
    "last_submission (read only)",
    "last_sync (read only)",
    "last_login (read only)",
    "last_access_date (read only)",
    "User IMEIs (read only)",
    "is_account_confirmed",
];
/// Columns with one text.
const PLAIN: [&str; 11] = [
    "username",
    "password",
    "name",
    "first_name",
    "last_name",
    "email",
    "language",
    "role",
    "user_profile",
    "user_id",
    "is_active",
];
/// Columns of custom data: of declared fields, and of others.
const DATA: [&str; 2] = ["data", "uncategorized_data"];

/// What a workbook makes of users and groups.
struct Change {
    facts: Vec<DocumentFact>,
    counts: ImportCounts,
}

impl Appliance {
    /// Takes in a workbook of mobile workers: all of it or nothing. Workers whom it does not name stay.
    pub fn import_workers(
        &self,
        permit: &Permit<EditUsers>,
        file: Vec<u8>,
        how: ImportHow,
    ) -> Result<ImportCounts, ImportError> {
        let sheets = workbook::read(file)?;
        let _turn = self.admin_turn();
        let nouns = self.nouns(permit.project().id)?;
        let mut problems = Problems::default();
        let change = self.read_workers(permit, &nouns, &sheets, how.check, &mut problems);
        problems.end()?;
        if !how.check && !change.facts.is_empty() {
            self.commit_documents(change.facts)?;
        }
        Ok(change.counts)
    }

    fn read_workers(
        &self,
        permit: &Permit<EditUsers>,
        nouns: &Nouns,
        sheets: &[Sheet],
        check: bool,
        problems: &mut Problems,
    ) -> Change {
        let mut change = Change { facts: Vec::new(), counts: ImportCounts::default() };
        let Some(sheet) = sheets.iter().find(|s| s.name == SHEET) else {
            problems.add(format!("the workbook needs a sheet named {SHEET:?}, with a row for each worker"));
            return change;
        };
        check_headers(sheet, problems, is_header);
        if sheet.column("username").is_none() {
            problems.add(format!("sheet {SHEET}: it needs a column username"));
            return change;
        }
        let rules = match FieldRules::new(&permit.project().user_fields) {
            Ok(rules) => rules,
            Err(problem) => {
                problems.add(problem.to_string());
                return change;
            }
        };
        let (mut seen, mut passwords) = (BTreeSet::new(), 0);
        let mut groups: HashMap<String, Group> = HashMap::new();
        for row in &sheet.rows {
            passwords += usize::from(password_of(sheet, row).is_some());
            if passwords > PASSWORDS_MAX {
                problems
                    .add(format!("a workbook may hold at most {PASSWORDS_MAX} passwords; send it in parts"));
                return change;
            }
            match self.read_worker(permit, (nouns, &rules), (sheet, row), check, &mut groups) {
                Ok(Some((name, facts, is_new))) => {
                    if !seen.insert(name.clone()) {
                        problems.at(sheet, row, format!("{name} is here twice"));
                    }
                    match (is_new, facts.is_empty()) {
                        (true, _) => change.counts.created += 1,
                        (false, false) => change.counts.updated += 1,
                        (false, true) => change.counts.unchanged += 1,
                    }
                    change.facts.extend(facts);
                }
                Ok(None) => {}
                Err(problem) => problems.at(sheet, row, problem),
            }
        }
        let (project, actor) = (permit.project().id, permit.actor().username());
        for group in nouns.groups.iter() {
            if let Some(after) = groups.get(&group.id).filter(|after| *after != group) {
                let act = Act { kind: nouns_kind::GROUP, id: &group.id, action: "members changed", actor };
                change.facts.push(self.document(project, &act, Some(group), after, false));
            }
        }
        change
    }

    /// One row: name, facts, whether it is a new worker.
    #[allow(clippy::type_complexity)]
    fn read_worker(
        &self,
        permit: &Permit<EditUsers>,
        (nouns, rules): (&Nouns, &FieldRules),
        (sheet, row): (&Sheet, &Row),
        check: bool,
        groups: &mut HashMap<String, Group>,
    ) -> Result<Option<(String, Vec<DocumentFact>, bool)>, AdminError> {
        let project = permit.project();
        let wrong = |problem: String| Err(AdminError::NotPossible(problem));
        let typed = sheet.text(row, "username");
        if typed.is_empty() {
            return wrong("it needs a username".to_owned());
        }
        let name = worker_name(typed, &project.name)?;
        let before = self.auth().find_user(project, &name);
        let id = sheet.text(row, "user_id");
        if !id.is_empty() && before.as_ref().is_none_or(|user| user.id != id) {
            return wrong(format!("the user_id is not that of {name}; leave it empty"));
        }
        let text = |header: &str| sheet.column(header).map(|column| row.at(column).to_owned());
        let list = |header: &str| {
            let columns = sheet.numbered(header);
            let texts = row.filled(&columns).into_iter().map(str::to_owned).collect::<Vec<_>>();
            (!columns.is_empty()).then_some(texts)
        };
        let (mut first_name, mut last_name) = (text("first_name"), text("last_name"));
        if let Some(whole) = text("name") {
            let (first, last) = whole.split_once(' ').unwrap_or((&whole, ""));
            (first_name, last_name) = (Some(first.to_owned()), Some(last.to_owned()));
        }
        let active = match sheet.text(row, "is_active") {
            "" => None,
            text => Some(yes(text).ok_or(AdminError::NotPossible("is_active is yes or no".to_owned()))?),
        };
        let change = UserChange {
            locations: list("location_code"),
            role: text("role").filter(|role| !role.is_empty()),
            profile: text("user_profile"),
            data: DATA
                .iter()
                .flat_map(|prefix| sheet.prefixed(prefix))
                .map(|(field, column)| (field.to_owned(), row.at(column).to_owned()))
                .collect(),
            first_name,
            last_name,
            email: text("email"),
            language: text("language"),
            phone_numbers: list("phone-number"),
            groups: None,
            active,
        };
        let password = password_of(sheet, row);
        let fresh = User {
            id: self.random_id(),
            project: Some(project.id),
            username: name.clone(),
            active: true,
            created_at: self.env().clock.now(),
            ..User::default()
        };
        match &before {
            Some(user) => self.check_rank(permit, user, password.is_some())?,
            None if password.is_none() => return wrong(format!("{name} is new and needs a password")),
            None => self.check_worker_role(permit, &name, None)?,
        }
        let base = before.as_deref().unwrap_or(&fresh);
        let after = self.changed_worker(permit, (nouns, rules), (base, before.is_none()), &change)?;
        let actor = permit.actor().username();
        let mut facts = Vec::new();
        if before.as_deref() != Some(&after) {
            let action = if before.is_some() { "mobile worker changed" } else { "mobile worker created" };
            let act = Act { kind: kind::USER, id: &after.id, action, actor };
            facts.push(self.document(project.id, &act, before.as_deref(), &after, false));
        }
        if let Some(password) = password {
            if check {
                bolster_auth::password::acceptable(&password, &name, project.strong_passwords)?;
            } else {
                let credential = self.auth().new_credential(&after, project, &password)?;
                let act = Act { kind: kind::CREDENTIAL, id: &after.id, action: "password set", actor };
                facts.push(self.document(project.id, &act, None, &credential, true));
            }
        }
        if let Some(wanted) = list("group") {
            for name in &wanted {
                if !nouns.groups.iter().any(|g| g.name == *name) {
                    return Err(AdminError::Missing { what: "group", name: name.clone() });
                }
            }
            for group in &nouns.groups {
                let group = groups.entry(group.id.clone()).or_insert_with(|| group.clone());
                let (is_in, shall) = (group.users.contains(&after.id), wanted.contains(&group.name));
                if shall && !is_in {
                    group.users.push(after.id.clone());
                } else if is_in && !shall {
                    group.users.retain(|id| *id != after.id);
                }
            }
        }
        Ok(Some((name, facts, before.is_none())))
    }

    /// A workbook of the mobile workers, as the import takes it; without passwords.
    pub fn export_workers(&self, permit: &Permit<ViewUsers>) -> Result<Vec<u8>, ImportError> {
        let project = permit.project();
        let nouns = self.nouns(project.id)?;
        let members = self.auth().members(project.id);
        let workers: Vec<&User> = members.iter().map(|m| &*m.user).filter(|user| !user.is_web()).collect();
        let declared: Vec<&str> = project.user_fields.iter().map(|f| f.slug.as_str()).collect();
        let set: BTreeSet<&str> =
            workers.iter().flat_map(|u| u.user_data.keys()).map(String::as_str).collect();
        let others: Vec<&str> = set.into_iter().filter(|field| !declared.contains(field)).collect();
        let fields = || declared.iter().chain(&others);
        let groups_of = |user: &User| nouns.groups_of(&user.id).count();
        let most = |count: &dyn Fn(&User) -> usize| workers.iter().map(|u| count(u)).max().unwrap_or(0);
        let (numbers, groups, places) =
            (most(&|u| u.phone_numbers.len()), most(&groups_of), most(&|u| u.locations.len()));
        let mut headers: Vec<String> =
            PLAIN.iter().filter(|h| **h != "name").map(|h| (*h).to_owned()).collect();
        for (name, count) in
            [("phone-number", numbers), ("group", groups.max(1)), ("location_code", places.max(1))]
        {
            headers.extend((1..=count).map(|number| format!("{name} {number}")));
        }
        headers.extend(declared.iter().map(|field| format!("{}: {field}", DATA[0])));
        headers.extend(others.iter().map(|field| format!("{}: {field}", DATA[1])));
        let row = |user: &&User| {
            let role = user.role.as_deref().and_then(bolster_auth::permissions::preset_role);
            let profile = user.profile_id.as_deref().and_then(|id| project.profile(id));
            let mut row = vec![
                user.username.clone(),
                String::new(),
                user.first_name.clone(),
                user.last_name.clone(),
                user.email.clone(),
                user.language.clone(),
                role.map(|role| role.name.to_owned()).or_else(|| user.role.clone()).unwrap_or_default(),
                profile.map(|profile| profile.name.clone()).unwrap_or_default(),
                user.id.clone(),
                if user.active { "yes" } else { "no" }.to_owned(),
            ];
            let mut add = |texts: Vec<&str>, count: usize| {
                row.extend((0..count).map(|n| texts.get(n).map(|t| (*t).to_owned()).unwrap_or_default()));
            };
            add(user.phone_numbers.iter().map(String::as_str).collect(), numbers);
            let mine = nouns.groups.iter().filter(|g| g.users.contains(&user.id));
            add(mine.map(|g| g.name.as_str()).collect(), groups.max(1));
            let mine = user.locations.iter().filter_map(|id| nouns.locations.get(id));
            add(mine.map(|l| l.site_code.as_str()).collect(), places.max(1));
            row.extend(fields().map(|field| user.user_data.get(*field).cloned().unwrap_or_default()));
            row
        };
        let page: Page = (SHEET.to_owned(), headers, workers.iter().map(row).collect());
        Ok(workbook::write(&[page])?)
    }
}

/// The password of a row; one of asterisks only stands for the one that is.
fn password_of(sheet: &Sheet, row: &Row) -> Option<Password> {
    let text = sheet.text(row, "password");
    (!text.chars().all(|c| c == '*')).then(|| Password::new(text))
}

fn is_header(header: &str) -> bool {
    PLAIN.iter().chain(&SHOWN_ONLY).any(|known| known.eq_ignore_ascii_case(header))
        || header.to_lowercase().ends_with("(read only)")
        || DATA.iter().any(|prefix| {
            let begin = header.get(..prefix.len() + 2);
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(&format!("{prefix}: ")))
        })
        || ["group", "location_code", "phone-number"]
            .iter()
            .any(|name| workbook::number_after(header, name).is_some())
}
