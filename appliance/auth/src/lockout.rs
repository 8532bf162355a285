//! Repeated failures lock a name out for a while.

use std::collections::HashMap;

/// Failures in a row that lock.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long a lock lasts, and how long failures are remembered, in microseconds.
pub(crate) const LOCK_US: u64 = 15 * 60 * 1_000_000;
/// Most names remembered; the oldest go.
const NAMES_MAX: usize = 10_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_us: u64,
}

/// Failures by name.
#[derive(Default)]
pub(crate) struct Lockout(HashMap<String, Failures>);

impl Lockout {
    /// Seconds that the name is still locked.
    pub(crate) fn locked_s(&self, name: &str, now_us: u64) -> Option<u64> {
        let failures = self.0.get(name).filter(|f| f.count >= FAILURES_MAX)?;
        let until = failures.last_us + LOCK_US;
        (until > now_us).then(|| (until - now_us).div_ceil(1_000_000))
    }

    /// One more failure.
    pub(crate) fn failed(&mut self, name: &str, now_us: u64) {
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(name) {
            self.0.retain(|_, f| f.last_us + LOCK_US > now_us);
            if self.0.len() >= NAMES_MAX
                && let Some(oldest) =
                    self.0.iter().min_by_key(|(_, f)| f.last_us).map(|(name, _)| name.clone())
            {
                self.0.remove(&oldest);
            }
        }
        let failures = self.0.entry(name.to_owned()).or_insert(Failures { count: 0, last_us: now_us });
        let over = failures.last_us + LOCK_US <= now_us;
        failures.count = if over { 1 } else { failures.count + 1 };
        failures.last_us = now_us;
    }

    /// The right password.
    pub(crate) fn succeeded(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_lock_for_a_quarter_of_an_hour() {
        let mut lockout = Lockout::default();
        for n in 0..FAILURES_MAX {
            assert_eq!(lockout.locked_s("a", 0), None, "after {n} failures");
            lockout.failed("a", 0);
        }
        assert_eq!(lockout.locked_s("a", 0), Some(900));
        assert_eq!(lockout.locked_s("b", 0), None);
        assert_eq!(lockout.locked_s("a", LOCK_US), None);
        lockout.failed("a", LOCK_US);
        assert_eq!(lockout.locked_s("a", LOCK_US), None, "counting begins anew");
    }

    #[test]
    fn success_forgets_failures() {
        let mut lockout = Lockout::default();
        (0..4).for_each(|_| lockout.failed("a", 0));
        lockout.succeeded("a");
        lockout.failed("a", 0);
        assert_eq!(lockout.locked_s("a", 0), None);
    }
}
