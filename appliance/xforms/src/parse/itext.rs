//! `<itext>`: languages, texts, forms.

use std::collections::hash_map::Entry;

use roxmltree::Node;

use super::Loader;
use super::document::{attribute, elements};
use crate::Map;
use crate::error::{Problem, Severity};
use crate::text::{Language, PLAIN, TextId};

impl<'d> Loader<'d> {
    pub fn read_itext(&mut self, itext: Node<'d, 'd>) {
        self.has_itext = true;
        let mut chosen = None;
        for translation in elements(itext).filter(|n| n.tag_name().name() == "translation") {
            let Some(lang) = attribute(translation, "lang").filter(|lang| !lang.is_empty()) else {
                self.error(Problem::Itext, translation, "no language specified for <translation>");
                continue;
            };
            if self.itext.language(lang).is_some() {
                let message = format!("duplicate <translation> for language '{lang}'");
                self.error(Problem::Itext, translation, message);
                continue;
            }
            if attribute(translation, "default").is_some() {
                if chosen.is_some() {
                    self.error(Problem::Itext, translation, "more than one <translation> set as default");
                }
                chosen = chosen.or(Some(self.itext.languages.len()));
            }
            let mut language = Language { name: lang.into(), table: Map::default() };
            for text in elements(translation).filter(|n| n.tag_name().name() == "text") {
                self.itext_text(text, &mut language);
            }
            self.itext.languages.push(language);
        }
        if self.itext.languages.is_empty() {
            self.error(Problem::Itext, itext, "no <translation>s defined");
        }
        self.itext.default = chosen.unwrap_or(0);
    }

    fn itext_text(&mut self, text: Node<'d, 'd>, language: &mut Language) {
        let Some(name) = attribute(text, "id").filter(|id| !id.is_empty()) else {
            self.error(Problem::Itext, text, "no id defined for <text>");
            return;
        };
        let id = self.itext.add_id(name);
        for value in elements(text) {
            if value.tag_name().name() != "value" {
                let message =
                    format!("Unrecognized element [{}] in Itext->translation->text", value.tag_name().name());
                self.error(Problem::Itext, value, message);
                continue;
            }
            let form_name = attribute(value, "form").unwrap_or("");
            let form = if form_name.is_empty() { PLAIN } else { self.itext.add_form(form_name) };
            let template = self.template(value).unwrap_or_default();
            match language.table.entry((id, form)) {
                Entry::Vacant(entry) => {
                    entry.insert(template);
                }
                Entry::Occupied(_) => {
                    let form = if form_name.is_empty() { "null" } else { form_name };
                    let message = format!(
                        "duplicate definition for text ID \"{name}\" and form \"{form}\". Can only have one \
                         definition for each text form."
                    );
                    self.error(Problem::Itext, text, message);
                }
            }
        }
    }

    /// The id of a text a label refers to, which must exist in the default language.
    pub fn text_id(&mut self, name: &str, what: &str, node: Node<'_, '_>) -> TextId {
        let id = self.itext.add_id(name);
        let default = self.itext.default;
        let default_name = self.itext.languages.get(default).map_or("?", |l| &*l.name).to_owned();
        if !self.itext.defines(default, id) {
            let message =
                format!("{what} '{name}': text is not localizable for default locale [{default_name}]!");
            self.error(Problem::Itext, node, message);
            if let Some(last) = self.last() {
                last.suggestion = Some(format!(
                    "Add <text id=\"{name}\"> to the translation \"{default_name}\", or correct the reference."
                ));
            }
            return id;
        }
        let missing: Vec<String> = (0..self.itext.languages.len())
            .filter(|at| *at != default && !self.itext.defines(*at, id))
            .map(|at| self.itext.languages[at].name.to_string())
            .collect();
        let at = self.position(node);
        for language in missing {
            let message = format!("{what} '{name}': text is not localizable for locale {language}.");
            self.report(Severity::Warning, Problem::Itext, at, message);
        }
        id
    }
}
