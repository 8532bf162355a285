//! Which digest answers have been used, so that one that was overheard is good for nothing.

use std::collections::HashMap;

/// Most nonces remembered.
const NONCES_MAX: usize = 10_000;
/// Requests that may arrive in another order than they were numbered in.
const WINDOW: u32 = 64;

/// What was used of one nonce.
#[derive(Clone, Copy)]
struct Used {
    made_us: u64,
    highest: u32,
    /// Bit n: the number n below the highest was used.
    window: u64,
}

/// Counts of nonces. What is forgotten counts as used.
#[derive(Default)]
pub(crate) struct Nonces {
    used: HashMap<String, Used>,
    /// Unknown nonces made before this are refused: their counts may have been forgotten.
    floor_us: u64,
}

impl Nonces {
    /// Takes a count of a nonce; false if it was taken before, or nobody knows any more. `oldest_us` is when the
    /// oldest nonce that is still good was made.
    pub(crate) fn take(&mut self, nonce: &str, made_us: u64, count: u32, oldest_us: u64) -> bool {
        if let Some(used) = self.used.get_mut(nonce) {
            return used.take(count);
        }
        if made_us < self.floor_us {
            return false;
        }
        if self.used.len() >= NONCES_MAX {
            self.make_room(oldest_us);
        }
        self.used.insert(nonce.to_owned(), Used { made_us, highest: count, window: 1 });
        true
    }

    fn make_room(&mut self, oldest_us: u64) {
        self.used.retain(|_, used| used.made_us >= oldest_us);
        if self.used.len() >= NONCES_MAX {
            let mut times: Vec<u64> = self.used.values().map(|used| used.made_us).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            self.floor_us = *median + 1;
            let floor_us = self.floor_us;
            self.used.retain(|_, used| used.made_us >= floor_us);
        }
    }
}

impl Used {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let shift = count - self.highest;
            self.window = if shift >= WINDOW { 0 } else { self.window << shift };
            self.window |= 1;
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        let fresh = back < WINDOW && self.window & (1 << back) == 0;
        if fresh {
            self.window |= 1 << back;
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_good_once_in_any_order() {
        let mut nonces = Nonces::default();
        for (count, good) in
            [(1, true), (1, false), (3, true), (2, true), (2, false), (200, true), (3, false)]
        {
            assert_eq!(nonces.take("n", 5, count, 0), good, "{count}");
        }
        assert!(nonces.take("m", 6, 1, 0), "another nonce counts for itself");
    }

    #[test]
    fn what_is_forgotten_cannot_be_used_again() {
        let mut nonces = Nonces::default();
        for n in 0..NONCES_MAX as u64 * 3 {
            assert!(nonces.take(&n.to_string(), n, 1, 0));
            assert!(nonces.used.len() <= NONCES_MAX);
        }
        for n in 0..NONCES_MAX as u64 * 3 {
            assert!(!nonces.take(&n.to_string(), n, 1, 0), "{n}");
        }
    }
}
