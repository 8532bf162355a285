//! Stock balances: each ledger is the fold of its transactions in the order of (report date, order key,
//! position in the form). A transaction that comes last is appended; any other folds the ledger again.

use crate::state::State;
use crate::work::{LedgerWork, Work};
use bolster_model::{
    CaseId, FormId, LedgerBlock, LedgerEntry, LedgerKey, LedgerKind, LedgerMove, LedgerTransaction,
    LedgerValue, OrderKey, Timestamp,
};
use std::collections::BTreeSet;

/// The form that ledger blocks came with.
#[derive(Clone, Copy, Debug)]
pub struct LedgerContext<'a> {
    /// Its id.
    pub form_id: &'a FormId,
    /// Its place in the order of facts.
    pub position: OrderKey,
    /// When it was received.
    pub received_on: Timestamp,
}

/// Cases that the blocks name, in order of appearance, each once.
pub fn cases_of(blocks: &[LedgerBlock]) -> Vec<&CaseId> {
    let mut seen = BTreeSet::new();
    blocks.iter().flat_map(LedgerBlock::cases).filter(|id| seen.insert(*id)).collect()
}

/// Keys that the blocks name, sorted, each once.
pub fn keys_of(blocks: &[LedgerBlock]) -> Vec<LedgerKey> {
    let mut keys = Vec::new();
    for_each(blocks, |key, _, _, _, _| keys.push(key));
    keys.sort();
    keys.dedup();
    keys
}

/// Calls back for every single movement: key, kind, amount, label, block date.
fn for_each(
    blocks: &[LedgerBlock],
    mut each: impl FnMut(LedgerKey, LedgerKind, i64, Option<&String>, Option<Timestamp>),
) {
    let key = |case: &CaseId, entry: &LedgerEntry| LedgerKey {
        case_id: case.clone(),
        section_id: entry.section_id.clone(),
        entry_id: entry.entry_id.clone(),
    };
    for block in blocks {
        for entry in &block.entries {
            match &block.action {
                LedgerMove::Balance { case_id } => {
                    each(key(case_id, entry), LedgerKind::Balance, entry.quantity, None, block.date);
                }
                LedgerMove::Transfer { src, dest, label } => {
                    if let Some(case) = src {
                        let amount = entry.quantity.saturating_neg();
                        each(key(case, entry), LedgerKind::Transfer, amount, label.as_ref(), block.date);
                    }
                    if let Some(case) = dest {
                        let amount = entry.quantity;
                        each(key(case, entry), LedgerKind::Transfer, amount, label.as_ref(), block.date);
                    }
                }
            }
        }
    }
}

/// Applies the blocks of one form.
pub fn apply<S: State>(
    work: &mut Work<'_, S>,
    blocks: &[LedgerBlock],
    context: &LedgerContext<'_>,
) -> Result<(), S::Error> {
    let mut moves = Vec::new();
    for_each(blocks, |key, kind, amount, label, date| {
        let transaction = LedgerTransaction {
            order: context.position,
            position: moves.len() as u32,
            form_id: context.form_id.clone(),
            server_date: context.received_on,
            report_date: date.unwrap_or(context.received_on),
            kind,
            label: label.cloned(),
            amount,
            delta: 0,
            updated_balance: 0,
        };
        moves.push((key, transaction));
    });
    for (key, transaction) in moves {
        let ledger = work.ledger_mut(&key)?;
        let is_last =
            ledger.value.as_ref().and_then(|v| v.last.as_ref()).is_none_or(|l| *l < transaction.place());
        if is_last && ledger.all.is_none() {
            append(ledger, key, transaction);
        } else {
            let ledger = work.ledger_loaded(&key)?;
            let all = ledger.all.get_or_insert_default();
            let at = all.partition_point(|t| t.place() < transaction.place());
            all.insert(at, transaction);
            refold(ledger, &key);
        }
    }
    Ok(())
}

/// Takes every transaction of a form out of the named ledgers and folds them again. A ledger with none left
/// goes away.
pub fn remove_form<S: State>(
    work: &mut Work<'_, S>,
    keys: &[LedgerKey],
    form_id: &FormId,
) -> Result<(), S::Error> {
    for key in keys {
        let ledger = work.ledger_loaded(key)?;
        if let Some(all) = &mut ledger.all {
            all.retain(|t| t.form_id != *form_id);
        }
        refold(ledger, key);
    }
    Ok(())
}

fn step(balance: i64, transaction: &mut LedgerTransaction) -> i64 {
    let after = match transaction.kind {
        LedgerKind::Balance => transaction.amount,
        LedgerKind::Transfer => balance.saturating_add(transaction.amount),
    };
    transaction.delta = after.saturating_sub(balance);
    transaction.updated_balance = after;
    after
}

fn append(ledger: &mut LedgerWork, key: LedgerKey, mut transaction: LedgerTransaction) {
    let before = ledger.value.as_ref().map_or(0, |v| v.balance);
    let balance = step(before, &mut transaction);
    ledger.value = Some(LedgerValue { key, balance, last: Some(transaction.place()) });
    ledger.appended.push(transaction);
}

fn refold(ledger: &mut LedgerWork, key: &LedgerKey) {
    let Some(all) = &mut ledger.all else { return };
    let mut balance = 0;
    for transaction in all.iter_mut() {
        balance = step(balance, transaction);
    }
    let last = all.last().map(LedgerTransaction::place);
    ledger.value = last.map(|last| LedgerValue { key: key.clone(), balance, last: Some(last) });
}
