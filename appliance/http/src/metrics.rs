//! Figures of the endpoint since start. Counting costs an atomic addition; nothing is named but routes.

use crate::routes::ROUTES;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Upper bounds of the classes of the submission histogram, in microseconds.
pub const SUBMIT_BOUNDS_US: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// Lines of the route table, and one for addresses that are not in it.
const LINES: usize = ROUTES.len() + 1;

/// The figures.
#[derive(Debug)]
pub struct Metrics {
    /// Connections open now.
    pub connections: AtomicUsize,
    /// Panics caught.
    pub panics: AtomicU64,
    /// Answers by line of the route table and first digit of the status.
    answers: [[AtomicU64; 5]; LINES],
    submit_classes: [AtomicU64; SUBMIT_BOUNDS_US.len() + 1],
    submit_us: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            answers: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            submit_classes: std::array::from_fn(|_| AtomicU64::new(0)),
            submit_us: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// An answer was made. `line` is that of the route table, `None` for an unknown address.
    pub fn answered(&self, line: Option<usize>, status: u16) {
        let line = line.unwrap_or(LINES - 1).min(LINES - 1);
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answers[line][class].fetch_add(1, Ordering::Relaxed);
    }

    /// A submission was decided, so long after its body was complete.
    pub fn submitted(&self, micros: u64) {
        let class = SUBMIT_BOUNDS_US.partition_point(|bound| *bound < micros);
        self.submit_classes[class].fetch_add(1, Ordering::Relaxed);
        self.submit_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Answers so far: pattern, status class from 1, number; those that never occurred left out.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, usize, u64)> {
        self.answers.iter().enumerate().flat_map(|(line, classes)| {
            let pattern = ROUTES.get(line).map_or("other", |r| r.pattern);
            classes.iter().enumerate().filter_map(move |(class, count)| {
                let count = count.load(Ordering::Relaxed);
                (count > 0).then_some((pattern, class + 1, count))
            })
        })
    }

    /// Histogram of submissions: numbers in each class (the last has no bound), and the sum in microseconds.
    pub fn submissions(&self) -> ([u64; SUBMIT_BOUNDS_US.len() + 1], u64) {
        let classes = std::array::from_fn(|i| self.submit_classes[i].load(Ordering::Relaxed));
        (classes, self.submit_us.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_route_and_class() {
        let metrics = Metrics::default();
        metrics.answered(Some(0), 201);
        metrics.answered(Some(0), 204);
        metrics.answered(None, 404);
        metrics.submitted(500);
        metrics.submitted(501);
        metrics.submitted(u64::MAX / 4);
        assert_eq!(metrics.answers().collect::<Vec<_>>(), vec![(ROUTES[0].pattern, 2, 2), ("other", 4, 1)]);
        let (classes, _) = metrics.submissions();
        assert_eq!((classes[0], classes[1], classes[SUBMIT_BOUNDS_US.len()]), (1, 1, 1));
    }
}
