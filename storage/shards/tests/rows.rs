//! Rows read back as they were written, whatever is in them, and damaged ones are errors, never panics.

use bolster_codec::DecodeError;
use bolster_env::{Random, SeededRandom};
use bolster_model::*;
use bolster_shards::tables::{cases, documents, forms, id_key, ledgers, links, project_at_end, transactions};
use bolster_shards::{Op, Table, effects};
use proptest::prelude::*;

/// Values made from a seed: often empty, often extreme.
struct Made(SeededRandom);

impl Made {
    fn number(&self) -> u64 {
        let mut bytes = [0; 9];
        self.0.fill(&mut bytes);
        let all = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        match bytes[8] % 8 {
            0 => 0,
            1 => u64::MAX,
            2 => u64::from(u32::MAX),
            3 | 4 => all % 300,
            _ => all,
        }
    }
    fn below(&self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % n
    }
    fn u32(&self) -> u32 {
        self.number() as u32
    }
    fn i64(&self) -> i64 {
        match self.below(5) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => self.number() as i64,
        }
    }
    fn bool(&self) -> bool {
        self.below(2) == 0
    }
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
    fn text(&self) -> String {
        let parts = ["", "a", "é", "\u{10ffff}", " ", "\n", "patient", "0", "-"];
        (0..self.below(6)).map(|_| parts[self.below(parts.len() as u64) as usize]).collect()
    }
    fn list<T>(&self, each: impl Fn(&Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| each(self)).collect()
    }
    fn opt<T>(&self, each: impl Fn(&Self) -> T) -> Option<T> {
        self.bool().then(|| each(self))
    }
    fn time(&self) -> Timestamp {
        Timestamp(self.i64())
    }
    fn digest(&self) -> Digest {
        Digest(self.bytes())
    }
    fn form_id(&self) -> FormId {
        FormId(self.text())
    }
    fn case_id(&self) -> CaseId {
        CaseId(self.text())
    }
    fn project(&self) -> ProjectId {
        ProjectId(self.bytes())
    }
    fn order(&self) -> OrderKey {
        OrderKey { hlc: self.number(), author: NodeId(self.bytes()), digest: self.digest() }
    }
    fn by(&self) -> SetBy {
        if self.bool() { SetBy::NEVER } else { SetBy(self.u32()) }
    }
    fn register(&self) -> Register<String> {
        Register { value: self.text(), by: self.by() }
    }
    fn relationship(&self) -> Relationship {
        if self.bool() { Relationship::Child } else { Relationship::Extension }
    }

    fn case(&self) -> Case {
        Case {
            id: self.case_id(),
            case_type: self.register(),
            name: self.register(),
            owner_id: self.register(),
            external_id: self.register(),
            location_id: self.register(),
            opened_on: self.opt(Self::time),
            opened_by: self.text(),
            modified_on: self.opt(Self::time),
            modified_by: self.text(),
            closed: Register { value: self.bool(), by: self.by() },
            closed_on: self.opt(Self::time),
            closed_by: self.text(),
            server_modified_on: self.time(),
            properties: self.list(|m| Property { name: m.text(), value: m.text(), by: m.by() }),
            indices: self.list(|m| CaseIndex {
                identifier: m.text(),
                referenced_type: m.text(),
                referenced_id: m.case_id(),
                relationship: m.relationship(),
                by: m.by(),
            }),
            attachments: self.list(|m| CaseAttachment {
                name: m.text(),
                content_type: m.text(),
                length: m.number(),
                blob: m.digest(),
                md5: m.bytes(),
                by: m.by(),
            }),
            deletion: match self.below(3) {
                0 => Deletion::No,
                1 => Deletion::Explicit { on: self.time(), deletion_id: self.text() },
                _ => Deletion::NoForms { on: self.time() },
            },
            transaction_count: self.u32(),
            change_lsn: self.number(),
        }
    }

    fn transaction(&self) -> CaseTransaction {
        CaseTransaction {
            key: self.order(),
            form_id: self.opt(Self::form_id),
            sync_token: self.opt(Self::text),
            server_date: self.time(),
            client_date: self.opt(Self::time),
            kinds: TxKinds(self.number() as u16),
            revoked: self.bool(),
            rebuild: match self.below(5) {
                0 => Some(RebuildDetails::Requested { reason: self.text(), user_id: self.text() }),
                1 => Some(RebuildDetails::FormArchived { form_id: self.form_id(), archived: self.bool() }),
                2 => Some(RebuildDetails::FormEdited { deprecated_form_id: self.form_id() }),
                3 => Some(RebuildDetails::FormReprocessed { form_id: self.form_id() }),
                _ => None,
            },
        }
    }

    fn form(&self) -> FormRow {
        let states = [
            FormState::Normal,
            FormState::Archived,
            FormState::Deprecated,
            FormState::Duplicate,
            FormState::Error,
            FormState::SubmissionError,
        ];
        let kinds = [OperationKind::Archive, OperationKind::Unarchive, OperationKind::Edit];
        let mut row = FormRow {
            form_id: self.form_id(),
            state: states[self.below(6) as usize],
            position: self.order(),
            content_lsn: self.number(),
            change_lsn: self.number(),
            xmlns: self.text(),
            xml_digest: self.digest(),
            received_on: self.time(),
            server_modified_on: self.time(),
            initial_processing_complete: self.bool(),
            earlier_digests: Vec::new(),
            edited_on: None,
            deprecated_form_id: None,
            orig_id: None,
            problem: None,
            missing_cases: Vec::new(),
            effective_version: None,
            attachments: Vec::new(),
            operations: Vec::new(),
            deleted: None,
            duplicate_count: 0,
        };
        // Each of the rare fields alone too: one that is forgotten in the test for rareness would be lost.
        let only = self.below(13);
        let has = |field: u64| only == field || only == 11;
        if has(0) {
            row.earlier_digests = vec![self.digest()];
        }
        if has(1) {
            row.edited_on = Some(self.time());
        }
        if has(2) {
            row.deprecated_form_id = Some(self.form_id());
        }
        if has(3) {
            row.orig_id = Some(self.form_id());
        }
        if has(4) {
            row.problem = Some(self.text());
        }
        if has(5) {
            row.missing_cases = vec![self.case_id()];
        }
        if has(6) {
            row.effective_version = Some(self.form_id());
        }
        if has(7) {
            row.attachments = vec![Attachment {
                name: self.text(),
                content_type: self.text(),
                length: self.number(),
                blob: self.digest(),
                md5: self.bytes(),
            }];
        }
        if has(8) {
            let kind = kinds[self.below(3) as usize];
            row.operations = vec![Operation { user_id: self.text(), date: self.time(), kind }];
        }
        if has(9) {
            row.deleted = Some((self.time(), self.text()));
        }
        if has(10) {
            row.duplicate_count = self.u32();
        }
        row
    }

    fn ledger_key(&self) -> LedgerKey {
        LedgerKey { case_id: self.case_id(), section_id: self.text(), entry_id: self.text() }
    }
    fn place(&self) -> LedgerPlace {
        LedgerPlace { report_date: self.time(), order: self.order(), position: self.u32() }
    }
    fn ledger(&self) -> LedgerValue {
        LedgerValue { key: self.ledger_key(), balance: self.i64(), last: self.opt(Self::place) }
    }
    fn ledger_transaction(&self) -> LedgerTransaction {
        LedgerTransaction {
            order: self.order(),
            position: self.u32(),
            form_id: self.form_id(),
            server_date: self.time(),
            report_date: self.time(),
            kind: if self.bool() { LedgerKind::Balance } else { LedgerKind::Transfer },
            label: self.opt(Self::text),
            amount: self.i64(),
            delta: self.i64(),
            updated_balance: self.i64(),
        }
    }
    fn op(&self) -> Op {
        let value = |m: &Self| m.text().into_bytes();
        Op {
            table: Table::ALL[self.below(12) as usize],
            route: self.number(),
            key: value(self),
            value: self.opt(value),
        }
    }
}

/// Reads back; every shorter piece is an error, and so is a longer one.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    value: &T,
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) {
    assert_eq!(decode(bytes).as_ref(), Ok(value));
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    assert!(decode(&[bytes, &[0]].concat()).is_err(), "a byte too many");
}

proptest! {
    #[test]
    fn rows_read_back(seed in any::<u64>()) {
        let m = Made(SeededRandom::new(seed));
        let case = m.case();
        check(&case, &cases::encode(&case), |b| cases::decode(&case.id, b));
        let row = cases::encode(&case);
        prop_assert_eq!(cases::view(&row), Ok(CaseView::from(&case)));
        let transaction = m.transaction();
        check(&transaction, &transactions::encode(&transaction), transactions::decode);
        let form = m.form();
        check(&form, &forms::encode(&form), |b| forms::decode(&form.form_id, b));
        let ledger = m.ledger();
        check(&ledger, &ledgers::encode(&ledger), |b| ledgers::decode(&ledger.key, b));
        let moved = m.ledger_transaction();
        check(&moved, &ledgers::encode_transaction(&moved), ledgers::decode_transaction);
    }

    #[test]
    fn effects_read_back_and_have_one_form(seed in any::<u64>(), at in any::<usize>(), bit in 0..8u32) {
        let m = Made(SeededRandom::new(seed));
        let ops = [vec![m.op()], m.list(Made::op)].concat();
        let mut bytes = Vec::new();
        effects::encode(&mut bytes, &ops);
        assert_eq!(effects::decode(&bytes).as_ref(), Ok(&ops));
        for len in 1..bytes.len() {
            prop_assert!(effects::decode(&bytes[..len]).is_err());
        }
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(others) = effects::decode(&bytes) {
            let mut again = Vec::new();
            effects::encode(&mut again, &others);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn keys_tell_what_they_were_made_of(seed in any::<u64>()) {
        let m = Made(SeededRandom::new(seed));
        let (project, case, other, name) = (m.project(), m.case_id(), m.case_id(), m.text());
        prop_assert_eq!(project_at_end(&id_key(case.as_str(), project)), Some(project));
        let document_len = id_key(case.as_str(), project).len();
        let key = links::referrer_key(project, &case, &other, &name);
        prop_assert_eq!(links::referrer_of(&key, document_len), Some((other, name)));
        let ledger = m.ledger_key();
        let document_len = id_key(ledger.case_id.as_str(), project).len();
        let names = ledgers::names(&ledgers::key(project, &ledger), document_len);
        prop_assert_eq!(names, Some((ledger.section_id.clone(), ledger.entry_id.clone())));
        let form = m.form_id();
        let touched = m.list(Made::case_id);
        let sync_token = m.number().is_multiple_of(2).then(|| form.as_str().to_owned());
        let recent = links::RecentForm { lsn: m.number(), form_id: form, sync_token, cases: touched };
        let key = links::recent_key(project, recent.lsn);
        let row = links::encode_recent(&recent.form_id, recent.sync_token.as_deref(), &recent.cases);
        check(&recent, &row, |b| links::decode_recent(&key, b));
        let id = m.text();
        prop_assert!(documents::key(project, "user", &id).starts_with(&documents::prefix(project, "user")));
    }

    #[test]
    fn keys_of_ledger_transactions_sort_as_their_places(seed in any::<u64>()) {
        let m = Made(SeededRandom::new(seed));
        let (project, ledger) = (m.project(), m.ledger_key());
        let (one, mut other) = (m.place(), m.place());
        if m.bool() {
            other.report_date = one.report_date;
        }
        let key = |place: &LedgerPlace| ledgers::transaction_key(project, &ledger, place);
        prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version in any::<bool>()) {
        let mut bytes = bytes;
        if version && let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let _ = cases::decode(&CaseId("c".into()), &bytes);
        let _ = forms::decode(&FormId("f".into()), &bytes);
        let _ = transactions::decode(&bytes);
        let _ = ledgers::decode_transaction(&bytes);
        let _ = links::decode_recent(&bytes, &bytes);
        let _ = effects::decode(&bytes);
        let _ = project_at_end(&bytes);
        let _ = ledgers::names(&bytes, 20);
    }
}
