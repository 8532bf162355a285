//! What is wrong with a package before anybody runs it.
//!
//! Codes are those of CommCare HQ's app builder where it has one for the same thing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use bolster_xforms::{FormDefinition, LoadOptions};
use bolster_xpath::{Expr, NoHost};

pub use bolster_xforms::Severity;

use crate::app::{App, Files, form_namespace};
use crate::detail::{Detail, Template};
use crate::parse;
use crate::profile::PLATFORM;
use crate::suite::{
    Command, DatumKind, Entry, InstanceRef, Menu, Operation, Parameter, Query, ROOT, StepTemplate, StepValue,
};
use crate::text::{Display, Text};

/// Findings of one check at most; a package that has more is wrong as a whole.
const FINDINGS_MAX: usize = 10_000;

/// Something that an author should mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// What kind of thing it is; stable, and what tools branch on.
    pub code: &'static str,
    /// Where: a file and a line, a menu, an entry, a list.
    pub place: String,
    /// A sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}[{}]: {}", self.place, self.severity.as_str(), self.code, self.message)
    }
}

/// Everything that is wrong with a package; nothing if it is sound.
///
/// Forms are parsed one after the other, each within the limits of the engine.
pub fn check(files: &dyn Files) -> Vec<Finding> {
    let mut checker = Checker { findings: Vec::new() };
    let app = match App::read(files) {
        Ok(app) => app,
        Err(error) => {
            checker.error("invalid package", "package", error.message);
            return checker.findings;
        }
    };
    if app.profile.required > PLATFORM {
        let (major, minor) = app.profile.required;
        let message = format!(
            "It asks for version {major}.{minor} of the platform; this one is {}.{}.",
            PLATFORM.0, PLATFORM.1
        );
        checker.warning("newer platform", "profile", message);
    }
    checker.forms(&app, files);
    checker.menus(&app);
    for (id, entry) in sorted(&app.entries) {
        checker.entry(&app, id, entry);
    }
    for (id, detail) in sorted(&app.details) {
        checker.texts(&app, &format!("detail {id}"), &Parts::of_detail(detail));
    }
    for (id, endpoint) in sorted(&app.endpoints) {
        let place = format!("endpoint {id}");
        checker.operations(&app, &place, &endpoint.stack);
    }
    checker.findings
}

fn sorted<T>(map: &HashMap<String, T>) -> Vec<(&String, &T)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by_key(|(id, _)| *id);
    all
}

struct Checker {
    findings: Vec<Finding>,
}

impl Checker {
    fn add(&mut self, severity: Severity, code: &'static str, place: &str, message: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { severity, code, place: place.to_owned(), message });
        }
    }

    fn error(&mut self, code: &'static str, place: &str, message: String) {
        self.add(Severity::Error, code, place, message);
    }

    fn warning(&mut self, code: &'static str, place: &str, message: String) {
        self.add(Severity::Warning, code, place, message);
    }

    fn forms(&mut self, app: &App, files: &dyn Files) {
        let mut seen: HashMap<String, String> = HashMap::new();
        for suite in &app.profile.suites {
            // It was read a moment ago.
            let Some(suite) = files.text(suite).and_then(|text| parse::suite(&text, &app.names).ok()) else {
                continue;
            };
            for path in suite.forms {
                let Some(text) = files.text(&path) else { continue };
                if let Some(namespace) = form_namespace(&text)
                    && let Some(other) = seen.insert(namespace.clone(), path.clone())
                {
                    let message =
                        format!("{other} has the namespace {namespace} too; only one of them opens.");
                    self.error("duplicate xmlns", &path, message);
                }
                let problems = match FormDefinition::parse(&text, &LoadOptions::default(), &NoHost) {
                    Ok(form) => form.warnings().to_vec(),
                    Err(error) => error.diagnostics,
                };
                for problem in problems {
                    let place = match problem.line {
                        0 => path.clone(),
                        line => format!("{path}:{line}:{}", problem.column),
                    };
                    self.add(problem.severity, problem.problem.as_str(), &place, problem.to_string());
                }
            }
        }
    }

    fn menus(&mut self, app: &App) {
        let ids: HashSet<&str> = app.menus.iter().map(|menu| &*menu.id).collect();
        for menu in &app.menus {
            let place = format!("menu {}", menu.id);
            if *menu.root != *ROOT && !ids.contains(&*menu.root) {
                let message = format!("It hangs from the menu {}, which is not there.", menu.root);
                self.error("unknown root", &place, message);
            }
            if menu.commands.is_empty() {
                self.warning("no forms or case list", &place, "It lists nothing.".into());
            }
            for Command { id, .. } in &menu.commands {
                if !app.entries.contains_key(&**id) && !ids.contains(&**id) {
                    let message = format!("It lists the command {id}, which is neither a form nor a menu.");
                    self.error("unknown command", &place, message);
                }
            }
            let parts = Parts::of_menu(menu);
            self.texts(app, &place, &parts);
            // What its entries declare is there for its conditions too.
            let entries = menu.commands.iter().filter_map(|command| app.entries.get(&*command.id));
            let theirs = entries.flat_map(|entry| &entry.instances).map(|known| known.id.to_string());
            self.instances(&place, &menu.instances, &theirs.collect(), &parts);
        }
        for menu in &app.menus {
            let mut at = &*menu.root;
            for _ in 0..=app.menus.len() {
                if at == &*menu.id && at != ROOT {
                    let message = "It hangs from itself, so nobody can reach it.".to_owned();
                    self.error("root cycle", &format!("menu {}", menu.id), message);
                    break;
                }
                match app.menus.iter().find(|other| *other.id == *at) {
                    Some(outer) if at != ROOT => at = &outer.root,
                    _ => break,
                }
            }
        }
    }

    fn entry(&mut self, app: &App, id: &str, entry: &Entry) {
        let place = format!("entry {id}");
        if let Some(form) = &entry.form
            && app.form_text(form).is_none()
        {
            self.error("missing form", &place, format!("The package has no form with the namespace {form}."));
        }
        let mut parts = Parts::of_entry(entry);
        let mut provided = BTreeSet::new();
        for datum in &entry.data {
            provided.insert(datum.id.to_string());
            provided.insert(format!("search-input:{}", datum.id));
            let Some(entity) = datum.entity() else { continue };
            let details = [&entity.short, &entity.long, &entity.inline, &entity.persistent];
            for detail in details.into_iter().flatten() {
                match app.details.get(&**detail) {
                    Some(detail) => parts.detail(detail),
                    None => {
                        let message =
                            format!("The choice {} uses the detail {detail}, which is not there.", datum.id);
                        self.error("no case detail", &place, message);
                    }
                }
            }
        }
        self.texts(app, &place, &Parts { expressions: Vec::new(), ..Parts::of_entry(entry) });
        self.instances(&place, &entry.instances, &provided, &parts);
        self.operations(app, &place, &entry.stack);
    }

    /// Every text must have a translation.
    fn texts(&mut self, app: &App, place: &str, parts: &Parts<'_>) {
        let mut told = HashSet::new();
        for key in &parts.keys {
            let missing: Vec<&str> =
                app.locales.languages().filter(|language| app.locales.get(language, key).is_none()).collect();
            if !missing.is_empty() && told.insert(*key) {
                let message = format!("The text {key} is not translated into: {}.", missing.join(", "));
                self.error("missing text", place, message);
            }
        }
    }

    /// Every instance that is used must be declared.
    fn instances(
        &mut self,
        place: &str,
        declared: &[InstanceRef],
        provided: &BTreeSet<String>,
        parts: &Parts<'_>,
    ) {
        let mut told = BTreeSet::new();
        for expression in &parts.expressions {
            for id in instances_in(expression) {
                if !declared.iter().any(|known| *known.id == *id)
                    && !provided.contains(id)
                    && told.insert(id.to_owned())
                {
                    let message = format!("{expression} uses the instance {id}, which is not declared here.");
                    self.warning("unknown instance", place, message);
                }
            }
        }
    }

    fn operations(&mut self, app: &App, place: &str, stack: &[Operation]) {
        for step in stack.iter().flat_map(|operation| &operation.steps) {
            let id = match step {
                StepTemplate::Command(StepValue::Literal(id)) => &**id,
                StepTemplate::Command(StepValue::Expression(expr)) => match quoted(expr.text()) {
                    Some(id) => id,
                    // Which one it is shows when it runs.
                    None => continue,
                },
                _ => continue,
            };
            if id != ROOT && !app.entries.contains_key(id) && app.menus_with_id(id).next().is_none() {
                let message = format!("It goes to the command {id}, which is neither a form nor a menu.");
                self.error("bad form link", place, message);
            }
        }
    }
}

/// The text of an expression that is nothing but a quoted text.
fn quoted(expression: &str) -> Option<&str> {
    let expression = expression.trim();
    ['\'', '"'].into_iter().find_map(|quote| {
        let inner = expression.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// The instances that an expression names.
fn instances_in(expression: &str) -> impl Iterator<Item = &str> {
    expression.split("instance(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        rest[1..].split_once(quote).map(|(id, _)| id)
    })
}

/// Texts and expressions of something.
#[derive(Default)]
struct Parts<'p> {
    /// Keys of translations.
    keys: Vec<&'p str>,
    expressions: Vec<&'p str>,
}

impl<'p> Parts<'p> {
    fn of_menu(menu: &'p Menu) -> Self {
        let mut parts = Self::default();
        parts.display(&menu.display);
        parts.expressions(&menu.relevant);
        menu.commands.iter().for_each(|command| parts.expressions(&command.relevant));
        for assertion in &menu.assertions {
            parts.expression(&assertion.test);
            parts.text(&assertion.message);
        }
        parts
    }

    fn of_entry(entry: &'p Entry) -> Self {
        let mut parts = Self::default();
        parts.display(&entry.display);
        for assertion in &entry.assertions {
            parts.expression(&assertion.test);
            parts.text(&assertion.message);
        }
        for datum in &entry.data {
            match &datum.kind {
                DatumKind::Entity(entity) => parts.expression(&entity.nodeset),
                DatumKind::Computed(expr) | DatumKind::Form(expr) => parts.expression(expr),
                DatumKind::Query(query) => parts.query(query),
            }
        }
        if let Some(post) = &entry.post {
            parts.expressions(&post.relevant);
            parts.parameters(&post.data);
        }
        parts.operations(&entry.stack);
        parts
    }

    fn of_detail(detail: &'p Detail) -> Self {
        let mut parts = Self::default();
        parts.detail(detail);
        parts
    }

    fn detail(&mut self, detail: &'p Detail) {
        self.display(&detail.title);
        [&detail.no_items, &detail.select_text].into_iter().flatten().for_each(|text| self.text(text));
        detail.variables.iter().for_each(|(_, expr)| self.expression(expr));
        self.expressions(&detail.relevant);
        detail.group.iter().for_each(|group| self.expression(&group.function));
        for action in &detail.actions {
            self.display(&action.display);
            self.expressions(&action.relevant);
            self.expressions(&action.auto_launch);
            self.operations(&action.stack);
        }
        for field in &detail.fields {
            self.text(&field.header);
            if let Template::Text(text) = &field.template {
                self.text(text);
            }
            [&field.sort.text, &field.alt_text].into_iter().flatten().for_each(|text| self.text(text));
        }
        detail.tabs.iter().for_each(|tab| self.detail(tab));
    }

    fn query(&mut self, query: &'p Query) {
        [&query.title, &query.description].into_iter().flatten().for_each(|text| self.text(text));
        self.parameters(&query.data);
        query.groups.iter().for_each(|(_, display)| self.display(display));
        for prompt in &query.prompts {
            self.display(&prompt.display);
            self.expressions(&prompt.default);
            self.expressions(&prompt.exclude);
            for (test, message) in [&prompt.required, &prompt.validation].into_iter().flatten() {
                self.expression(test);
                message.iter().for_each(|text| self.text(text));
            }
            prompt.itemset.iter().for_each(|itemset| self.expression(&itemset.nodeset));
        }
    }

    fn operations(&mut self, stack: &'p [Operation]) {
        for operation in stack {
            self.expressions(&operation.condition);
            for step in &operation.steps {
                match step {
                    StepTemplate::Command(value)
                    | StepTemplate::Datum(_, value)
                    | StepTemplate::InstanceDatum(_, value)
                    | StepTemplate::Rewind(Some(value)) => {
                        if let StepValue::Expression(expr) = value {
                            self.expression(expr);
                        }
                    }
                    StepTemplate::Query(_, _, parameters) => self.parameters(parameters),
                    StepTemplate::Jump(text) => self.text(text),
                    StepTemplate::Mark | StepTemplate::Rewind(None) => {}
                }
            }
        }
    }

    fn parameters(&mut self, parameters: &'p [Parameter]) {
        for parameter in parameters {
            self.expression(&parameter.value);
            self.expressions(&parameter.nodeset);
            self.expressions(&parameter.exclude);
        }
    }

    fn display(&mut self, display: &'p Display) {
        self.text(&display.text);
        let others = [&display.image, &display.audio, &display.badge, &display.hint];
        others.into_iter().flatten().for_each(|text| self.text(text));
    }

    fn text(&mut self, text: &'p Text) {
        match text {
            Text::Empty | Text::Literal(_) => {}
            Text::Locale { key, arguments } => {
                match &**key {
                    Text::Literal(key) => self.keys.push(key),
                    key => self.text(key),
                }
                arguments.iter().for_each(|text| self.text(text));
            }
            Text::Expression(computed) => {
                self.expression(&computed.expr);
                computed.variables.iter().for_each(|(_, text)| self.text(text));
            }
            Text::Sequence(parts) => parts.iter().for_each(|text| self.text(text)),
        }
    }

    fn expression(&mut self, expr: &'p Expr) {
        self.expressions.push(expr.text());
    }

    fn expressions(&mut self, expr: &'p Option<Expr>) {
        expr.iter().for_each(|expr| self.expression(expr));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Package(Vec<(&'static str, String)>);

    impl Files for Package {
        fn text(&self, path: &str) -> Option<String> {
            self.0.iter().find(|(known, _)| *known == path).map(|(_, text)| text.clone())
        }
    }

    const PROFILE: &str = "<profile version=\"1\" requiredMajor=\"2\" requiredMinor=\"1\" uniqueid=\"a\" name=\"A\">\
        <suite><resource id=\"s\" version=\"1\"><location authority=\"local\">suite.xml</location></resource></suite>\
        </profile>";
    const FORM: &str = "<h:html xmlns:h=\"http://www.w3.org/1999/xhtml\" xmlns=\"http://www.w3.org/2002/xforms\">\
        <h:head><h:title>F</h:title><model><instance><data xmlns=\"http://example.org/f\"><a/></data></instance>\
        <bind nodeset=\"/data/a\"/></model></h:head><h:body><input ref=\"/data/a\"><label>A</label></input></h:body>\
        </h:html>";

    fn package(menus: &str, entry: &str) -> Package {
        let resource = |kind: &str, id: &str, path: &str| {
            format!(
                "<{kind}><resource id=\"{id}\" version=\"1\"><location authority=\"local\">{path}</location>\
                 </resource></{}>",
                kind.split(' ').next().unwrap()
            )
        };
        let suite = format!(
            "<suite version=\"1\">{}{}<entry><form>http://example.org/f</form><command id=\"m0-f0\"><text>\
             <locale id=\"forms.f\"/></text></command>{entry}</entry>{menus}</suite>",
            resource("xform", "f", "f.xml"),
            resource("locale language=\"default\"", "l", "default.txt"),
        );
        Package(vec![
            ("profile.ccpr", PROFILE.into()),
            ("suite.xml", suite),
            ("f.xml", FORM.into()),
            ("default.txt", "forms.f=F\nmenus.m=M\n".into()),
        ])
    }

    fn codes(package: &Package) -> Vec<&'static str> {
        check(package).iter().map(|finding| finding.code).collect()
    }

    const MENU: &str = "<menu id=\"m0\"><text><locale id=\"menus.m\"/></text><command id=\"m0-f0\"/></menu>";

    #[test]
    fn a_sound_package_has_no_findings() {
        assert_eq!(check(&package(MENU, "")), []);
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let menus = "<menu id=\"m0\" root=\"m9\"><text><locale id=\"menus.none\"/></text><command id=\"m0-f9\"/></menu>\
                     <menu id=\"m1\" root=\"m2\"><text>1</text></menu><menu id=\"m2\" root=\"m1\"><text>2</text></menu>";
        assert_eq!(
            codes(&package(menus, "")),
            [
                "unknown root",
                "unknown command",
                "missing text",
                "no forms or case list",
                "no forms or case list",
                "root cycle",
                "root cycle"
            ]
        );
    }

    #[test]
    fn what_an_entry_lacks_is_named() {
        let entry = "<session><datum id=\"case_id\" nodeset=\"instance('casedb')/casedb/case\" value=\"@case_id\" \
                     detail-select=\"none\"/></session><stack><push><command value=\"'m7'\"/></push></stack>";
        let found = check(&package(MENU, entry));
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["no case detail", "unknown instance", "bad form link"]);
        assert!(found[0].to_string().starts_with("entry m0-f0: error[no case detail]: "), "{}", found[0]);
    }

    #[test]
    fn what_cannot_be_read_is_one_finding() {
        let mut broken = package(MENU, "");
        broken.0.retain(|(path, _)| *path != "default.txt");
        assert_eq!(codes(&broken), ["invalid package"]);
        assert_eq!(codes(&Package(Vec::new())), ["invalid package"]);
    }
}
