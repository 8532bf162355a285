//! The rules of forms, cases and ledgers: facts in, changes out.
//!
//! Pure: no clock, no randomness, no storage, no XML. What is known of the past comes through [`State`];
//! what changes goes out as [`Changes`].
//!
//! Invariants:
//! * Folding a fact never fails: [`judge`] has recorded in the fact what is to be done, and an error of
//!   content becomes part of the fact before it is folded.
//! * The fold of a case reads only that case's transactions and their forms.
//! * Applying forms one by one in order gives the same case as [`rebuild`] from its whole history.
//! * Ids made here are UUIDv5 of fact contents ([`ids`]).

pub mod apply;
pub mod cascade;
pub mod changes;
pub mod cycles;
pub mod fold;
pub mod ids;
pub mod iso;
pub mod judge;
pub mod ledger;
pub mod rebuild;
pub mod state;
pub mod sync;
pub mod work;

pub use changes::{CaseChange, Changes, LedgerChange, listed_under};
pub use fold::{FoldContext, fold};
pub use judge::{Judgement, Submission, judge};
pub use state::{State, StoredForm};
