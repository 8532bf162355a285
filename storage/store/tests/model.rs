//! The store equals a map of rows, whatever is committed, given up, read, closed, lost or laid out anew.

mod support;

use bolster_env::SimDisk;
use bolster_shards::tables::documents;
use bolster_store::{Read, ReadExt, ScanRange, Store, StoreWriter, Table};
use support::{Dice, Model, P, assert_same, fill, open, push, put, remove, rows};

/// One batch of several commits, some of them rolled back. Its reads see its own rows.
fn random_batch(writer: &mut StoreWriter, model: &mut Model, dice: &Dice) {
    let mut batch = writer.begin();
    for _ in 0..1 + dice.below(6) {
        let before = model.clone();
        for entry in 0..1 + dice.below(3) {
            for _ in 0..dice.below(6) {
                let n = dice.below(400);
                if dice.below(3) == 0 {
                    remove(&mut batch, model, n);
                } else {
                    put(&mut batch, model, n, &dice.bytes(dice.below(40)));
                }
            }
            push(&mut batch, entry);
        }
        if dice.below(4) == 0 {
            batch.rollback();
            *model = before;
        } else {
            batch.end_commit();
        }
        let key = documents::key(P, "kind", &format!("d{}", dice.below(80) * 5));
        let expected = model.get(&(Table::Documents, key.clone())).cloned();
        assert_eq!(batch.get(Table::Documents, documents::ROUTE, &key).expect("reads"), expected);
    }
    assert_same(&rows(&batch), model, "the batch's own view");
    batch.commit().expect("written");
}

/// A scan with random bounds answers what the map says.
fn random_scan(store: &Store, model: &Model, dice: &Dice) {
    let table = [Table::Documents, Table::CaseReferrers, Table::RecentForms][dice.below(3) as usize];
    let keys: Vec<&Vec<u8>> = model.keys().filter(|(t, _)| *t == table).map(|(_, key)| key).collect();
    let Some(some) = keys.get(dice.below(keys.len().max(1) as u64) as usize) else { return };
    let prefix = some[..dice.below(some.len() as u64 + 1) as usize].to_vec();
    let after = match dice.below(4) {
        0 => None,
        1 => Some(dice.bytes(dice.below(4))),
        _ => keys.get(dice.below(keys.len() as u64) as usize).map(|key| key.to_vec()),
    };
    let (reverse, limit) = (dice.below(2) == 0, [1, 3, 10, usize::MAX][dice.below(4) as usize]);
    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = model
        .iter()
        .filter(|((t, key), _)| *t == table && key.starts_with(&prefix))
        .filter(|((_, key), _)| match &after {
            None => true,
            Some(after) => (if reverse { key < after } else { key > after }) && key != after,
        })
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    if reverse {
        expected.reverse();
    }
    expected.truncate(limit);
    let range = ScanRange { prefix, after, reverse, limit };
    assert_eq!(store.view().scan(table, None, &range).expect("reads"), expected, "{range:?}");
}

#[test]
fn the_store_equals_a_map() {
    for seed in 0..12 {
        let dice = Dice::new(seed);
        let mut disk = SimDisk::default();
        let mut model = Model::new();
        let (mut store, mut writer) = open(&disk);
        for step in 0..60 {
            random_batch(&mut writer, &mut model, &dice);
            let what = format!("seed {seed}, step {step}");
            match dice.below(12) {
                0 => store.flush().expect("written"),
                1 => store.resize(1 + dice.below(4) as usize).expect("resized"),
                2 => {
                    store.close();
                    drop((store, writer));
                    (store, writer) = open(&disk);
                }
                3 => {
                    let crashed = disk.image().crash(seed * 1000 + step);
                    store.close();
                    drop((store, writer));
                    disk = crashed;
                    (store, writer) = open(&disk);
                }
                4 => store.rebuild().expect("rebuilt"),
                _ => {}
            }
            assert_same(&rows(&store.view()), &model, &what);
            (0..5).for_each(|_| random_scan(&store, &model, &dice));
        }
        store.close();
    }
}

#[test]
fn a_refused_batch_leaves_nothing_behind() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 50);
    let mut lost = model.clone();
    let mut batch = writer.begin();
    put(&mut batch, &mut lost, 5_000, b"never");
    push(&mut batch, 1);
    batch.end_commit();
    disk.set_failing(true);
    assert!(batch.commit().is_err());
    disk.set_failing(false);
    assert_same(&rows(&store.view()), &model, "after the failure");
    fill(&mut writer, &mut model, 50, 50);
    assert_same(&rows(&store.view()), &model, "after going on");
    store.close();
    drop((store, writer));
    let (store, _writer) = open(&disk);
    assert_same(&rows(&store.view()), &model, "after opening again");
    store.close();
}

#[test]
fn rows_that_leave_the_overlay_stay_visible() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 3_000);
    let reader = {
        let (store, model) = (store.clone(), model.clone());
        std::thread::spawn(move || {
            let view = store.view();
            for ((table, key), value) in &model {
                if *table == Table::Documents {
                    let found = view.get(*table, documents::ROUTE, key).expect("reads");
                    assert_eq!(found.as_ref(), Some(value));
                }
            }
        })
    };
    store.flush().expect("written");
    reader.join().expect("every row was there at every moment");
    assert_eq!(store.view().recent_forms(P, None, 3).expect("reads").len(), 3);
    store.close();
}
