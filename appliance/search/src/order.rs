//! In which order hits are told, and which of them.

use crate::date;
use crate::document::property;
use crate::filter::number;
use crate::run::Hit;
use bolster_model::{Case, Timestamp};
use std::cmp::Ordering;

/// How a property is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortType {
    /// As text, by code points.
    Exact,
    /// As a number.
    Numeric,
    /// As a date.
    Date,
}

impl SortType {
    /// From its name in a request.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "exact" => Self::Exact,
            "numeric" => Self::Numeric,
            "date" => Self::Date,
            _ => return None,
        })
    }

    /// Its name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Numeric => "numeric",
            Self::Date => "date",
        }
    }
}

/// One key of a sort list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SortKey {
    /// By which property.
    pub property: String,
    /// Compared how.
    pub kind: SortType,
    /// The greatest first. Cases without a value come first, or last when descending.
    pub descending: bool,
}

#[derive(Clone, PartialEq, PartialOrd, Debug)]
enum Place {
    Number(f64),
    Instant(Timestamp),
    Text(String),
}

fn place(case: &Case, key: &SortKey) -> Option<Place> {
    let value = property(case, &key.property)?;
    match key.kind {
        SortType::Exact => Some(Place::Text(value.into_owned())),
        SortType::Numeric => number(&value).map(Place::Number),
        SortType::Date => date::instant(&value).good().map(Place::Instant),
    }
}

struct Ranked {
    places: Vec<Option<Place>>,
    hit: Hit,
    /// When it was found.
    number: u64,
}

/// The best hits so far.
pub struct Ranking<'k> {
    keys: &'k [SortKey],
    limit: usize,
    best: Vec<Ranked>,
    offered: u64,
}

impl<'k> Ranking<'k> {
    pub fn new(keys: &'k [SortKey], limit: usize) -> Self {
        Self { keys, limit, best: Vec::new(), offered: 0 }
    }

    /// Hits so far, those that are not kept included.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    pub fn offer(&mut self, hit: Hit) {
        let places = self.keys.iter().map(|key| place(&hit.case, key)).collect();
        self.best.push(Ranked { places, hit, number: self.offered });
        self.offered += 1;
        if self.best.len() >= self.limit.saturating_mul(4).max(64) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let keys = self.keys;
        self.best.sort_by(|a, b| compare(keys, a, b));
        self.best.truncate(self.limit);
    }

    /// The best of all.
    pub fn end(mut self) -> Vec<Hit> {
        self.settle();
        self.best.into_iter().map(|ranked| ranked.hit).collect()
    }
}

fn compare(keys: &[SortKey], a: &Ranked, b: &Ranked) -> Ordering {
    for (key, (a, b)) in keys.iter().zip(a.places.iter().zip(&b.places)) {
        // `None` comes before everything: first when ascending, last when descending.
        let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
        let order = if key.descending { order.reverse() } else { order };
        if order.is_ne() {
            return order;
        }
    }
    b.hit.score.total_cmp(&a.hit.score).then(a.number.cmp(&b.number))
}
