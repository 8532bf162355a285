//! Words of a value: as they are compared, spelled and heard.

/// Words as searches compare them: split at white space, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_lowercase)
}

/// How many slips a word of so many letters may have.
pub fn slips_of(letters: usize) -> usize {
    match letters {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// Letters inserted, left out, changed or swapped with their neighbour; `None` when there are more than `max`.
pub fn distance(a: &[char], b: &[char], max: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > max {
        return None;
    }
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: &Vec<usize> = &before;
                row[j] = row[j].min(swapped[j - 2] + 1);
            }
        }
        if row.iter().all(|n| *n > max) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|n| *n <= max)
}

/// Slips between what is searched for and a word: their first `prefix` letters agree.
pub fn fuzzy(wanted: &[char], word: &[char], prefix: usize) -> Option<usize> {
    let prefix = prefix.min(wanted.len());
    if word.len() < prefix || wanted[..prefix] != word[..prefix] {
        return None;
    }
    distance(&wanted[prefix..], &word[prefix..], slips_of(wanted.len()))
}

/// How each word sounds, in the manner of Soundex. Words with letters that it does not know stay as they are.
pub fn sounds(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’' || c == '_'))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| soundex(&word.to_lowercase()))
}

fn soundex(word: &str) -> String {
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    if letters.is_empty() || !letters.iter().all(char::is_ascii) {
        return word.to_owned();
    }
    let code = |letter: char| match letter {
        'b' | 'f' | 'p' | 'v' => '1',
        'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => '2',
        'd' | 't' => '3',
        'l' => '4',
        'm' | 'n' => '5',
        'r' => '6',
        _ => '0',
    };
    let mut sound = String::from(letters[0].to_ascii_uppercase());
    let mut last = code(letters[0]);
    for letter in &letters[1..] {
        if matches!(letter, 'h' | 'w') {
            continue;
        }
        let now = code(*letter);
        if now != '0' && now != last {
            sound.push(now);
        }
        if sound.len() == 4 {
            break;
        }
        last = now;
    }
    format!("{sound:0<4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slips(wanted: &str, word: &str, prefix: usize) -> Option<usize> {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        fuzzy(&letters(wanted), &letters(word), prefix)
    }

    #[test]
    fn slips_of_the_pen() {
        let rows = [
            ("katherin", "katherine", 2, Some(1)),
            ("nensah", "mensah", 2, None),
            ("tamo", "tano", 2, Some(1)),
            ("atno", "tano", 0, Some(1)),
            ("mesnah", "mensah", 2, Some(1)),
            ("ab", "abc", 2, None),
            ("ab", "ab", 2, Some(0)),
            ("a", "a", 2, Some(0)),
            ("abcdef", "abxxef", 2, Some(2)),
            ("abcde", "abxxe", 2, None),
            ("áminá", "ámina", 2, Some(1)),
            ("", "a", 2, None),
        ];
        for (wanted, word, prefix, slip) in rows {
            assert_eq!(slips(wanted, word, prefix), slip, "{wanted} {word}");
        }
    }

    #[test]
    fn sounds_of_names() {
        let rows = [
            ("Robert", "R163"),
            ("Rupert", "R163"),
            ("Ashcraft", "A261"),
            ("Tymczak", "T522"),
            ("Pfister", "P236"),
            ("Honeyman", "H555"),
            ("O'Brien", "O165"),
            ("Ámina", "ámina"),
            ("42", "42"),
        ];
        for (name, sound) in rows {
            assert_eq!(sounds(name).collect::<Vec<_>>(), [sound], "{name}");
        }
        assert_eq!(sounds("Kofi-Mensah, 2").collect::<Vec<_>>(), ["K100", "M520", "2"]);
        assert_eq!(sounds(" - ' ").count(), 0);
    }
}
