//! Repeated failures lock a name out for a while, and many of them an address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Failures in a row that lock.
pub(crate) const FAILURES_MAX: u32 = 5;
/// Failures from one address, whoever was tried, after which no more passwords are checked for it. A clinic behind
/// one address stays far below: a phone with a wrong password is locked by its name after five.
pub(crate) const ADDRESS_FAILURES_MAX: u32 = 100;
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

impl Failures {
    const NONE: Self = Self { count: 0, last_us: 0 };

    fn count_one(&mut self, now_us: u64) {
        let over = self.last_us + LOCK_US <= now_us;
        self.count = if over { 1 } else { self.count + 1 };
        self.last_us = now_us;
    }
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
    addresses: HashMap<IpAddr, Failures>,
}

/// What counts as one address: of IPv6 the network, since a machine may choose the rest. This machine is none: what
/// comes through a proxy here is of anybody.
fn counted(peer: Option<IpAddr>) -> Option<IpAddr> {
    match peer?.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        address => Some(address),
    }
}

impl Lockout {
    fn of(&self, who: &Who) -> Option<&Failures> {
        match who {
            Who::User(id) => self.users.get(id),
            Who::Nobody(name) => self.names.get(name),
        }
    }

    /// Seconds that somebody, or an address, is still locked.
    pub(crate) fn locked_s(&self, who: &Who, peer: Option<IpAddr>, now_us: u64) -> Option<u64> {
        let by_name = self.of(who).filter(|f| f.count >= FAILURES_MAX);
        let address = counted(peer).and_then(|address| self.addresses.get(&address));
        let by_address = address.filter(|f| f.count >= ADDRESS_FAILURES_MAX);
        let until = [by_name, by_address].into_iter().flatten().map(|f| f.last_us + LOCK_US).max()?;
        (until > now_us).then(|| (until - now_us).div_ceil(1_000_000))
    }

    /// One more failure.
    pub(crate) fn failed(&mut self, who: &Who, peer: Option<IpAddr>, now_us: u64) {
        if let Some(address) = counted(peer) {
            if self.addresses.len() >= NAMES_MAX && !self.addresses.contains_key(&address) {
                make_room(&mut self.addresses, now_us);
            }
            self.addresses.entry(address).or_insert(Failures::NONE).count_one(now_us);
        }
        let (known, key) = match who {
            Who::User(id) => (&mut self.users, id),
            Who::Nobody(name) => {
                if self.names.len() >= NAMES_MAX && !self.names.contains_key(name) {
                    make_room(&mut self.names, now_us);
                }
                (&mut self.names, name)
            }
        };
        known.entry(key.clone()).or_insert(Failures::NONE).count_one(now_us);
    }

    /// The right password, or a new one.
    pub(crate) fn forgive(&mut self, who: &Who) {
        match who {
            Who::User(id) => self.users.remove(id),
            Who::Nobody(name) => self.names.remove(name),
        };
    }
}

fn make_room<K: Eq + std::hash::Hash>(names: &mut HashMap<K, Failures>, now_us: u64) {
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
            assert_eq!(lockout.locked_s(&a, None, 0), None, "after {n} failures");
            lockout.failed(&a, None, 0);
        }
        assert_eq!(lockout.locked_s(&a, None, 0), Some(900));
        assert_eq!(lockout.locked_s(&b, None, 0), None);
        assert_eq!(lockout.locked_s(&a, None, LOCK_US), None);
        lockout.failed(&a, None, LOCK_US);
        assert_eq!(lockout.locked_s(&a, None, LOCK_US), None, "counting begins anew");
    }

    #[test]
    fn success_forgets_failures() {
        let a = Who::User("a".into());
        let mut lockout = Lockout::default();
        (0..4).for_each(|_| lockout.failed(&a, None, 0));
        lockout.forgive(&a);
        lockout.failed(&a, None, 0);
        assert_eq!(lockout.locked_s(&a, None, 0), None);
    }

    #[test]
    fn a_flood_of_names_frees_no_user() {
        let user = Who::User("amina".into());
        let mut lockout = Lockout::default();
        (0..FAILURES_MAX).for_each(|_| lockout.failed(&user, None, 0));
        for n in 0..NAMES_MAX as u64 * 3 {
            lockout.failed(&Who::Nobody(n.to_string()), None, n);
        }
        assert!(lockout.names.len() <= NAMES_MAX);
        assert!(lockout.locked_s(&user, None, NAMES_MAX as u64 * 3).is_some());
    }

    #[test]
    fn many_failures_lock_an_address_and_no_other() {
        let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let mut lockout = Lockout::default();
        for n in 0..u64::from(ADDRESS_FAILURES_MAX) {
            lockout.failed(&Who::Nobody(n.to_string()), at("2001:db8::1"), n);
            lockout.failed(&Who::Nobody(n.to_string()), at("127.0.0.1"), n);
        }
        let other = Who::User("amina".into());
        assert!(lockout.locked_s(&other, at("2001:db8::ff"), 1_000).is_some(), "the same network");
        assert_eq!(lockout.locked_s(&other, at("2001:db8:1::1"), 1_000), None);
        assert_eq!(lockout.locked_s(&other, at("127.0.0.1"), 1_000), None);
        assert_eq!(lockout.locked_s(&other, at("2001:db8::1"), LOCK_US + 1_000), None);
    }
}
