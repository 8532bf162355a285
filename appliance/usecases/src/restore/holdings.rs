//! What a phone holds, in a form that costs little to keep: a sorted base that many sync logs share, and the
//! differences since.
//!
//! Layout of a base: count (u32), for each case the offset of its entry (u32), entries sorted by case id. An
//! entry is id, owner, flags (1 closed, 2 kept), then its links (identifier, target, 1 for an extension).

use bolster_cases::sync::{Link, SyncCase};
use bolster_codec::{DecodeError, Reader, Writer};
use bolster_model::{CaseId, Digest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A case on a phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// As the phone knows it.
    pub case: SyncCase,
    /// The phone's own purge keeps it. One that it does not keep was sent, and is gone by the next sync.
    pub kept: bool,
}

const CLOSED: u8 = 1;
const KEPT: u8 = 2;

pub(super) fn put_held(w: &mut Writer, case: &SyncCase, kept: bool) {
    w.str(&case.owner);
    w.u8(if case.closed { CLOSED } else { 0 } | if kept { KEPT } else { 0 });
    w.varint(case.links.len() as u64);
    for link in &case.links {
        w.str(&link.identifier);
        w.str(link.target.as_str());
        w.bool(link.extension);
    }
}

pub(super) fn get_held(r: &mut Reader<'_>) -> Result<Held, DecodeError> {
    let owner = r.string()?;
    let flags = r.u8()?;
    let links =
        r.list(|r| Ok(Link { identifier: r.string()?, target: CaseId(r.string()?), extension: r.bool()? }))?;
    Ok(Held { case: SyncCase { owner, closed: flags & CLOSED != 0, links }, kept: flags & KEPT != 0 })
}

/// A base in memory.
#[derive(Clone, Debug)]
pub struct Base(Arc<Vec<u8>>);

impl Base {
    /// Prints one: id, case, whether it is kept. Entries are sorted by id.
    pub fn build<'c>(entries: impl ExactSizeIterator<Item = (&'c CaseId, &'c SyncCase, bool)>) -> Vec<u8> {
        let count = entries.len();
        let mut out = vec![0; 4 + 4 * count];
        out[..4].copy_from_slice(&(count as u32).to_le_bytes());
        let mut w = Writer(out);
        for (number, (id, case, kept)) in entries.enumerate() {
            let offset = w.0.len() as u32;
            w.0[4 + 4 * number..8 + 4 * number].copy_from_slice(&offset.to_le_bytes());
            w.str(id.as_str());
            put_held(&mut w, case, kept);
        }
        w.0
    }

    /// Reads one.
    pub fn read(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let base = Self(Arc::new(bytes));
        if base.0.len() < 4 || base.0.len() < 4 + 4 * base.len() {
            return Err(DecodeError::Malformed("base of a sync log"));
        }
        Ok(base)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Cases.
    pub fn len(&self) -> usize {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]) as usize
    }

    fn entry(&self, number: usize) -> Result<Reader<'_>, DecodeError> {
        let at = 4 + 4 * number;
        let offset = self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let bytes = offset.and_then(|offset| self.0.get(offset as usize..));
        bytes.map(Reader).ok_or(DecodeError::Malformed("base of a sync log"))
    }

    fn id(&self, number: usize) -> Result<&str, DecodeError> {
        self.entry(number)?.str()
    }

    /// Looks a case up.
    pub fn get(&self, id: &CaseId) -> Result<Option<Held>, DecodeError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle)?.cmp(id.as_str()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let mut r = self.entry(middle)?;
                    r.str()?;
                    return get_held(&mut r).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// All links: who points at whom.
    pub fn links(&self, mut each: impl FnMut(&str, &str)) -> Result<(), DecodeError> {
        for number in 0..self.len() {
            let mut r = self.entry(number)?;
            let id = r.str()?;
            r.str()?;
            r.u8()?;
            for _ in 0..r.len()? {
                r.str()?;
                each(id, r.str()?);
                r.bool()?;
            }
        }
        Ok(())
    }

    /// All cases by id.
    pub fn iter(&self) -> impl Iterator<Item = Result<(CaseId, Held), DecodeError>> + '_ {
        (0..self.len()).map(|number| {
            let mut r = self.entry(number)?;
            Ok((CaseId(r.string()?), get_held(&mut r)?))
        })
    }
}

/// Where a base is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BaseRef {
    /// In the sync log itself.
    Inline(Vec<u8>),
    /// In a file.
    Blob(Digest),
}

/// Everything a phone holds, by the log's account.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// Where `base` is from.
    pub base_ref: BaseRef,
    /// The shared part.
    pub base: Base,
    /// What differs from it; `None` for a case that is gone.
    pub delta: BTreeMap<CaseId, Option<Held>>,
}

impl Holdings {
    /// One case.
    pub fn get(&self, id: &CaseId) -> Result<Option<Held>, DecodeError> {
        match self.delta.get(id) {
            Some(held) => Ok(held.clone()),
            None => self.base.get(id),
        }
    }

    /// Everything, by id.
    pub fn all(&self) -> Result<BTreeMap<CaseId, Held>, DecodeError> {
        let mut all: BTreeMap<CaseId, Held> = self.base.iter().collect::<Result<_, _>>()?;
        for (id, held) in &self.delta {
            match held {
                Some(held) => all.insert(id.clone(), held.clone()),
                None => all.remove(id),
            };
        }
        Ok(all)
    }
}

/// XOR of the MD5 of case ids: what a phone says of its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StateHash(pub [u8; 16]);

impl StateHash {
    /// Adds or takes away a case.
    pub fn toggle(&mut self, id: &CaseId) {
        use md5::{Digest as _, Md5};
        let digest = Md5::digest(id.as_str().as_bytes());
        self.0.iter_mut().zip(digest.iter()).for_each(|(byte, with)| *byte ^= with);
    }

    /// Of many cases.
    pub fn of<'c>(ids: impl IntoIterator<Item = &'c CaseId>) -> Self {
        let mut hash = Self::default();
        ids.into_iter().for_each(|id| hash.toggle(id));
        hash
    }

    /// As phones write it, without prefix; nothing for no cases.
    pub fn text(self, cases: u64) -> String {
        if cases == 0 { String::new() } else { self.0.iter().map(|b| format!("{b:02x}")).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(owner: &str) -> Held {
        let link = Link { identifier: "p".into(), target: CaseId("x".into()), extension: true };
        Held {
            case: SyncCase { owner: owner.into(), closed: owner.len() > 1, links: vec![link] },
            kept: true,
        }
    }

    #[test]
    fn a_base_finds_what_was_put_in() {
        let all: BTreeMap<CaseId, Held> =
            (0..100).map(|n| (CaseId(format!("case-{n}")), held(&"o".repeat(n % 3)))).collect();
        let base = Base::read(Base::build(all.iter().map(|(id, held)| (id, &held.case, held.kept)))).unwrap();
        assert_eq!(base.len(), 100);
        for (id, held) in &all {
            assert_eq!(base.get(id).unwrap().as_ref(), Some(held));
        }
        assert_eq!(base.get(&CaseId("case-".into())).unwrap(), None);
        assert_eq!(base.get(&CaseId("zzz".into())).unwrap(), None);
        assert_eq!(base.iter().collect::<Result<BTreeMap<_, _>, _>>().unwrap(), all);
    }

    #[test]
    fn damage_is_an_error() {
        let good = Base::build([(&CaseId("a".into()), &held("o").case, true)].into_iter());
        for cut in 0..good.len() {
            if let Ok(base) = Base::read(good[..cut].to_vec()) {
                assert!(base.len() == 0 || base.get(&CaseId("a".into())).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn the_hash_of_the_documents() {
        let ids = ["abc123", "123abc"].map(|id| CaseId(id.into()));
        assert_eq!(StateHash::of(&ids).text(2), "409c5c597fa2c2a693b769f0d2ad432b");
        assert_eq!(StateHash::of(&[CaseId("a".into())]).text(1), "0cc175b9c0f1b6a831c399e269772661");
        assert_eq!(StateHash::default().text(0), "");
    }
}
