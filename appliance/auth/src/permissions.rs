//! Permissions of CommCare HQ's roles, under HQ's names, and the roles that every project has.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// One permission. Numbers are bits of [`PermissionSet`] in memory; documents hold names.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Permission { $($(#[$doc])* $variant = $number,)* }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// HQ's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// The permission of a name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

permissions! {
    /// Invite and edit web users.
    EditWebUsers = 0, "edit_web_users";
    /// See web users.
    ViewWebUsers = 1, "view_web_users";
    /// Create and edit mobile workers.
    EditCommcareUsers = 2, "edit_commcare_users";
    /// See mobile workers.
    ViewCommcareUsers = 3, "view_commcare_users";
    /// Edit groups.
    EditGroups = 4, "edit_groups";
    /// See groups.
    ViewGroups = 5, "view_groups";
    /// Edit locations.
    EditLocations = 6, "edit_locations";
    /// See locations.
    ViewLocations = 7, "view_locations";
    /// See roles.
    ViewRoles = 8, "view_roles";
    /// Edit cases and forms, import, clean up; read them over the API.
    EditData = 9, "edit_data";
    /// Edit applications and lookup tables.
    EditApps = 10, "edit_apps";
    /// See applications.
    ViewApps = 11, "view_apps";
    /// See reports: forms and cases on pages.
    ViewReports = 12, "view_reports";
    /// Download reports.
    DownloadReports = 13, "download_reports";
    /// Edit reports.
    EditReports = 14, "edit_reports";
    /// Edit exports of others.
    EditSharedExports = 15, "edit_shared_exports";
    /// Messages and alerts.
    EditMessaging = 16, "edit_messaging";
    /// Forwarding.
    EditMotech = 17, "edit_motech";
    /// Use the APIs.
    AccessApi = 18, "access_api";
    /// Use the addresses that phones use.
    AccessMobileEndpoints = 19, "access_mobile_endpoints";
    /// Use Web Apps.
    AccessWebApps = 20, "access_web_apps";
    /// Not restricted to the own locations.
    AccessAllLocations = 21, "access_all_locations";
    /// Use Web Apps as any worker.
    LoginAsAllUsers = 22, "login_as_all_users";
    /// Report a problem.
    ReportAnIssue = 23, "report_an_issue";
    /// Edit the data dictionary.
    EditDataDict = 24, "edit_data_dict";
    /// See the data dictionary.
    ViewDataDict = 25, "view_data_dict";
    /// Work as those workers who name the user.
    LimitedLoginAs = 26, "limited_login_as";
    /// Work as those workers who name nobody in particular.
    AccessDefaultLoginAsUser = 27, "access_default_login_as_user";
}

use Permission as P;

/// A set of permissions. As JSON a list of names; unknown names of a newer release are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(u64::MAX);

    /// Of a list, as it is.
    pub const fn of(list: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < list.len() {
            bits |= 1 << list[i] as u8;
            i += 1;
        }
        Self(bits)
    }
    /// The permission is in it.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }
    /// All of these are in it.
    pub const fn has_all(self, list: &[Permission]) -> bool {
        let wanted = Self::of(list).0;
        self.0 & wanted == wanted
    }
    /// Everything in it is in the other one too.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
    /// What is in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// What is in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Those in it, in the order of their numbers.
    pub fn list(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |p| self.has(*p))
    }

    /// What a role of these permissions really gives: editing implies seeing, and without access to all
    /// locations everything that reaches beyond them is off.
    pub fn effective(self) -> Self {
        let mut bits = self.0;
        for (edit, view) in IMPLIED {
            if self.has(*edit) {
                bits |= 1 << *view as u8;
            }
        }
        if !self.has(P::AccessAllLocations) {
            bits &= !Self::of(NEED_ALL_LOCATIONS).0;
        }
        Self(bits)
    }
}

/// Editing and the seeing that comes with it.
const IMPLIED: &[(Permission, Permission)] = &[
    (P::EditWebUsers, P::ViewWebUsers),
    (P::EditCommcareUsers, P::ViewCommcareUsers),
    (P::EditGroups, P::ViewGroups),
    (P::EditLocations, P::ViewLocations),
    (P::EditApps, P::ViewApps),
    (P::EditDataDict, P::ViewDataDict),
    (P::EditReports, P::ViewReports),
];

/// Off for people who are restricted to their locations.
const NEED_ALL_LOCATIONS: &[Permission] = &[
    P::EditWebUsers,
    P::ViewWebUsers,
    P::EditGroups,
    P::ViewGroups,
    P::ViewRoles,
    P::EditApps,
    P::EditDataDict,
    P::ViewDataDict,
    P::EditReports,
];

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list().map(Permission::name)).finish()
    }
}

impl Serialize for PermissionSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list().map(Permission::name))
    }
}

impl<'de> Deserialize<'de> for PermissionSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known: Vec<Permission> = names.iter().filter_map(|n| Permission::named(n)).collect();
        Ok(Self::of(&known))
    }
}

/// A role that every project has, without a document. `admin` is not one: it is a flag of a membership.
#[derive(Clone, Copy, Debug)]
pub struct PresetRole {
    /// Id, as a membership or worker holds it.
    pub id: &'static str,
    /// Name, as people see and type it.
    pub name: &'static str,
    /// What it allows.
    pub permissions: PermissionSet,
}

const MEMBER: &[Permission] = &[
    P::EditData,
    P::AccessApi,
    P::AccessMobileEndpoints,
    P::AccessWebApps,
    P::AccessAllLocations,
    P::ViewReports,
    P::DownloadReports,
    P::ViewCommcareUsers,
    P::ViewGroups,
    P::ViewLocations,
    P::ViewApps,
    P::ReportAnIssue,
];

/// Preset roles. HQ's four, and `Member`, which a web user gets when nothing else is said.
pub const PRESET_ROLES: &[PresetRole] = &[
    PresetRole { id: MEMBER_ROLE, name: "Member", permissions: PermissionSet::of(MEMBER) },
    PresetRole {
        id: "read-only",
        name: "Read Only",
        permissions: PermissionSet::of(&[
            P::ViewReports,
            P::DownloadReports,
            P::ReportAnIssue,
            P::AccessAllLocations,
        ]),
    },
    PresetRole {
        id: "app-editor",
        name: "App Editor",
        permissions: PermissionSet::of(&[
            P::ViewReports,
            P::DownloadReports,
            P::ReportAnIssue,
            P::AccessAllLocations,
            P::EditApps,
            P::ViewApps,
        ]),
    },
    PresetRole {
        id: "field-implementer",
        name: "Field Implementer",
        permissions: PermissionSet::of(&[
            P::ViewReports,
            P::DownloadReports,
            P::ReportAnIssue,
            P::AccessAllLocations,
            P::EditApps,
            P::ViewApps,
            P::EditCommcareUsers,
            P::ViewCommcareUsers,
            P::EditGroups,
            P::ViewGroups,
            P::EditLocations,
            P::ViewLocations,
            P::EditSharedExports,
        ]),
    },
    PresetRole {
        id: MOBILE_WORKER_ROLE,
        name: "Mobile Worker Default",
        permissions: PermissionSet::of(&[
            P::AccessMobileEndpoints,
            P::AccessWebApps,
            P::ReportAnIssue,
            P::AccessAllLocations,
        ]),
    },
];

/// Role of a web user who is given none.
pub const MEMBER_ROLE: &str = "member";
/// Role of a mobile worker who is given none.
pub const MOBILE_WORKER_ROLE: &str = "mobile-worker-default";

/// The preset role of an id.
pub fn preset_role(id: &str) -> Option<&'static PresetRole> {
    PRESET_ROLES.iter().find(|role| role.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for p in Permission::ALL {
            assert_eq!(Permission::named(p.name()), Some(*p));
        }
    }

    #[test]
    fn editing_implies_seeing() {
        let set = PermissionSet::of(&[P::EditCommcareUsers, P::AccessAllLocations]).effective();
        assert!(set.has(P::ViewCommcareUsers));
        assert!(!set.has(P::ViewGroups));
    }

    #[test]
    fn people_bound_to_locations_lose_what_reaches_further() {
        let all = PermissionSet::of(&[P::EditApps, P::EditData, P::EditWebUsers]);
        let set = all.effective();
        assert!(!set.has(P::EditApps) && !set.has(P::EditWebUsers) && set.has(P::EditData));
    }

    #[test]
    fn sets_survive_json_and_unknown_names() {
        let set = PermissionSet::of(&[P::EditData, P::AccessApi]);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["edit_data","access_api"]"#);
        assert_eq!(
            serde_json::from_str::<PermissionSet>(r#"["edit_data","fly","access_api"]"#).unwrap(),
            set
        );
    }
}
