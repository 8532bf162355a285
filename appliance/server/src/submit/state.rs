//! What was sent already, so that an interrupted command goes on where it stopped.
//!
//! A text file: a first line naming the format and the destination, then a line per form that is settled:
//! SHA-256 of its XML, what the server said, file name. Lines are only appended; a torn last line is ignored,
//! its form is sent again and counted by the server as a duplicate.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

const HEADER: &str = "bolster submit 1 ";

/// The open state file.
pub struct State {
    sent: BTreeSet<String>,
    file: File,
}

impl State {
    /// Opens or creates the file of a destination; another destination's is refused.
    pub fn open(path: &Path, destination: &str) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} could not be read", path.display())),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = whole.lines();
        let begins_anew = match lines.next() {
            None => true,
            Some(line) if line.strip_prefix(HEADER) == Some(destination) => false,
            Some(line) if line.starts_with(HEADER) => bail!(
                "{} notes what was sent to {}; name another file with --state",
                path.display(),
                &line[HEADER.len()..]
            ),
            Some(_) => {
                bail!("{} is no state file of this command; name another with --state", path.display())
            }
        };
        let sent = lines.filter_map(|line| line.split('\t').next().map(str::to_owned)).collect();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("{} could not be written", path.display()))?;
        file.set_len(whole.len() as u64)?;
        if begins_anew {
            writeln!(file, "{HEADER}{destination}")?;
        }
        Ok(Self { sent, file })
    }

    /// The form was settled before.
    pub fn is_sent(&self, digest: &str) -> bool {
        self.sent.contains(digest)
    }

    /// The form is settled now.
    pub fn note(&mut self, digest: &str, word: &str, name: &str) -> Result<()> {
        let name = name.replace(['\n', '\t'], " ");
        self.file.write_all(format!("{digest}\t{word}\t{name}\n").as_bytes())?;
        self.sent.insert(digest.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_again_and_a_torn_line_is_not() {
        let path = std::env::temp_dir().join(format!("bolster-state-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut state = State::open(&path, "http://a/p").unwrap();
        state.note("aa", "accepted", "one.xml").unwrap();
        state.note("bb", "accepted", "two.xml").unwrap();
        drop(state);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        let mut state = State::open(&path, "http://a/p").unwrap();
        assert!(state.is_sent("aa") && !state.is_sent("bb"));
        state.note("cc", "refused", "three.xml").unwrap();
        let state = State::open(&path, "http://a/p").unwrap();
        assert!(state.is_sent("aa") && state.is_sent("cc"));
        let error = State::open(&path, "http://b/p").err().unwrap().to_string();
        assert!(error.contains("http://a/p"), "{error}");
        std::fs::write(&path, "something else\n").unwrap();
        assert!(State::open(&path, "http://a/p").is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
