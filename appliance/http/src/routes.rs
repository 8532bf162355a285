//! Addresses: one table that routing, documentation and the authorization test share.
//!
//! An address is matched segment by segment, in the order of the table; a slash at the end is optional
//! everywhere and never leads to a redirect, which would turn a POST into a GET and lose credentials.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What an address is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum RouteId {
    /// Submission, credentials as the project demands.
    Submit,
    /// Submission, credentials always.
    SubmitSecure,
    /// Submission by a program with API permissions.
    SubmitApi,
    /// One form as JSON.
    Form,
    /// One or more cases as JSON.
    Case,
    /// A file of a form.
    FormAttachment,
    /// A file of a case.
    CaseAttachment,
    /// What a phone should hold.
    Restore,
    /// What a runtime gets that speaks with the person of a case.
    CaseRestore,
    /// A worker takes cases.
    Claim,
    /// A worker looks for cases.
    Search,
    /// Cases by id, with their families.
    CaseFixture,
    /// `success`, for phones that look for the internet.
    ServerUp,
    /// State of the appliance as JSON.
    Health,
    /// Figures for Prometheus.
    Metrics,
    /// Signing in.
    Login,
    /// Signing out.
    Logout,
    /// The front door.
    Landing,
    /// The style sheet.
    Style,
    /// Sends on to [`Self::ProjectPage`].
    ProjectHome,
    /// The last forms and cases of a project.
    ProjectPage,
    /// One form.
    FormPage,
    /// The XML of a form.
    FormXml,
    /// One case.
    CasePage,
    /// What is wrong with the cases.
    ProblemsPage,
    /// A file of a build of an app.
    AppFile,
    /// A picture, sound or film of an app.
    Media,
    /// The apps as JSON.
    ListApps,
    /// What somebody may install, of all projects.
    PhoneApps,
    /// A whole package.
    DirectCcz,
    /// The apps for people.
    AppsPage,
    /// How to install an app.
    AppInstall,
    /// The code to scan for it.
    AppQrCode,
    /// Sends on to the profile of an app.
    AppCode,
    /// The people of a project.
    PeoplePage,
    /// Its mobile workers as a workbook.
    PeopleWorkbook,
    /// Fields of user data, and profiles.
    PeopleFields,
    /// Phones and what they last said.
    PhonesPage,
    /// One mobile worker.
    PersonPage,
    /// Its groups.
    GroupsPage,
    /// Its locations.
    LocationsPage,
    /// Its locations as a workbook.
    LocationsWorkbook,
    /// Its lookup tables.
    TablesPage,
    /// Its lookup tables as a workbook.
    TablesWorkbook,
    /// Who did what in the administration of a project.
    AuditPage,
    /// What phones logged.
    DeviceLogs,
    /// What a phone says of itself.
    Heartbeat,
    /// What a phone that lost its way shall do.
    RecoveryMeasures,
    /// Keys of a phone's local store.
    PhoneKeys,
    /// Numbers that rise.
    NextId,
    /// Apps in a browser.
    Formplayer,
}

/// What somebody needs to get an answer other than a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Needs {
    /// Nothing: no data of any project is told.
    Nothing,
    /// `SubmitForm` by the phones' door, if the project demands credentials.
    SubmitIfSecure,
    /// `SubmitForm` by the phones' door.
    Submit,
    /// `SubmitForm` by the programs' door.
    SubmitApi,
    /// `RestoreData` by the phones' door.
    Phone,
    /// A name and a password of somebody who may use a phone in some project.
    Login,
    /// A signature with the key shared with a web runtime.
    Signed,
    /// `ReadForm` by the programs' door.
    ReadForm,
    /// `ReadCase` by the programs' door.
    ReadCase,
    /// `ReadAttachment` by the programs' door.
    ReadAttachment,
    /// `ViewPages`, and `ReadForm` and `ReadCase` for what it lists.
    ViewPages,
    /// `ReadForm` in a browser.
    PageForm,
    /// `ReadCase` in a browser.
    PageCase,
    /// `ViewApps` by the programs' door.
    ViewApps,
    /// `ViewApps` in a browser.
    PageApps,
    /// `ViewUsers` in a browser; `EditUsers` for its forms.
    PageUsers,
    /// `ViewGroups` in a browser; `EditGroups` for its forms.
    PageGroups,
    /// `ViewLocations` in a browser; `EditLocations` for its forms.
    PageLocations,
    /// `ViewTables` in a browser; `EditTables` for its forms.
    PageTables,
    /// `ReadAudit` in a browser.
    PageAudit,
    /// `UseWebApps` by a session, or a signature with the key shared with a web runtime.
    WebApps,
}

/// One line of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteInfo {
    /// What it is for.
    pub id: RouteId,
    /// Segments; `{name}` stands for one of any text, `{app_id}` for one of letters, digits, `_` and `-`,
    /// `{path}` at the end for all that follow.
    pub pattern: &'static str,
    /// Methods, as in the header `Allow`. `HEAD` is `GET` without body.
    pub allow: &'static str,
    /// Who may.
    pub needs: Needs,
}

const fn route(id: RouteId, pattern: &'static str, allow: &'static str, needs: Needs) -> RouteInfo {
    RouteInfo { id, pattern, allow, needs }
}

const READ: &str = "GET, HEAD";
const READ_OR_POST: &str = "GET, HEAD, POST";

/// All addresses. Earlier ones win: `api`, `secure` and `submission` are never application ids.
pub const ROUTES: &[RouteInfo] = &[
    route(RouteId::SubmitApi, "/a/{project}/receiver/api", "POST", Needs::SubmitApi),
    route(RouteId::SubmitSecure, "/a/{project}/receiver/secure", "POST", Needs::Submit),
    route(RouteId::SubmitSecure, "/a/{project}/receiver/secure/{app_id}", "POST", Needs::Submit),
    route(RouteId::Submit, "/a/{project}/receiver/submission", "POST", Needs::SubmitIfSecure),
    route(RouteId::Submit, "/a/{project}/receiver", "POST", Needs::SubmitIfSecure),
    route(RouteId::Submit, "/a/{project}/receiver/{app_id}", "POST", Needs::SubmitIfSecure),
    route(RouteId::Form, "/a/{project}/api/v0.5/form/{form_id}", READ, Needs::ReadForm),
    route(RouteId::Form, "/a/{project}/api/v0.4/form/{form_id}", READ, Needs::ReadForm),
    route(RouteId::Form, "/a/{project}/api/form/v1/{form_id}", READ, Needs::ReadForm),
    route(RouteId::Case, "/a/{project}/api/v0.6/case/{case_ids}", READ, Needs::ReadCase),
    route(RouteId::Case, "/a/{project}/api/case/v2/{case_ids}", READ, Needs::ReadCase),
    route(
        RouteId::FormAttachment,
        "/a/{project}/api/form/attachment/{form_id}/{name}",
        READ,
        Needs::ReadAttachment,
    ),
    route(
        RouteId::FormAttachment,
        "/a/{project}/api/form_attachment/v1/{form_id}/{name}",
        READ,
        Needs::ReadAttachment,
    ),
    route(
        RouteId::CaseAttachment,
        "/a/{project}/api/case/attachment/{case_id}/{name}",
        READ,
        Needs::ReadAttachment,
    ),
    route(
        RouteId::CaseAttachment,
        "/a/{project}/api/case_attachment/v1/{case_id}/{name}",
        READ,
        Needs::ReadAttachment,
    ),
    route(RouteId::Restore, "/a/{project}/phone/restore", READ, Needs::Phone),
    route(RouteId::Restore, "/a/{project}/phone/restore/{app_id}", READ, Needs::Phone),
    route(RouteId::CaseRestore, "/a/{project}/phone/case_restore/{case_id}", READ, Needs::Signed),
    route(RouteId::Claim, "/a/{project}/phone/claim-case", "POST", Needs::Phone),
    route(RouteId::Search, "/a/{project}/phone/search", READ_OR_POST, Needs::Phone),
    route(RouteId::Search, "/a/{project}/phone/search/{app_id}", READ_OR_POST, Needs::Phone),
    route(RouteId::CaseFixture, "/a/{project}/phone/case_fixture/{app_id}", READ_OR_POST, Needs::Phone),
    route(RouteId::CaseFixture, "/a/{project}/phone/registry_case/{app_id}", READ_OR_POST, Needs::Phone),
    route(RouteId::ServerUp, "/serverup.txt", READ, Needs::Nothing),
    route(RouteId::Health, "/healthz", READ, Needs::Nothing),
    route(RouteId::Metrics, "/metrics", READ, Needs::Nothing),
    route(RouteId::PhoneApps, "/phone/list_apps", READ, Needs::Login),
    route(RouteId::Login, "/login", "GET, HEAD, POST", Needs::Nothing),
    route(RouteId::Logout, "/logout", "GET, HEAD, POST", Needs::Nothing),
    route(RouteId::Landing, "/", READ, Needs::Nothing),
    route(RouteId::Style, "/static/bolster.css", READ, Needs::Nothing),
    route(RouteId::ProjectHome, "/a/{project}", READ, Needs::Nothing),
    route(RouteId::ProjectPage, "/a/{project}/data", READ, Needs::ViewPages),
    route(RouteId::ProblemsPage, "/a/{project}/data/problems", READ, Needs::PageCase),
    route(RouteId::FormPage, "/a/{project}/reports/form_data/{form_id}", READ, Needs::PageForm),
    route(RouteId::FormXml, "/a/{project}/reports/form_data/{form_id}/download", READ, Needs::PageForm),
    route(RouteId::AppFile, "/a/{project}/apps/download/{app_id}/{path}", READ, Needs::Nothing),
    route(RouteId::AppInstall, "/a/{project}/apps/odk/{app_id}/install", READ, Needs::Nothing),
    route(RouteId::AppInstall, "/a/{project}/apps/odk/{app_id}/media_install", READ, Needs::Nothing),
    route(RouteId::AppQrCode, "/a/{project}/apps/odk/{app_id}/qr_code", READ, Needs::Nothing),
    route(RouteId::AppQrCode, "/a/{project}/apps/odk/{app_id}/media_qr_code", READ, Needs::Nothing),
    route(RouteId::ListApps, "/a/{project}/apps/api/list_apps", READ, Needs::ViewApps),
    route(RouteId::DirectCcz, "/a/{project}/apps/api/download_ccz", READ, Needs::Nothing),
    route(RouteId::AppsPage, "/a/{project}/apps", READ, Needs::PageApps),
    route(RouteId::PeoplePage, "/a/{project}/people", READ_OR_POST, Needs::PageUsers),
    route(RouteId::PeopleWorkbook, "/a/{project}/people/workbook", READ, Needs::PageUsers),
    route(RouteId::PeopleFields, "/a/{project}/people/fields", READ_OR_POST, Needs::PageUsers),
    route(RouteId::PhonesPage, "/a/{project}/people/devices", READ, Needs::PageUsers),
    route(RouteId::PersonPage, "/a/{project}/people/{user_id}", READ_OR_POST, Needs::PageUsers),
    route(RouteId::GroupsPage, "/a/{project}/groups", READ_OR_POST, Needs::PageGroups),
    route(RouteId::LocationsPage, "/a/{project}/locations", READ_OR_POST, Needs::PageLocations),
    route(RouteId::LocationsWorkbook, "/a/{project}/locations/workbook", READ, Needs::PageLocations),
    route(RouteId::TablesPage, "/a/{project}/tables", READ_OR_POST, Needs::PageTables),
    route(RouteId::TablesWorkbook, "/a/{project}/tables/workbook", READ, Needs::PageTables),
    route(RouteId::AuditPage, "/a/{project}/audit", READ, Needs::PageAudit),
    route(RouteId::AppCode, "/i/{code}", READ, Needs::Nothing),
    route(RouteId::DeviceLogs, "/a/{project}/reports/device_logs", READ, Needs::PageForm),
    route(RouteId::Media, "/hq/multimedia/file/{class}/{media_id}/{name}", READ, Needs::Nothing),
    route(RouteId::Heartbeat, "/a/{project}/phone/heartbeat/{app_id}", READ, Needs::Phone),
    route(RouteId::RecoveryMeasures, "/a/{project}/phone/recovery_measures/{app_id}", READ, Needs::Nothing),
    route(RouteId::PhoneKeys, "/a/{project}/phone/keys", READ, Needs::Phone),
    route(RouteId::NextId, "/a/{project}/phone/get_next_id", READ, Needs::Phone),
    route(RouteId::Formplayer, "/formplayer/{endpoint}", READ_OR_POST, Needs::WebApps),
    route(RouteId::CasePage, "/a/{project}/reports/case_data/{case_id}", READ, Needs::PageCase),
];

/// Most placeholders of a pattern.
const PLACES_MAX: usize = 3;

/// An address that is in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'p> {
    /// Its line.
    pub info: &'static RouteInfo,
    /// Number of the line, for figures.
    pub number: usize,
    /// Placeholders in order, percent-encoded as in the address.
    places: [(&'static str, &'p str); PLACES_MAX],
}

impl<'p> Found<'p> {
    /// What stands for a placeholder, still percent-encoded; `None` when the pattern has no such.
    pub fn raw(&self, name: &str) -> Option<&'p str> {
        self.places.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// What stands for a placeholder; `None` when there is no such or it is no UTF-8.
    pub fn text(&self, name: &str) -> Option<Cow<'p, str>> {
        decoded(self.raw(name)?)
    }
}

/// Percent-decoded text; `None` when it is no UTF-8 or holds a NUL, which no id does.
pub fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    percent_decode_str(raw).decode_utf8().ok().filter(|text| !text.contains('\0'))
}

/// Looks an address up.
pub fn find(path: &str) -> Option<Found<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES.iter().enumerate().find_map(|(number, info)| {
        let places = matched(info.pattern, path)?;
        Some(Found { info, number, places })
    })
}

/// Takes all that is left.
const TAIL: &str = "{path}";

fn matched<'p>(pattern: &'static str, path: &'p str) -> Option<[(&'static str, &'p str); PLACES_MAX]> {
    let mut places = [("", ""); PLACES_MAX];
    let mut count = 0;
    let mut rest = Some(path);
    for wanted in pattern.strip_suffix('/').unwrap_or(pattern).split('/') {
        let whole = rest?;
        let (segment, after) = match whole.split_once('/') {
            Some((segment, after)) if wanted != TAIL => (segment, Some(after)),
            _ => (whole, None),
        };
        rest = after;
        match wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) => {
                let fits = if name == "app_id" { is_app_id(segment) } else { !segment.is_empty() };
                if !fits {
                    return None;
                }
                *places.get_mut(count)? = (name, segment);
                count += 1;
            }
            None if wanted == segment => {}
            None => return None,
        }
    }
    if rest.is_some() { None } else { Some(places) }
}

fn is_app_id(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str) -> Option<(RouteId, Vec<String>)> {
        let found = find(path)?;
        let places = found.places.iter().filter(|p| !p.0.is_empty());
        Some((found.info.id, places.map(|p| decoded(p.1).unwrap().into_owned()).collect()))
    }

    #[test]
    fn addresses_of_the_receiver() {
        let rows = [
            ("/a/p/receiver/", RouteId::Submit, vec!["p"]),
            ("/a/p/receiver", RouteId::Submit, vec!["p"]),
            ("/a/p/receiver/submission", RouteId::Submit, vec!["p"]),
            ("/a/p/receiver/submission/", RouteId::Submit, vec!["p"]),
            ("/a/p/receiver/app-1_X/", RouteId::Submit, vec!["p", "app-1_X"]),
            ("/a/p/receiver/secure/", RouteId::SubmitSecure, vec!["p"]),
            ("/a/p/receiver/secure", RouteId::SubmitSecure, vec!["p"]),
            ("/a/p/receiver/secure/app-1_X", RouteId::SubmitSecure, vec!["p", "app-1_X"]),
            ("/a/p/receiver/secure/api/", RouteId::SubmitSecure, vec!["p", "api"]),
            ("/a/p/receiver/api/", RouteId::SubmitApi, vec!["p"]),
        ];
        for (path, id, places) in rows {
            let places = places.into_iter().map(str::to_owned).collect();
            assert_eq!(seen(path), Some((id, places)), "{path}");
        }
        for path in [
            "/a/p/receiver/a.b/",
            "/a/p/receiver/api/x",
            "/a/p/receiver/x/y",
            "/a//receiver/",
            "/a/p/receiver//",
        ] {
            assert_eq!(seen(path), None, "{path}");
        }
    }

    #[test]
    fn other_addresses() {
        let rows = [
            ("/", RouteId::Landing, vec![]),
            ("", RouteId::Landing, vec![]),
            ("/a/p/api/form/v1/f", RouteId::Form, vec!["p", "f"]),
            ("/a/p/api/v0.5/form/f%20%2F1/", RouteId::Form, vec!["p", "f /1"]),
            ("/a/p/api/case/v2/a,b/", RouteId::Case, vec!["p", "a,b"]),
            ("/a/p/api/form/attachment/f/%D1%84.jpg", RouteId::FormAttachment, vec!["p", "f", "ф.jpg"]),
            ("/a/p/api/case_attachment/v1/c/n", RouteId::CaseAttachment, vec!["p", "c", "n"]),
            ("/a/p/", RouteId::ProjectHome, vec!["p"]),
            ("/a/p/apps/download/b/suite.xml", RouteId::AppFile, vec!["p", "b", "suite.xml"]),
            (
                "/a/p/apps/download/b/modules-0/forms-0.xml",
                RouteId::AppFile,
                vec!["p", "b", "modules-0/forms-0.xml"],
            ),
            ("/a/p/apps/", RouteId::AppsPage, vec!["p"]),
        ];
        for (path, id, places) in rows {
            let places = places.into_iter().map(str::to_owned).collect();
            assert_eq!(seen(path), Some((id, places)), "{path}");
        }
        for path in ["//", "/nothing", "/a", "/a/p/api/v0.5/", "/a/p/api/form/attachment/f/a/b"] {
            assert_eq!(seen(path), None, "{path}");
        }
    }

    #[test]
    fn odd_encodings_are_no_text() {
        assert_eq!(decoded("%ff"), None);
        assert_eq!(decoded("a%00b"), None);
        assert_eq!(decoded("100%").as_deref(), Some("100%"));
    }

    #[test]
    fn every_line_of_the_table_can_be_reached() {
        for (number, info) in ROUTES.iter().enumerate() {
            let path = info.pattern.replace(['{', '}'], "");
            assert_eq!(find(&path).map(|f| f.number), Some(number), "{}", info.pattern);
        }
    }
}
