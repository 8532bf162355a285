//! Reads a password: one line of standard input, unseen when a person types it.

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::io::{BufRead, Write};

/// Longer lines are not passwords.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Reads the password, asking for it on standard error when standard input is a terminal.
pub fn read(whose: &str) -> Result<String> {
    let input = std::io::stdin();
    if !isatty(&input) {
        return one_line(input.lock());
    }
    eprint!("Password of {whose}: ");
    std::io::stderr().flush()?;
    let before = tcgetattr(&input).context("the terminal could not be asked")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &silent).context("the terminal could not be set")?;
    let line = one_line(input.lock());
    tcsetattr(&input, OptionalActions::Flush, &before).context("the terminal could not be set back")?;
    eprintln!();
    line
}

fn one_line(input: impl BufRead) -> Result<String> {
    let mut line = String::new();
    let read = input.take(PASSWORD_BYTES_MAX + 2).read_line(&mut line);
    read.context("the password could not be read from standard input")?;
    let password = line.trim_end_matches('\n').trim_end_matches('\r');
    if password.is_empty() {
        bail!("no password on standard input; give it as one line, for example: … < password.txt");
    }
    if password.len() as u64 > PASSWORD_BYTES_MAX {
        bail!("the password is longer than {PASSWORD_BYTES_MAX} bytes");
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn only_the_line_end_is_taken_off() {
        assert_eq!(one_line(&b" two words \r\nrest"[..]).unwrap(), " two words ");
        assert_eq!(one_line(&b"no end"[..]).unwrap(), "no end");
        assert!(one_line(&b""[..]).is_err());
        assert!(one_line(&b"\n"[..]).is_err());
        assert!(one_line(&vec![b'a'; 2000][..]).is_err());
    }
}
