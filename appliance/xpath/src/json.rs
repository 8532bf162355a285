//! `json-property`: one text member of an object, read leniently.

/// The member called `name`, if it is a text; else the empty text.
pub(crate) fn property(json: &str, name: &str) -> String {
    let mut reader = Reader { chars: json.chars().collect(), at: 0 };
    reader.object(name, 0).flatten().unwrap_or_default()
}

const DEPTH_MAX: u32 = 200;

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| *c <= ' ') {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Nothing if the text is no object; else the text member found, if any.
    fn object(&mut self, name: &str, depth: u32) -> Option<Option<String>> {
        if depth > DEPTH_MAX || self.next()? != '{' {
            return None;
        }
        let mut found = None;
        let mut seen: Vec<String> = Vec::new();
        loop {
            if self.peek()? == '}' {
                self.at += 1;
                return Some(found);
            }
            let (key, _) = self.value(depth)?;
            let key = key?;
            if self.next()? != ':' {
                return None;
            }
            let (value, text) = self.value(depth)?;
            if seen.contains(&key) {
                return None;
            }
            if key == name {
                found = if text { value } else { None };
            }
            seen.push(key);
            match self.next()? {
                ',' | ';' => {}
                '}' => return Some(found),
                _ => return None,
            }
        }
    }

    /// A value as text, and whether it is a text.
    fn value(&mut self, depth: u32) -> Option<(Option<String>, bool)> {
        match self.peek()? {
            quote @ ('"' | '\'') => {
                self.at += 1;
                Some((Some(self.quoted(quote)?), true))
            }
            '{' => {
                self.object("", depth + 1)?;
                Some((None, false))
            }
            '[' => {
                self.array(depth + 1)?;
                Some((None, false))
            }
            _ => {
                let from = self.at;
                while self.chars.get(self.at).is_some_and(|c| *c >= ' ' && !",:]}/\\\"[{;=#".contains(*c)) {
                    self.at += 1;
                }
                let word: String = self.chars[from..self.at].iter().collect();
                let word = word.trim().to_owned();
                if word.is_empty() {
                    return None;
                }
                let text = !(word.eq_ignore_ascii_case("true")
                    || word.eq_ignore_ascii_case("false")
                    || word.eq_ignore_ascii_case("null")
                    || is_number(&word));
                Some((Some(word), text))
            }
        }
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        if depth > DEPTH_MAX || self.next()? != '[' {
            return None;
        }
        loop {
            match self.peek()? {
                ']' => {
                    self.at += 1;
                    return Some(());
                }
                ',' => self.at += 1,
                _ => {
                    self.value(depth)?;
                    match self.next()? {
                        ',' => {}
                        ']' => return Some(()),
                        _ => return None,
                    }
                }
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut out = String::new();
        loop {
            let c = *self.chars.get(self.at)?;
            self.at += 1;
            match c {
                '\n' | '\r' | '\0' => return None,
                '\\' => {
                    let c = *self.chars.get(self.at)?;
                    self.at += 1;
                    match c {
                        'b' => out.push('\u{8}'),
                        't' => out.push('\t'),
                        'n' => out.push('\n'),
                        'f' => out.push('\u{c}'),
                        'r' => out.push('\r'),
                        'u' => out.push_str(&self.escape()?),
                        '"' | '\'' | '\\' | '/' => out.push(c),
                        _ => return None,
                    }
                }
                c if c == quote => return Some(out),
                c => out.push(c),
            }
        }
    }

    fn unit(&mut self) -> Option<u16> {
        let digits: String = self.chars.get(self.at..self.at + 4)?.iter().collect();
        self.at += 4;
        u16::from_str_radix(&digits, 16).ok()
    }

    fn escape(&mut self) -> Option<String> {
        let mut units = vec![self.unit()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.chars.get(self.at..self.at + 2) == Some(&['\\', 'u'])
        {
            self.at += 2;
            units.push(self.unit()?);
        }
        Some(String::from_utf16_lossy(&units))
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '-') && word.parse::<f64>().is_ok()
}
