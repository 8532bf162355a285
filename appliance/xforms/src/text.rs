//! Texts for people: templates with placeholders, and tables of translations.

use crate::Map;
use std::sync::Arc;

use bolster_xpath::Expr;

/// A part of a template.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Literal(Box<str>),
    /// The result of an expression, and its number in the form.
    Output(Arc<Expr>, u32),
}

/// Text with placeholders, filled in once; what is filled in is never looked at again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub pieces: Box<[Piece]>,
}

impl Template {
    /// The text with its placeholders as `${number}`.
    pub fn raw(&self) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Output(_, number) => out.push_str(&format!("${{{number}}}")),
            }
        }
        out
    }

    /// A text without placeholders.
    pub fn literal(text: &str) -> Template {
        if text.is_empty() {
            return Template::default();
        }
        Template { pieces: Box::new([Piece::Literal(text.into())]) }
    }
}

/// The id of a text in the table.
pub(crate) type TextId = u32;

/// Where a text comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Text {
    /// Nothing was written.
    #[default]
    None,
    /// The content of the element.
    Inline(Template),
    /// A reference to the table; the content of the element stands in where the language has none.
    Itext(TextId),
    /// A text that is the id of another one if there is one of that id, else itself.
    IdOrInline(Template, Option<TextId>),
}

impl Text {
    pub fn is_none(&self) -> bool {
        matches!(self, Text::None)
    }
}

/// A form of a text: plain, `long`, `image`, …
pub(crate) type TextForm = u16;
/// The plain form.
pub(crate) const PLAIN: TextForm = 0;

const KNOWN_FORMS: [&str; 7] = ["", "long", "short", "image", "audio", "video", "markdown"];

#[derive(Debug)]
pub(crate) struct Language {
    pub name: Box<str>,
    pub table: Map<(TextId, TextForm), Template>,
}

/// All translations. Those of a language are laid over the default language's, form by form.
#[derive(Debug)]
pub(crate) struct Itext {
    pub languages: Vec<Language>,
    pub default: usize,
    pub ids: Map<Box<str>, TextId>,
    forms: Vec<Box<str>>,
}

impl Default for Itext {
    fn default() -> Self {
        let forms = KNOWN_FORMS.iter().map(|form| Box::from(*form)).collect();
        Itext { languages: Vec::new(), default: 0, ids: Map::default(), forms }
    }
}

impl Itext {
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|language| &*language.name)
    }

    pub fn language(&self, name: &str) -> Option<usize> {
        self.languages.iter().position(|language| &*language.name == name)
    }

    pub fn form(&self, name: &str) -> Option<TextForm> {
        self.forms.iter().position(|form| &**form == name).map(|at| at as TextForm)
    }

    pub fn add_form(&mut self, name: &str) -> TextForm {
        self.form(name).unwrap_or_else(|| {
            self.forms.push(name.into());
            (self.forms.len() - 1).min(usize::from(TextForm::MAX)) as TextForm
        })
    }

    pub fn id(&self, text: &str) -> Option<TextId> {
        self.ids.get(text).copied()
    }

    pub fn add_id(&mut self, text: &str) -> TextId {
        if let Some(id) = self.id(text) {
            return id;
        }
        let id = self.ids.len() as TextId;
        self.ids.insert(text.into(), id);
        id
    }

    /// A text in a language, or in the default language.
    pub fn lookup(&self, language: usize, id: TextId, form: TextForm) -> Option<&Template> {
        let own = self.languages.get(language)?.table.get(&(id, form));
        own.or_else(|| self.languages.get(self.default)?.table.get(&(id, form)))
    }

    /// Whether a language defines the text in any form.
    pub fn defines(&self, language: usize, id: TextId) -> bool {
        let Some(language) = self.languages.get(language) else { return false };
        (0..self.forms.len()).any(|form| language.table.contains_key(&(id, form as TextForm)))
    }

    /// A text by the key expressions use: an id, or an id and a form with `;` between.
    pub fn by_key(&self, language: usize, key: &str) -> Option<&Template> {
        if let Some(id) = self.id(key)
            && let Some(found) = self.lookup(language, id, PLAIN)
        {
            return Some(found);
        }
        let (id, form) = key.rsplit_once(';')?;
        self.lookup(language, self.id(id)?, self.form(form)?)
    }

    /// The placeholders of a text in all languages, by the key expressions use.
    pub fn outputs(&self, key: &str) -> Vec<Arc<Expr>> {
        let mut out: Vec<Arc<Expr>> = Vec::new();
        for language in 0..self.languages.len() {
            let Some(template) = self.by_key(language, key) else { continue };
            for piece in &template.pieces {
                if let Piece::Output(expr, _) = piece
                    && !out.iter().any(|known| Arc::ptr_eq(known, expr))
                {
                    out.push(expr.clone());
                }
            }
        }
        out
    }
}
