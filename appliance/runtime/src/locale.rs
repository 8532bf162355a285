//! Translations: one table per language, laid over the table called `default`.

use std::collections::HashMap;

use crate::error::{Code, Error};
use crate::parse::xml::trim;

/// The language that every application has.
pub const DEFAULT: &str = "default";

/// All translations of an application.
#[derive(Debug)]
pub struct Locales {
    languages: Vec<(String, HashMap<String, String>)>,
}

impl Default for Locales {
    fn default() -> Self {
        Locales { languages: vec![(DEFAULT.to_owned(), HashMap::new())] }
    }
}

impl Locales {
    /// Declares a language.
    pub fn declare(&mut self, language: &str) -> usize {
        match self.languages.iter().position(|(name, _)| name == language) {
            Some(known) => known,
            None => {
                self.languages.push((language.to_owned(), HashMap::new()));
                self.languages.len() - 1
            }
        }
    }

    /// Reads a file of `key=value` lines into a language; later values win.
    pub fn add(&mut self, language: &str, file: &str) {
        let at = self.declare(language);
        let table = &mut self.languages[at].1;
        for line in file.trim_start_matches('\u{feff}').lines() {
            if let Some((key, value)) = entry(line) {
                table.insert(key, value);
            }
        }
    }

    /// The languages in the order they were declared, `default` first.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|(name, _)| &**name)
    }

    /// Whether there is such a language.
    pub fn has(&self, language: &str) -> bool {
        self.languages.iter().any(|(name, _)| name == language)
    }

    /// The text of a key in a language, or in the default.
    pub fn get(&self, language: &str, key: &str) -> Option<&str> {
        let own = self.languages.iter().find(|(name, _)| name == language);
        let text = own.and_then(|(_, table)| table.get(key)).or_else(|| self.languages[0].1.get(key));
        text.map(String::as_str)
    }

    /// The text of a key with its placeholders filled.
    pub fn text(&self, language: &str, key: &str, arguments: &[String]) -> Result<String, Error> {
        match self.get(language, key) {
            Some(text) => Ok(fill(text, arguments)),
            None => Err(Error::new(
                Code::Text,
                format!(
                    "The Localizer could not find a definition for ID: {key} in the '{language}' locale."
                ),
            )),
        }
    }
}

/// One line of a file: `#` begins a comment unless it is written `\#`; `\n` is a line break.
fn entry(line: &str) -> Option<(String, String)> {
    let line = trim(line);
    let mut end = line.len();
    let bytes = line.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'#' && (at == 0 || bytes[at - 1] != b'\\') {
            end = at;
            break;
        }
    }
    let (key, value) = line[..end].split_once('=')?;
    let value = value.replace("\\#", "#").replace("\\n", "\n");
    let key = key.replace("\\#", "#");
    (!value.is_empty()).then_some((key, value))
}

/// Fills placeholders: `${n}` takes argument n if there is one, anything else the next one in turn.
pub fn fill(text: &str, arguments: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = 0;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else { break };
        if next >= arguments.len() {
            break;
        }
        let inside = &rest[start + 2..start + end];
        let value = match inside.parse::<usize>() {
            Ok(number) if number < arguments.len() => &arguments[number],
            _ => {
                next += 1;
                &arguments[next - 1]
            }
        };
        out.push_str(&rest[..start]);
        out.push_str(value);
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_lines_of_keys_and_values() {
        let mut locales = Locales::default();
        locales.add("default", "a=one\n# nothing\nb=two\\nlines # note\nc=\nd=a=b\ne=\\#1");
        locales.add("en", "a=eins");
        assert_eq!(locales.get("en", "a"), Some("eins"));
        assert_eq!(locales.get("en", "b"), Some("two\nlines "));
        assert_eq!(locales.get("en", "c"), None);
        assert_eq!(locales.get("xx", "d"), Some("a=b"));
        assert_eq!(locales.get("en", "e"), Some("#1"));
        assert!(locales.text("en", "none", &[]).is_err());
    }

    #[test]
    fn placeholders_take_arguments_by_number_or_in_turn() {
        let values = ["x".to_owned(), "y".to_owned()];
        assert_eq!(fill("${1} ${0}", &values), "y x");
        assert_eq!(fill("${a} ${b} ${c}", &values), "x y ${c}");
        assert_eq!(fill("${5}", &values), "x");
        assert_eq!(fill("none ${0}", &[]), "none ${0}");
    }
}
