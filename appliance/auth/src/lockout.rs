//! Repeated failures lock a name out for a while.

use std::collections::HashMap;

/// Failures in a row that lock.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long a lock lasts, and how long failures are remembered, in microseconds.
pub(crate) const LOCK_US: u64 = 15 * 60 * 1_000_000;
/// Most unknown names remembered; the oldest go. Users are never forgotten for others: whoever tries ten
/// thousand names does not free one.
const NAMES_MAX: usize = 10_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_us: u64,
}

/// Whose failures are counted, however the name was written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Who {
    /// A user, by id.
    User(String),
    /// A name that nobody has, in lower case.
    Nobody(String),
}

/// Failures by user and by name.
#[derive(Default)]
pub(crate) struct Lockout {
    users: HashMap<String, Failures>,
    names: HashMap<String, Failures>,
}

impl Lockout {
    fn of(&self, who: &Who) -> Option<&Failures> {
        match who {
            Who::User(id) => self.users.get(id),
            Who::Nobody(name) => self.names.get(name),
        }
    }

    /// Seconds that somebody is still locked.
    pub(crate) fn locked_s(&self, who: &Who, now_us: u64) -> Option<u64> {
        let failures = self.of(who).filter(|f| f.count >= FAILURES_MAX)?;
        let until = failures.last_us + LOCK_US;
        (until > now_us).then(|| (until - now_us).div_ceil(1_000_000))
    }

    /// One more failure.
    pub(crate) fn failed(&mut self, who: &Who, now_us: u64) {
        let (known, key) = match who {
            Who::User(id) => (&mut self.users, id),
            Who::Nobody(name) => {
                if self.names.len() >= NAMES_MAX && !self.names.contains_key(name) {
                    make_room(&mut self.names, now_us);
                }
                (&mut self.names, name)
            }
        };
        let failures = known.entry(key.clone()).or_insert(Failures { count: 0, last_us: now_us });
        let over = failures.last_us + LOCK_US <= now_us;
        failures.count = if over { 1 } else { failures.count + 1 };
        failures.last_us = now_us;
    }

    /// The right password, or a new one.
    pub(crate) fn forgive(&mut self, who: &Who) {
        match who {
            Who::User(id) => self.users.remove(id),
            Who::Nobody(name) => self.names.remove(name),
        };
    }
}

fn make_room(names: &mut HashMap<String, Failures>, now_us: u64) {
    names.retain(|_, f| f.last_us + LOCK_US > now_us);
    if names.len() >= NAMES_MAX {
        // Half at once, so that a flood of names does not cost a search each.
        let mut times: Vec<u64> = names.values().map(|f| f.last_us).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        names.retain(|_, f| f.last_us > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_lock_for_a_quarter_of_an_hour() {
        let (a, b) = (Who::User("a".into()), Who::Nobody("a".into()));
        let mut lockout = Lockout::default();
        for n in 0..FAILURES_MAX {
            assert_eq!(lockout.locked_s(&a, 0), None, "after {n} failures");
            lockout.failed(&a, 0);
        }
        assert_eq!(lockout.locked_s(&a, 0), Some(900));
        assert_eq!(lockout.locked_s(&b, 0), None);
        assert_eq!(lockout.locked_s(&a, LOCK_US), None);
        lockout.failed(&a, LOCK_US);
        assert_eq!(lockout.locked_s(&a, LOCK_US), None, "counting begins anew");
    }

    #[test]
    fn success_forgets_failures() {
        let a = Who::User("a".into());
        let mut lockout = Lockout::default();
        (0..4).for_each(|_| lockout.failed(&a, 0));
        lockout.forgive(&a);
        lockout.failed(&a, 0);
        assert_eq!(lockout.locked_s(&a, 0), None);
    }

    #[test]
    fn a_flood_of_names_frees_no_user() {
        let user = Who::User("amina".into());
        let mut lockout = Lockout::default();
        (0..FAILURES_MAX).for_each(|_| lockout.failed(&user, 0));
        for n in 0..NAMES_MAX as u64 * 3 {
            lockout.failed(&Who::Nobody(n.to_string()), n);
        }
        assert!(lockout.names.len() <= NAMES_MAX);
        assert!(lockout.locked_s(&user, NAMES_MAX as u64 * 3).is_some());
    }
}
