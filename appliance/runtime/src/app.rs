//! An application: everything of a package that users share, parsed once.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bolster_xforms::{FormDefinition, LoadOptions};
use bolster_xpath::{Names, NoHost};

use crate::detail::Detail;
use crate::error::{Code, Error};
use crate::locale::{DEFAULT, Locales};
use crate::parse;
use crate::profile::Profile;
use crate::suite::{Endpoint, Entry, Menu};
use crate::world::Source;

/// The files of a package.
pub trait Files {
    /// The text of a file, by its path inside the package.
    fn text(&self, path: &str) -> Option<String>;
}

/// Texts that every application has, unless it brings its own.
const OWN_TEXTS: &str = "\
ethiopian_months=Mäskäräm,T’ïk’ïmt,Hïdar,Tahsas,T’ïr,Yäkatit,Mägabit,Miyaziya,Gïnbot,Säne,Hämle,Nähäse,P’agume
nepali_months=Baishakh,Jestha,Ashadh,Shrawan,Bhadra,Ashwin,Kartik,Mangsir,Poush,Magh,Falgun,Chaitra
form.attachment.invalid.error=Invalid file ${0} attached with this form. Please select a valid multimedia file.
form.attachment.oversize.error=File ${0} is more than the maximum limit of 3 MB.
form.upload.attachments.limit.exceeded=More than ${0} attachments found for this form.
case.list.max.selection.error.singular=Too many cases(${0}) to proceed. Only 1 is allowed
case.list.max.selection.error=Too many cases(${0}) to proceed. Only ${1} are allowed
";

/// A form of a package.
#[derive(Debug)]
struct Form {
    text: String,
    parsed: OnceLock<Result<Arc<FormDefinition>, String>>,
}

/// An application. Immutable: share it between all its users.
pub struct App {
    /// The profile.
    pub profile: Profile,
    /// The table that names of its expressions are interned in.
    pub names: Names,
    /// Translations.
    pub locales: Locales,
    /// Menus in the order of the suites.
    pub menus: Vec<Arc<Menu>>,
    /// Entries by the id of their command.
    pub entries: HashMap<String, Arc<Entry>>,
    /// Lists and details by id.
    pub details: HashMap<String, Arc<Detail>>,
    /// Endpoints by id.
    pub endpoints: HashMap<String, Arc<Endpoint>>,
    /// Its own lookup tables.
    pub fixtures: HashMap<String, Source>,
    forms: HashMap<String, Form>,
}

impl App {
    /// Reads a package.
    ///
    /// Errors: [`Code::Package`] with the file and what is wrong in it. Forms are parsed when they are first opened.
    pub fn read(files: &dyn Files) -> Result<App, Error> {
        let need = |path: &str| {
            let missing = || Error::package(format!("The package has no file {path}, which it says it has."));
            files.text(path).ok_or_else(missing)
        };
        let profile = match files.text("profile.ccpr").or_else(|| files.text("profile.xml")) {
            Some(text) => Profile::parse(&text)?,
            None => return Err(Error::package("The package has no profile (profile.ccpr).")),
        };
        let names = Names::new();
        let mut app = App {
            profile,
            names,
            locales: Locales::default(),
            menus: Vec::new(),
            entries: HashMap::new(),
            details: HashMap::new(),
            endpoints: HashMap::new(),
            fixtures: HashMap::new(),
            forms: HashMap::new(),
        };
        app.locales.add(DEFAULT, OWN_TEXTS);
        for path in app.profile.suites.clone() {
            let within = |e: Error| Error::package(format!("{path}: {}", e.message));
            let suite = parse::suite(&need(&path)?, &app.names).map_err(within)?;
            app.menus.extend(suite.menus);
            for entry in suite.entries {
                app.entries.insert(entry.command.to_string(), entry);
            }
            for detail in suite.details {
                app.details.insert(detail.id.to_string(), detail);
            }
            for endpoint in suite.endpoints {
                app.endpoints.insert(endpoint.id.to_string(), endpoint);
            }
            for (id, tree) in suite.fixtures {
                app.fixtures.insert(id, Arc::new(tree));
            }
            for (language, path) in suite.locales {
                app.locales.declare(&language);
                app.locales.add(&language, &need(&path)?);
            }
            for path in suite.forms {
                let text = need(&path)?;
                let namespace = form_namespace(&text)
                    .ok_or_else(|| Error::package(format!("{path}: the form has no namespace.")))?;
                app.forms.insert(namespace, Form { text, parsed: OnceLock::new() });
            }
        }
        Ok(app)
    }

    /// The entries reachable from a command: those its menus list, and the entry it is.
    pub fn entries_for(&self, command: &str) -> Result<Vec<Arc<Entry>>, Error> {
        let mut out = Vec::new();
        for menu in self.menus_with_id(command) {
            for listed in &menu.commands {
                let none = || {
                    Error::new(
                        Code::Configuration,
                        format!("No entry found for menu command [{}]", listed.id),
                    )
                };
                out.push(self.entries.get(&*listed.id).ok_or_else(none)?.clone());
            }
        }
        out.extend(self.entries.get(command).cloned());
        Ok(out)
    }

    /// The menus of an id.
    pub fn menus_with_id<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Menu>> + 'a {
        self.menus.iter().filter(move |menu| *menu.id == *id)
    }

    /// How a menu is laid out: nothing if menus of its id disagree.
    pub fn menu_style(&self, id: &str) -> Option<&str> {
        let mut styles =
            self.menus.iter().filter(|menu| *menu.id == *id).filter_map(|menu| menu.style.as_deref());
        let first = styles.next()?;
        styles.all(|style| style == first).then_some(first)
    }

    /// A list or detail.
    pub fn detail(&self, id: &str) -> Result<&Arc<Detail>, Error> {
        self.details
            .get(id)
            .ok_or_else(|| Error::new(Code::Configuration, format!("Missing detail definition for: {id}")))
    }

    /// The form of a namespace, parsed when it is first asked for.
    pub fn form(&self, namespace: &str) -> Result<Arc<FormDefinition>, Error> {
        let form = self.forms.get(namespace).ok_or_else(|| {
            Error::new(
                Code::Configuration,
                format!("The application has no form with the namespace {namespace}."),
            )
        })?;
        let parsed = form.parsed.get_or_init(|| {
            let options = LoadOptions { first_error_only: true, ..LoadOptions::default() };
            FormDefinition::parse(&form.text, &options, &NoHost).map(Arc::new).map_err(|e| e.to_string())
        });
        parsed.clone().map_err(|message| Error::new(Code::Configuration, message))
    }

    /// The text of a form.
    pub fn form_text(&self, namespace: &str) -> Option<&str> {
        self.forms.get(namespace).map(|form| &*form.text)
    }

    /// The namespaces of the forms.
    pub fn form_namespaces(&self) -> impl Iterator<Item = &str> {
        self.forms.keys().map(String::as_str)
    }

    /// The language to begin with: the one wanted, the one the application names, or `default`.
    pub fn language<'a>(&'a self, wanted: Option<&'a str>) -> &'a str {
        let known = |language: &&str| self.locales.has(language);
        wanted.filter(known).or_else(|| self.profile.property("cur_locale").filter(known)).unwrap_or(DEFAULT)
    }
}

/// The namespace of a form: that of the first element of its main instance.
pub(crate) fn form_namespace(text: &str) -> Option<String> {
    let mut mended = String::new();
    let document = parse::xml::document(text, &mut mended).ok()?;
    let model = document.descendants().find(|node| node.has_tag_name_local("model"))?;
    let instance = model.children().find(|node| node.has_tag_name_local("instance"))?;
    let data = instance.children().find(roxmltree::Node::is_element)?;
    data.tag_name().namespace().map(str::to_owned)
}

trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for roxmltree::Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
