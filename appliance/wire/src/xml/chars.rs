//! Which characters XML 1.0 allows where.

/// Namespaces and names hold none of these bytes; everything above 127 is looked at as a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Start,
    Inside,
    Other,
}

const ASCII: [Class; 128] = {
    let mut table = [Class::Other; 128];
    let mut i = 0;
    while i < 128 {
        let b = i as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            table[i] = Class::Start;
        } else if b.is_ascii_digit() || b == b'-' || b == b'.' {
            table[i] = Class::Inside;
        }
        i += 1;
    }
    table
};

/// Blank, tab, line feed, carriage return.
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// May stand in any document.
pub(super) fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// The first character of `text` that no document may hold, as a byte offset.
pub(super) fn find_illegal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut clean = true;
    for chunk in bytes.chunks(64) {
        // Without early exit, so that it becomes vector code: a control character, or the first byte of
        // U+F000 to U+FFFF.
        let odd = chunk.iter().fold(false, |odd, &b| odd | ((b < 0x20) & !is_space(b)) | (b == 0xef));
        clean &= !odd;
    }
    if clean { None } else { text.char_indices().find(|(_, c)| !is_xml_char(*c)).map(|(i, _)| i) }
}

/// Length in bytes of the name without colon at the start of `text`; 0 if there is none.
pub(super) fn name_len(text: &str) -> usize {
    let ascii = |b: &u8| *b < 128 && ASCII[usize::from(*b)] != Class::Other;
    let bytes = text.as_bytes();
    let starts = bytes.first().is_some_and(|b| *b >= 128 || ASCII[usize::from(*b)] == Class::Start);
    if !starts {
        return 0;
    }
    let at = bytes.iter().position(|b| !ascii(b)).unwrap_or(bytes.len());
    if bytes.get(at).is_none_or(|b| *b < 128) { at } else { long_name_len(text, at) }
}

/// The same for a name that goes beyond ASCII at `at`.
#[cold]
fn long_name_len(text: &str, at: usize) -> usize {
    let inside = |(i, c): &(usize, char)| match u8::try_from(*c) {
        Ok(b) if b < 128 => ASCII[usize::from(b)] != Class::Other,
        _ => is_name_start(*c) || at + i > 0 && is_name_inside(*c),
    };
    let rest = &text[at..];
    at + rest.char_indices().find(|found| !inside(found)).map_or(rest.len(), |(i, _)| i)
}

fn is_name_start(c: char) -> bool {
    matches!(c,
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_inside(c: char) -> bool {
    matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_no_document_may_hold() {
        let rows = [
            ("plain \t\r\n text", None),
            ("\u{fffd}\u{f8ff} é", None),
            ("a\0", Some(1)),
            ("\u{b}", Some(0)),
            ("é\u{fffe}", Some(2)),
            ("\u{7f}\u{85}", None),
        ];
        for (text, expected) in rows {
            assert_eq!(find_illegal(text), expected, "{text:?}");
        }
        let long = format!("{}\u{1}", "x".repeat(200));
        assert_eq!(find_illegal(&long), Some(200));
    }

    #[test]
    fn measures_names() {
        let rows = [
            ("case>", 4),
            ("a-b.c_1 ", 7),
            ("1a", 0),
            ("-a", 0),
            ("Ünïcode=", 9),
            ("a:b", 1),
            ("日本", 6),
            ("", 0),
        ];
        for (text, expected) in rows {
            assert_eq!(name_len(text), expected, "{text:?}");
        }
    }
}
