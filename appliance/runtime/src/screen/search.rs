//! Searching texts: without accents and case, and with typing errors.

use unicode_normalization::UnicodeNormalization;

/// Typing errors that are forgiven.
const DISTANCE_MAX: usize = 2;
/// Terms of this length or less must be right.
const EXACT_MAX: usize = 3;

/// A text without accents, in lower case.
pub fn normalize(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect::<String>().to_lowercase()
}

/// How many typing errors make a word of a term, if they are few enough to be forgiven.
pub fn fuzzy_distance(term: &str, word: &str) -> Option<usize> {
    let term: Vec<u16> = term.encode_utf16().collect();
    if term.len() <= EXACT_MAX {
        return None;
    }
    let mut word: Vec<u16> = word.encode_utf16().collect();
    word.truncate(term.len() + DISTANCE_MAX);
    let distance = levenshtein(&term, &word);
    (distance <= DISTANCE_MAX).then_some(distance)
}

fn levenshtein(a: &[u16], b: &[u16]) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (j, right) in b.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = j + 1;
        for (i, left) in a.iter().enumerate() {
            let replace = diagonal + usize::from(left != right);
            diagonal = row[i + 1];
            row[i + 1] = replace.min(row[i + 1] + 1).min(row[i] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_typing_errors_are_forgiven() {
        assert_eq!(normalize("Ämåra"), "amara");
        assert_eq!(fuzzy_distance("stephen", "steven"), Some(2));
        assert_eq!(fuzzy_distance("abc", "abd"), None);
        assert_eq!(fuzzy_distance("maria", "mariannette"), Some(2));
        assert_eq!(fuzzy_distance("maria", "peter"), None);
    }
}
