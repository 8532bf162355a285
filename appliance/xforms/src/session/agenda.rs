//! Which items are still to run, and for which entries.

use bolster_xpath::NodeId;
use smallvec::SmallVec;

use crate::definition::{FormDefinition, ItemId};

/// The entries an item is limited to: one node for each of the outermost multiple places of its target.
pub(crate) type Pins = SmallVec<[NodeId; 2]>;

/// Items that wait, in the order in which they run.
pub(crate) struct Agenda {
    words: SmallVec<[u64; 8]>,
    first: usize,
    scopes: Vec<Option<Pins>>,
}

impl Agenda {
    pub fn new(def: &FormDefinition) -> Self {
        Agenda {
            words: SmallVec::from_elem(0, def.items.len().div_ceil(64)),
            first: usize::MAX,
            scopes: Vec::new(),
        }
    }

    /// Everything, for all entries.
    pub fn full(def: &FormDefinition) -> Self {
        let mut agenda = Agenda::new(def);
        for item in 0..def.items.len() {
            agenda.mark(def, item as ItemId, &[]);
        }
        agenda
    }

    /// Adds an item for the entries given; widens it if it waits already.
    pub fn mark(&mut self, def: &FormDefinition, item: ItemId, pins: &[NodeId]) {
        let (word, bit) = (item as usize / 64, 1u64 << (item % 64));
        let Some(slot) = self.words.get_mut(word) else { return };
        let waits = *slot & bit != 0;
        *slot |= bit;
        self.first = self.first.min(word);
        let Some(number) = def.items[item as usize].scoped else { return };
        if self.scopes.is_empty() {
            self.scopes.resize(def.scoped as usize, None);
        }
        let scope = &mut self.scopes[number as usize];
        match scope {
            Some(known) if waits => {
                let common = known.iter().zip(pins).take_while(|(a, b)| a == b).count();
                known.truncate(common);
            }
            _ => *scope = Some(Pins::from_slice(pins)),
        }
    }

    /// The next item with its entries.
    pub fn next(&mut self, def: &FormDefinition) -> Option<(ItemId, Pins)> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word == 0 {
                self.first += 1;
                continue;
            }
            let bit = word.trailing_zeros();
            *word &= *word - 1;
            let item = (self.first * 64) as ItemId + bit;
            let number = def.items[item as usize].scoped;
            let scope = number.and_then(|number| self.scopes.get_mut(number as usize)?.take());
            return Some((item, scope.unwrap_or_default()));
        }
        None
    }
}
