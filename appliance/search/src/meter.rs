//! What a search may cost.

use std::cell::Cell;

/// Most that one search may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Cases read.
    pub cases: u64,
    /// Ids held or passed on between conditions.
    pub ids: u64,
    /// Conditions asked of cases.
    pub steps: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { cases: 1_000_000, ids: 500_000, steps: 50_000_000 }
    }
}

/// What ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Exceeded {
    /// Cases.
    #[error(
        "Search has too many results: more than {0} cases would have to be read. Please try a more specific search: \
         name the owner, the case type, or a parent case."
    )]
    Cases(u64),
    /// Ids.
    #[error(
        "Search has too many results: the related case lookup you are trying to perform would return more than {0} \
         cases. Please make the condition on the related cases more specific."
    )]
    Ids(u64),
    /// Steps.
    #[error(
        "The search is too much work: more than {0} comparisons. Please use fewer conditions or shorter lists, or name \
         the owner or the case type."
    )]
    Steps(u64),
    /// Time.
    #[error(
        "The search took too long and was given up. Please try a more specific search: name the owner, the case type, \
         or a parent case."
    )]
    Time,
}

/// Counts what one search does.
pub struct Meter<'t> {
    budget: Budget,
    is_late: &'t dyn Fn() -> bool,
    cases: Cell<u64>,
    ids: Cell<u64>,
    steps: Cell<u64>,
    unchecked: Cell<u64>,
}

/// Work between two looks at the clock.
const STEPS_BETWEEN: u64 = 512;
/// A case read is about as much work as so many steps.
const STEPS_OF_A_CASE: u64 = 16;

impl<'t> Meter<'t> {
    /// For one search. `is_late` is asked now and then whether the time is over.
    pub fn new(budget: Budget, is_late: &'t dyn Fn() -> bool) -> Self {
        let zero = || Cell::new(0);
        Self { budget, is_late, cases: zero(), ids: zero(), steps: zero(), unchecked: zero() }
    }

    /// Cases read so far.
    pub fn cases_read(&self) -> u64 {
        self.cases.get()
    }

    fn tick(&self, steps: u64) -> Result<(), Exceeded> {
        self.unchecked.set(self.unchecked.get() + steps);
        if self.unchecked.get() >= STEPS_BETWEEN {
            self.unchecked.set(0);
            if (self.is_late)() {
                return Err(Exceeded::Time);
            }
        }
        Ok(())
    }

    /// A case is read.
    pub fn case(&self) -> Result<(), Exceeded> {
        self.cases.set(self.cases.get() + 1);
        if self.cases.get() > self.budget.cases {
            return Err(Exceeded::Cases(self.budget.cases));
        }
        self.tick(STEPS_OF_A_CASE)
    }

    /// Ids are kept.
    pub fn ids(&self, count: usize) -> Result<(), Exceeded> {
        self.ids.set(self.ids.get().saturating_add(count as u64));
        if self.ids.get() > self.budget.ids {
            return Err(Exceeded::Ids(self.budget.ids));
        }
        self.tick(count as u64)
    }

    /// Conditions are asked.
    pub fn steps(&self, count: u64) -> Result<(), Exceeded> {
        self.steps.set(self.steps.get().saturating_add(count));
        if self.steps.get() > self.budget.steps {
            return Err(Exceeded::Steps(self.budget.steps));
        }
        self.tick(count)
    }
}
