//! The typed query, and what each of its conditions says of one case.

use crate::date::{self, Zone};
use crate::document::{instant_of, property};
use crate::geo::Point;
use crate::text::{fuzzy, slips_of, sounds, words};
use bolster_model::{Case, Timestamp};

/// What surrounds a query.
#[derive(Clone, Copy)]
pub struct Context<'z> {
    /// When it is asked.
    pub now: Timestamp,
    /// The project's zone.
    pub zone: &'z dyn Zone,
    /// Compare all text fuzzily.
    pub fuzzy: bool,
    /// First letters that must agree in a fuzzy comparison.
    pub fuzzy_prefix: usize,
}

/// A condition on cases.
#[derive(Clone, PartialEq, Debug)]
pub enum Filter {
    /// Every case.
    All,
    /// No case.
    None,
    /// What all of these find.
    And(Vec<Filter>),
    /// What any of these finds.
    Or(Vec<Filter>),
    /// What this does not find.
    Not(Box<Filter>),
    /// One condition on the case itself.
    Leaf(Leaf),
    /// Following these indices leads to a case that the filter finds.
    Ancestor {
        /// Identifiers, from the case upwards.
        path: Vec<String>,
        /// Of the case at the end.
        filter: Box<Filter>,
    },
    /// Cases that point here by an index, and that the filter finds, are that many.
    Subcases {
        /// Identifier of the index.
        identifier: String,
        /// Of the cases that point here.
        filter: Box<Filter>,
        /// How many.
        count: Count,
    },
}

/// A condition on a number of cases, in the two forms that CommCare HQ knows: a case without any is in none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// More than `number`, rather than just that many.
    pub more: bool,
    /// Compared with.
    pub number: i64,
    /// The opposite is meant.
    pub inverted: bool,
}

impl Count {
    /// At least one.
    pub const ANY: Self = Self { more: true, number: 0, inverted: false };

    /// Whether a case with so many passes.
    pub fn passes(self, count: u64) -> bool {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let fits = count > 0 && if self.more { count > self.number } else { count == self.number };
        fits != self.inverted
    }

    /// Whether further cases change nothing.
    pub fn is_settled(self, count: u64) -> bool {
        let number = u64::try_from(self.number).unwrap_or_default();
        count > number
    }

    /// Whether a case that nothing points at passes.
    pub fn takes_none(self) -> bool {
        self.inverted
    }
}

/// Bounds of a number or an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range<T> {
    /// At least.
    pub from: Option<T>,
    /// And below.
    pub before: Option<T>,
    /// The bounds themselves: `from` is left out, `before` belongs to it.
    pub upper_edge: bool,
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether a value lies within.
    pub fn holds(&self, value: T) -> bool {
        let above = |from| if self.upper_edge { value > from } else { value >= from };
        let below = |before| if self.upper_edge { value <= before } else { value < before };
        self.from.is_none_or(above) && self.before.is_none_or(below)
    }
}

/// A condition on a case itself: what an index could answer by itself.
#[derive(Clone, PartialEq, Debug)]
pub enum Leaf {
    /// Of one of these types.
    Types(Vec<String>),
    /// Not closed.
    Open,
    /// A property is one of these texts, letter by letter. An empty text wants a property that is there and empty.
    Equals {
        /// Which.
        property: String,
        /// Any of, sorted.
        values: Vec<String>,
    },
    /// A property is missing or empty.
    Blank {
        /// Which.
        property: String,
    },
    /// A word of a property is nearly this text, or is one of its words.
    Fuzzy {
        /// Which.
        property: String,
        /// In lower case.
        text: String,
        /// First letters that must agree.
        prefix: usize,
    },
    /// Words of a property.
    Words {
        /// Which.
        property: String,
        /// In lower case.
        words: Vec<String>,
        /// All of them rather than any.
        all: bool,
    },
    /// A word of a property sounds like one of these.
    Sounds {
        /// Which.
        property: String,
        /// Sounds.
        sounds: Vec<String>,
    },
    /// A property begins so.
    Begins {
        /// Which.
        property: String,
        /// Letter by letter.
        text: String,
    },
    /// A property that is a number.
    Number {
        /// Which.
        property: String,
        /// Where.
        range: Range<f64>,
    },
    /// A property that is a date or an instant.
    Instant {
        /// Which.
        property: String,
        /// Where.
        range: Range<Timestamp>,
    },
    /// A property that is a point.
    Near {
        /// Which.
        property: String,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// At most so far.
        meters: f64,
    },
    /// An index of this identifier points to one of these cases.
    Index {
        /// Identifier.
        identifier: String,
        /// Any of, sorted.
        targets: Vec<String>,
    },
    /// There is no index of this identifier.
    NoIndex {
        /// Identifier.
        identifier: String,
    },
}

/// The number that a text is, as far as searches are concerned.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    if text.is_empty() || !text.chars().all(digits) {
        return None;
    }
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// Whether a sorted list has a text.
fn contains(sorted: &[String], text: &str) -> bool {
    sorted.binary_search_by(|t| t.as_str().cmp(text)).is_ok()
}

/// Sorted, each once.
pub fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

impl Leaf {
    /// Work of asking it of one case, in steps.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Self::Words { words, .. } | Self::Types(words) | Self::Sounds { sounds: words, .. } => {
                1 + words.len() as u64 / 4
            }
            Self::Fuzzy { text, .. } => 1 + text.len() as u64 / 4,
            Self::Open | Self::Equals { .. } | Self::Blank { .. } | Self::Begins { .. } => 1,
            Self::Number { .. } | Self::Instant { .. } | Self::Near { .. } => 1,
            Self::Index { .. } | Self::NoIndex { .. } => 1,
        }
    }

    /// Whether it is true of a case.
    pub fn holds(&self, case: &Case) -> bool {
        match self {
            Self::Types(types) => types.contains(&case.case_type.value),
            Self::Open => !case.closed.value,
            Self::Equals { property: name, values } => {
                property(case, name).is_some_and(|value| contains(values, &value))
            }
            Self::Blank { property: name } => property(case, name).is_none_or(|value| value.is_empty()),
            Self::Fuzzy { .. } => self.score(case) > 0.0,
            Self::Words { property: name, words: wanted, all } => {
                let Some(value) = property(case, name) else { return false };
                let there: Vec<String> = words(&value).collect();
                match all {
                    true => !wanted.is_empty() && wanted.iter().all(|w| there.contains(w)),
                    false => there.iter().any(|w| wanted.contains(w)),
                }
            }
            Self::Sounds { property: name, sounds: wanted } => {
                property(case, name).is_some_and(|value| sounds(&value).any(|s| wanted.contains(&s)))
            }
            Self::Begins { property: name, text } => {
                property(case, name).is_some_and(|value| value.starts_with(text))
            }
            Self::Number { property: name, range } => {
                property(case, name).and_then(|value| number(&value)).is_some_and(|n| range.holds(n))
            }
            Self::Instant { property: name, range } => {
                let at = match instant_of(case, name) {
                    Some(at) => at,
                    None => property(case, name).and_then(|value| date::instant(&value).good()),
                };
                at.is_some_and(|at| range.holds(at))
            }
            Self::Near { property: name, latitude, longitude, meters } => {
                let centre = Point { latitude: *latitude, longitude: *longitude };
                let point = property(case, name).and_then(|value| Point::parse(&value));
                point.is_some_and(|point| point.meters_to(centre) <= *meters)
            }
            Self::Index { identifier, targets } => case.indices.iter().any(|index| {
                index.identifier == *identifier && contains(targets, index.referenced_id.as_str())
            }),
            Self::NoIndex { identifier } => !case.indices.iter().any(|i| i.identifier == *identifier),
        }
    }

    /// How well a case fits, for the conditions that fit more or less: above zero if at all.
    pub fn score(&self, case: &Case) -> f64 {
        let Self::Fuzzy { property: name, text, prefix } = self else {
            return if self.holds(case) { 1.0 } else { 0.0 };
        };
        let Some(value) = property(case, name) else { return 0.0 };
        let letters: Vec<char> = text.chars().collect();
        let wanted: Vec<String> = words(text).collect();
        let (mut nearest, mut shared) = (0.0f64, 0usize);
        let there: Vec<String> = words(&value).collect();
        for word in &there {
            shared += usize::from(wanted.contains(word));
            // The text as a whole against each word: so does the index that apps were tried with.
            let word: Vec<char> = word.chars().collect();
            if let Some(slips) = fuzzy(&letters, &word, *prefix) {
                let worst = slips_of(letters.len()) as f64 + 1.0;
                nearest = nearest.max(1.0 - slips as f64 / worst);
            }
        }
        let whole = if there == wanted { 1.0 } else { 0.0 };
        nearest + shared as f64 / there.len().max(1) as f64 + whole
    }

    /// Whether cases fit it more or less.
    pub fn is_graded(&self) -> bool {
        matches!(self, Self::Fuzzy { .. })
    }
}

/// A filter for cases of some types; of any when none is named.
pub fn of_types(types: &[String], filter: Filter) -> Filter {
    match types {
        [] => filter,
        types => Filter::and(vec![Filter::Leaf(Leaf::Types(types.to_vec())), filter]),
    }
}

impl Filter {
    /// All of these.
    pub fn and(filters: Vec<Filter>) -> Filter {
        let mut all = Vec::with_capacity(filters.len());
        for filter in filters {
            match filter {
                Filter::All => {}
                Filter::None => return Filter::None,
                Filter::And(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        // What is on the case itself decides first.
        all.sort_by_key(Filter::is_related);
        match all.len() {
            0 => Filter::All,
            1 => all.swap_remove(0),
            _ => Filter::And(all),
        }
    }

    /// Any of these.
    pub fn or(filters: Vec<Filter>) -> Filter {
        let mut all = Vec::with_capacity(filters.len());
        for filter in filters {
            match filter {
                Filter::None => {}
                Filter::All => return Filter::All,
                Filter::Or(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        all.sort_by_key(Filter::is_related);
        match all.len() {
            0 => Filter::None,
            1 => all.swap_remove(0),
            _ => Filter::Or(all),
        }
    }

    /// The opposite.
    pub fn negated(self) -> Filter {
        match self {
            Filter::All => Filter::None,
            Filter::None => Filter::All,
            Filter::Not(inner) => *inner,
            other => Filter::Not(Box::new(other)),
        }
    }

    /// How well a case fits that is known to pass; what is related does not count.
    pub fn score(&self, case: &Case) -> f64 {
        match self {
            Self::And(all) => all.iter().map(|f| f.score(case)).sum(),
            Self::Or(any) => any.iter().map(|f| f.score(case)).fold(0.0, f64::max),
            Self::Leaf(leaf) if leaf.is_graded() => leaf.score(case),
            Self::Leaf(_) | Self::All | Self::None | Self::Not(_) => 0.0,
            Self::Ancestor { .. } | Self::Subcases { .. } => 0.0,
        }
    }

    /// Whether other cases must be read to ask it.
    pub fn is_related(&self) -> bool {
        match self {
            Self::And(some) | Self::Or(some) => some.iter().any(Self::is_related),
            Self::Not(inner) => inner.is_related(),
            Self::Leaf(_) | Self::All | Self::None => false,
            Self::Ancestor { .. } | Self::Subcases { .. } => true,
        }
    }

    /// Whether cases fit it more or less.
    pub fn is_graded(&self) -> bool {
        match self {
            Self::And(some) | Self::Or(some) => some.iter().any(Self::is_graded),
            Self::Leaf(leaf) => leaf.is_graded(),
            Self::All | Self::None | Self::Not(_) | Self::Ancestor { .. } | Self::Subcases { .. } => false,
        }
    }
}
