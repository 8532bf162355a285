//! Generated histories: whatever happened in whatever order, a case is what its forms in force make of it.

mod memory;

use bolster_cases::apply::{BlockContext, apply};
use bolster_cases::{Judgement, ledger};
use bolster_model::{
    ArchiveForm, Case, CaseBlock, CaseId, CaseIndex, DeleteForm, Fact, FormId, FormMeta, FormState,
    IndexAction, LedgerBlock, LedgerEntry, LedgerMove, ParsedForm, RebuildCase, Relationship, SetBy,
    Timestamp,
};
use memory::Project;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Submit { form: u8, version: u8, blocks: Vec<CaseBlock>, ledgers: Vec<LedgerBlock> },
    Archive { form: u8, archive: bool },
    Delete { form: u8, delete: bool },
    Rebuild { case: u8 },
}

fn case_id(n: u8) -> CaseId {
    CaseId::new(format!("case-{}", n % 4))
}

fn form_id(n: u8) -> FormId {
    FormId::new(format!("form-{}", n % 6))
}

fn block() -> impl Strategy<Value = CaseBlock> {
    let value = prop_oneof![Just(String::new()), "[a-c]", Just("2024-01-01".to_owned())];
    let name = prop_oneof![
        Just("case_name"),
        Just("owner_id"),
        Just("external_id"),
        Just("date_opened"),
        Just("name"),
        Just("hq_user_id"),
        Just("a"),
        Just("b"),
    ];
    let date_safe = |(name, value): (&str, String)| {
        let value = if name == "date_opened" { "2024-02-03".to_owned() } else { value };
        (name.to_owned(), value)
    };
    let values = prop::collection::vec((name, value).prop_map(date_safe), 0..4);
    let index =
        (0u8..3, prop::option::of(0u8..4), any::<bool>()).prop_map(|(name, target, extension)| IndexAction {
            identifier: format!("index-{name}"),
            referenced_type: "t".to_owned(),
            referenced_id: target.map(case_id),
            relationship: if extension { Relationship::Extension } else { Relationship::Child },
        });
    (0u8..4, values.clone(), values, 0u8..8, prop::collection::vec(index, 0..2), 0i64..1000).prop_map(
        |(case, create, update, close, indices, modified)| CaseBlock {
            case_id: case_id(case),
            user_id: None,
            date_modified: (modified % 3 != 0).then(|| Timestamp(modified * 1_000_000)),
            create,
            update,
            close: close == 0,
            indices,
            attachments: Vec::new(),
        },
    )
}

fn ledger_block() -> impl Strategy<Value = LedgerBlock> {
    (0u8..4, prop::option::of(0u8..4), any::<bool>(), -20i64..100, prop::option::of(0i64..50)).prop_map(
        |(case, other, balance, quantity, date)| LedgerBlock {
            action: if balance {
                LedgerMove::Balance { case_id: case_id(case) }
            } else {
                LedgerMove::Transfer { src: Some(case_id(case)), dest: other.map(case_id), label: None }
            },
            date: date.map(|d| Timestamp(d * 1_000_000)),
            entries: vec![LedgerEntry {
                section_id: "stock".to_owned(),
                entry_id: "rice".to_owned(),
                quantity,
            }],
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let submit = (
        0u8..6,
        0u8..4,
        prop::collection::vec(block(), 0..4),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(ledger_block(), 1..3)],
    )
        .prop_map(|(form, version, mut blocks, ledgers)| {
            blocks.sort_by(|a, b| a.case_id.cmp(&b.case_id));
            Step::Submit { form, version, blocks, ledgers }
        });
    prop_oneof![
        6 => submit,
        2 => (0u8..6, any::<bool>()).prop_map(|(form, archive)| Step::Archive { form, archive }),
        1 => (0u8..6, any::<bool>()).prop_map(|(form, delete)| Step::Delete { form, delete }),
        1 => (0u8..4).prop_map(|case| Step::Rebuild { case }),
    ]
}

fn parsed(form: u8, blocks: &[CaseBlock], ledgers: &[LedgerBlock]) -> ParsedForm {
    ParsedForm {
        root_name: "data".to_owned(),
        xmlns: "http://example.org/visit".to_owned(),
        instance_id: Some(form_id(form).0),
        meta: FormMeta { user_id: Some("u".to_owned()), ..FormMeta::default() },
        case_blocks: blocks.to_vec(),
        ledger_blocks: ledgers.to_vec(),
        ..ParsedForm::default()
    }
}

fn play(project: &mut Project, at: Timestamp, step: &Step) {
    match step {
        Step::Submit { form, version, blocks, ledgers } => {
            let judgement = project.submit(parsed(*form, blocks, ledgers), form * 8 + version, at);
            if let Judgement::Cured { form_id, duplicate } = judgement {
                let again = bolster_model::ReprocessForm { form_id, at };
                project.commit(Fact::ReprocessForm(again), None);
                project.commit(Fact::SubmitForm(Box::new(duplicate)), None);
            }
        }
        Step::Archive { form, archive } => {
            let fact = ArchiveForm { form_id: form_id(*form), archive: *archive, user_id: "a".into(), at };
            project.commit(Fact::ArchiveForm(fact), None);
        }
        Step::Delete { form, delete } => {
            let fact = DeleteForm {
                form_id: form_id(*form),
                delete: *delete,
                deletion_id: "d".into(),
                user_id: "a".into(),
                at,
            };
            project.commit(Fact::DeleteForm(fact), None);
        }
        Step::Rebuild { case } => {
            let fact = RebuildCase { case_id: case_id(*case), reason: "r".into(), user_id: "a".into(), at };
            project.commit(Fact::RebuildCase(fact), None);
        }
    }
}

/// The forms that count, by place in history, read from the rows alone.
fn in_force(project: &Project) -> Vec<(FormId, ParsedForm, Timestamp)> {
    use bolster_cases::State;
    let mut found = Vec::new();
    for row in project.rows.forms.values() {
        let counts = row.deleted.is_none()
            && (row.state == FormState::Normal
                || (row.state == FormState::Error && row.effective_version.is_some()));
        if !counts {
            continue;
        }
        let effective = row.effective_version.as_ref().map_or(row, |id| &project.rows.forms[id]);
        let content = memory::sure(project.stored(effective)).expect("kept");
        found.push((row.position, row.form_id.clone(), (*content.parsed).clone(), row.received_on));
    }
    found.sort_by_key(|(position, ..)| *position);
    found.into_iter().map(|(_, id, form, at)| (id, form, at)).collect()
}

/// What a person sees of a case.
type Seen = (
    [String; 5],
    (Option<Timestamp>, String, Option<Timestamp>, String),
    (bool, Option<Timestamp>, String),
    Vec<(String, String)>,
    Vec<CaseIndex>,
);

fn seen(case: &Case) -> Seen {
    let texts = [&case.case_type, &case.name, &case.owner_id, &case.external_id, &case.location_id]
        .map(|r| r.value.clone());
    let indices = case.indices.iter().map(|i| CaseIndex { by: SetBy::NEVER, ..i.clone() }).collect();
    (
        texts,
        (case.opened_on, case.opened_by.clone(), case.modified_on, case.modified_by.clone()),
        (case.closed.value, case.closed_on, case.closed_by.clone()),
        case.properties.iter().map(|p| (p.name.clone(), p.value.clone())).collect(),
        indices,
    )
}

fn naive(project: &Project) -> (BTreeMap<CaseId, Case>, BTreeMap<String, i64>) {
    let mut cases: BTreeMap<CaseId, Case> = BTreeMap::new();
    let mut moves = Vec::new();
    for (place, (_, form, at)) in in_force(project).into_iter().enumerate() {
        for block in &form.case_blocks {
            let case = cases
                .entry(block.case_id.clone())
                .or_insert_with(|| Case { id: block.case_id.clone(), ..Case::default() });
            let context =
                BlockContext { form_user: "u", received_on: at, by: SetBy::NEVER, attachments: None };
            apply(case, block, &context);
        }
        let mut position = 0;
        for block in &form.ledger_blocks {
            let date = block.date.unwrap_or(at);
            let quantity = block.entries[0].quantity;
            let mut push = |case: &CaseId, balance: bool, amount: i64| {
                moves.push(((date, place, position), case.to_string(), balance, amount));
                position += 1;
            };
            match &block.action {
                LedgerMove::Balance { case_id } => push(case_id, true, quantity),
                LedgerMove::Transfer { src, dest, .. } => {
                    src.iter().for_each(|c| push(c, false, -quantity));
                    dest.iter().for_each(|c| push(c, false, quantity));
                }
            }
        }
    }
    moves.sort();
    let mut balances = BTreeMap::new();
    for (_, case, balance, amount) in moves {
        let value = balances.entry(case).or_insert(0);
        *value = if balance { amount } else { *value + amount };
    }
    (cases, balances)
}

fn check(project: &Project) {
    let (cases, balances) = naive(project);
    for (id, case) in &project.rows.cases {
        let touched_by_blocks = cases.get(id);
        match touched_by_blocks {
            Some(expected) => {
                assert_eq!(seen(case), seen(expected), "case {id}");
                assert!(!case.deletion.is_deleted(), "case {id} has forms in force");
            }
            None => {
                let forms = &project.rows.transactions[id];
                let alive = forms.iter().any(|t| t.form_id.is_some() && !t.revoked);
                assert_eq!(case.deletion.is_deleted(), !alive, "case {id} without blocks in force");
            }
        }
        let edges: Vec<_> =
            project.rows.referrers.keys().filter(|(_, source, _)| source == id).cloned().collect();
        let mut live: Vec<_> = case
            .indices
            .iter()
            .map(|i| (i.referenced_id.clone(), id.clone(), i.identifier.clone()))
            .collect();
        live.sort();
        assert_eq!(edges, live, "reverse edges of {id}");
        let keys: Vec<_> = project.rows.transactions[id].iter().map(|t| t.key).collect();
        assert!(keys.windows(2).all(|w| w[0] <= w[1]), "the history of {id} is in order");
    }
    assert!(cases.keys().all(|id| project.rows.cases.contains_key(id)), "every case exists");
    let stored: BTreeMap<String, i64> =
        project.rows.ledgers.iter().map(|(key, v)| (key.case_id.to_string(), v.balance)).collect();
    assert_eq!(stored, balances, "balances");
    for form in in_force(project) {
        for case in ledger::cases_of(&form.1.ledger_blocks) {
            assert!(project.rows.cases.contains_key(case));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn incremental_state_equals_rebuilt_state(steps in prop::collection::vec(step(), 1..24)) {
        let mut project = Project::default();
        for (n, step) in steps.iter().enumerate() {
            play(&mut project, Timestamp(n as i64 * 3_000_000), step);
            check(&project);
        }
    }

    #[test]
    fn folding_the_same_facts_again_gives_the_same_rows(steps in prop::collection::vec(step(), 1..24)) {
        let mut project = Project::default();
        for (n, step) in steps.iter().enumerate() {
            play(&mut project, Timestamp(n as i64 * 3_000_000), step);
        }
        let mut again = Project::default();
        for (fact, parsed, _) in &project.facts {
            again.commit(fact.clone(), parsed.clone());
        }
        prop_assert_eq!(project.rows, again.rows);
    }
}
