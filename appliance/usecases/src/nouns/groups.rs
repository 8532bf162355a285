//! Groups of users, and who shares cases with whom.

use super::Nouns;
use serde::{Deserialize, Serialize};

/// A group of mobile workers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Never changes; owns cases when they are shared.
    pub id: String,
    /// As people see it.
    pub name: String,
    /// Members share the cases that the group owns.
    pub case_sharing: bool,
    /// Shown in reports.
    pub reporting: bool,
    /// Ids of members.
    pub users: Vec<String>,
}

impl Nouns {
    /// Who owns cases for a user besides the user: id and name, groups first.
    ///
    /// Source: docs/formats/restore.md, owner set.
    pub fn sharing(&self, user_id: &str, assigned: &[String]) -> Vec<(String, String)> {
        let groups = self.groups.iter().filter(|g| g.case_sharing && g.users.iter().any(|u| u == user_id));
        let mut shared: Vec<(String, String)> =
            groups.map(|group| (group.id.clone(), group.name.clone())).collect();
        shared.extend(self.locations.sharing(assigned));
        shared
    }

    /// Ids of the groups that a user is in, sharing or not.
    pub fn groups_of<'n>(&'n self, user_id: &str) -> impl Iterator<Item = &'n str> {
        let user_id = user_id.to_owned();
        self.groups.iter().filter(move |g| g.users.contains(&user_id)).map(|g| g.id.as_str())
    }
}
