//! What projects, mobile workers and web users may be called.

use crate::documents::ACCOUNT_ROOT;

/// Why a name is not possible.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// A project's.
    #[error(
        "{0} cannot be the name of a project: use up to 60 lower-case letters, digits and single hyphens \
         between them"
    )]
    Project(String),
    /// A mobile worker's.
    #[error(
        "{0} cannot be the name of a mobile worker: use up to 80 letters, digits and the signs . _ - + \
         (without a dot at either end or two in a row)"
    )]
    Worker(String),
    /// The name that phones use for practice.
    #[error("{0} is the name of the phones' practice user and cannot be given to a worker")]
    Reserved(String),
    /// A web user's.
    #[error("{0} is not an e-mail address, and web users sign in with one")]
    Email(String),
}

/// Checks a project's name.
pub fn project_name(name: &str) -> Result<(), NameError> {
    let good = (1..=60).contains(&name.len())
        && name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
    if good { Ok(()) } else { Err(NameError::Project(name.to_owned())) }
}

/// The bare name of a mobile worker in lower case, from a bare name or a wire name of this project.
pub fn worker_name(name: &str, project: &str) -> Result<String, NameError> {
    let lower = name.trim().to_lowercase();
    let bare = match lower.split_once('@') {
        Some((bare, host)) if is_host_of(host, project) => bare.to_owned(),
        Some(_) => return Err(NameError::Worker(name.to_owned())),
        None => lower,
    };
    let good = (1..=80).contains(&bare.len())
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+'))
        && !bare.starts_with('.')
        && !bare.ends_with('.')
        && !bare.contains("..");
    match good {
        true if bare == "demo_user" => Err(NameError::Reserved(bare)),
        true => Ok(bare),
        false => Err(NameError::Worker(name.to_owned())),
    }
}

/// An e-mail address in lower case.
pub fn email_name(name: &str) -> Result<String, NameError> {
    let lower = name.trim().to_lowercase();
    let good = match lower.split_once('@') {
        Some((local, host)) => {
            !local.is_empty()
                && host.len() >= 2
                && lower.len() <= 254
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.ends_with(&format!(".{ACCOUNT_ROOT}"))
                && !lower.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, ':' | '"' | ','))
        }
        None => false,
    };
    if good { Ok(lower) } else { Err(NameError::Email(name.to_owned())) }
}

/// `host` is `project.commcarehq.org`.
pub(crate) fn is_host_of(host: &str, project: &str) -> bool {
    host.strip_suffix(ACCOUNT_ROOT).and_then(|h| h.strip_suffix('.')) == Some(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_projects() {
        for good in ["a", "demo", "north-1", "7"] {
            assert_eq!(project_name(good), Ok(()), "{good}");
        }
        let long = "x".repeat(61);
        for bad in ["", "Demo", "a--b", "-a", "a-", "a b", "a.b", "a/b", "é", long.as_str()] {
            assert!(project_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_workers() {
        for (typed, bare) in [
            ("amina", "amina"),
            ("Amina", "amina"),
            (" a.b_c-d+1 ", "a.b_c-d+1"),
            ("amina@demo.commcarehq.org", "amina"),
        ] {
            assert_eq!(worker_name(typed, "demo").as_deref(), Ok(bare));
        }
        let bad = ["", ".a", "a.", "a..b", "a b", "a@b.org", "a@far.commcarehq.org", "ä", "a:b", "demo_user"];
        for bad in bad {
            assert!(worker_name(bad, "demo").is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_web_users() {
        assert_eq!(email_name("Web@Example.com").as_deref(), Ok("web@example.com"));
        for bad in ["", "a", "@b.org", "a@", "a@b@c", "a b@c.org", "a@demo.commcarehq.org", "a:b@c.org"] {
            assert!(email_name(bad).is_err(), "{bad}");
        }
    }
}
