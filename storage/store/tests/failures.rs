//! The shards' files fail while the change log works: nothing that was committed is lost or invisible, nobody
//! waits for ever, and it ends by itself.

mod support;

use bolster_env::{Disk, DiskFile, OpenMode, SimDisk};
use bolster_shards::{Shard, ShardError};
use bolster_store::{CommitError, StoreWriter};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use support::{
    FaultyShards, Model, assert_same, eventually, fill, in_time, open_on, push, put, rows, try_open,
};

const SHARD: &str = "/data/shards/g0001-000.redb";
const ASIDE: &str = "/data/shards/g0001-000.damaged";

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map_or(String::new(), |cause| format!(": {}", chain(cause)));
    format!("{error}{cause}")
}

/// Commits one row, or says why not.
fn try_put(writer: &mut StoreWriter, model: &mut Model, n: u64) -> Result<(), CommitError> {
    let mut with = model.clone();
    let mut batch = writer.begin();
    put(&mut batch, &mut with, n, b"value");
    push(&mut batch, n);
    batch.end_commit();
    batch.commit()?;
    *model = with;
    Ok(())
}

fn filled() -> (FaultyShards, Model) {
    let disk = FaultyShards::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    fill(&mut writer, &mut model, 0, 300);
    store.close();
    (disk, model)
}

#[test]
fn a_disk_that_refuses_is_no_damage() {
    let (disk, model) = filled();
    for (kind, advice) in [
        (ErrorKind::StorageFull, "make room"),
        (ErrorKind::PermissionDenied, "give the data folder to the user"),
        (ErrorKind::ReadOnlyFilesystem, "mount it for writing"),
        (ErrorKind::Other, "look whether the disk is sound"),
    ] {
        for opening in [true, false] {
            if opening {
                disk.fail_opening(kind)
            } else {
                disk.fail_changes(kind)
            };
            let error = try_open(Arc::new(disk.clone())).err().expect("cannot be opened");
            let text = chain(&error);
            assert!(text.contains(advice) && text.contains(SHARD), "{kind:?}: {text}");
            disk.fail_opening(None);
            disk.fail_changes(None);
            assert!(!disk.disk.exists(Path::new(ASIDE)), "{kind:?}: taken for damage");
        }
    }
    let (store, _writer) = open_on(&disk);
    assert_same(&rows(&store.view()), &model, "after all that");
    store.close();
}

#[test]
fn a_damaged_file_is_put_aside_and_made_again() {
    type Damage = fn(&dyn DiskFile);
    let ways: [(&str, Damage); 3] = [
        ("another format", |file| file.write_at(0, &[b'x'; 512]).expect("writes")),
        ("cut short", |file| file.set_len(9_000).expect("cuts")),
        ("scribbled over", |file| {
            let len = file.len().expect("known") as usize;
            file.write_at(64, &vec![0xa5; len - 64]).expect("writes");
        }),
    ];
    for (what, damage) in ways {
        let (disk, model) = filled();
        damage(&*disk.disk.open(Path::new(SHARD), OpenMode::ReadWrite).expect("is there"));
        let (store, _writer) = open_on(&disk);
        assert_same(&rows(&store.view()), &model, what);
        assert!(disk.disk.exists(Path::new(ASIDE)), "{what}: kept for somebody to look at");
        store.close();
    }
}

#[test]
fn shards_that_are_ahead_of_a_restored_log_are_made_again() {
    let disk = SimDisk::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    fill(&mut writer, &mut model, 0, 40);
    store.close();
    drop((store, writer));
    let log = Path::new("/data/log/00000000000000000001.seg");
    let read = |disk: &SimDisk| {
        let file = disk.open(log, OpenMode::Read).expect("is there");
        let mut bytes = vec![0; file.len().expect("known") as usize];
        file.read_at(0, &mut bytes).expect("reads");
        bytes
    };
    let backup = read(&disk);
    let (store, mut writer) = open_on(&disk);
    let mut later = model.clone();
    fill(&mut writer, &mut later, 40, 10);
    store.close();
    drop((store, writer));
    let file = disk.open(log, OpenMode::ReadWrite).expect("is there");
    file.set_len(0).expect("cuts");
    file.write_at(0, &backup).expect("writes");
    let (store, mut writer) = open_on(&disk);
    assert_same(&rows(&store.view()), &model, "what the log says");
    fill(&mut writer, &mut model, 100, 10);
    assert_same(&rows(&store.view()), &model, "and goes on from there");
    store.close();
}

#[test]
fn a_file_is_open_once() {
    let (disk, _) = filled();
    let (store, _writer) = open_on(&disk);
    let second = Shard::open(
        &support::env(Arc::new(disk.clone())).0,
        Path::new(SHARD),
        (0, 2),
        1 << 20,
        store.log().clone(),
    );
    let text = chain(&second.err().expect("is locked"));
    assert!(text.contains("it is open already"), "{text}");
    assert!(!disk.disk.exists(Path::new(ASIDE)));
    store.close();
}

#[test]
fn what_was_not_made_durable_is_not_flushed() {
    let disk = FaultyShards::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    fill(&mut writer, &mut model, 0, 500);
    store.flush().expect("written");
    fill(&mut writer, &mut model, 500, 500);
    disk.fail_changes(ErrorKind::Other);
    let error = store.flush().expect_err("cannot be durable");
    assert!(matches!(error, ShardError::Failing(_)), "{error}");
    assert!(store.status().failures.iter().any(Option::is_some), "the operator can see it");
    assert_same(&rows(&store.view()), &model, "reading goes on");
    fill(&mut writer, &mut model, 1_000, 100);
    assert_same(&rows(&store.view()), &model, "and new rows are seen");
    for seed in 0..10 {
        let crashed = disk.disk.image().crash(seed);
        let (after, _writer) = open_on(&crashed);
        assert_same(&rows(&after.view()), &model, "after a crash");
        after.close();
    }
    disk.fail_changes(None);
    eventually("the file is written again", || store.flush().is_ok());
    assert_eq!(store.status().failures, [None, None], "and that it is over");
    assert_same(&rows(&store.view()), &model, "after recovering");
    fill(&mut writer, &mut model, 2_000, 100);
    store.close();
    drop((store, writer));
    let (store, _writer) = open_on(&disk);
    assert_same(&rows(&store.view()), &model, "after opening again");
    store.close();
}

#[test]
fn any_single_call_may_fail() {
    for nth in 0.. {
        let disk = FaultyShards::default();
        let mut model = Model::new();
        let (store, mut writer) = open_on(&disk);
        fill(&mut writer, &mut model, 0, 200);
        store.flush().expect("written");
        disk.fail_nth(nth);
        for round in 1..4 {
            fill(&mut writer, &mut model, round * 200, 200);
            assert_same(&rows(&store.view()), &model, "before the flush");
            eventually("flushed in the end", || store.flush().is_ok());
            assert_same(&rows(&store.view()), &model, "after it");
        }
        let failed = disk.failures();
        store.close();
        drop((store, writer));
        let (store, _writer) = open_on(&disk);
        assert_same(&rows(&store.view()), &model, "opened again");
        store.close();
        if failed == 0 {
            assert!(nth > 10, "something was tried");
            break;
        }
    }
}

#[test]
fn submissions_are_refused_and_taken_again_while_reading_goes_on() {
    for (kind, full) in [(ErrorKind::StorageFull, true), (ErrorKind::Other, false)] {
        let disk = FaultyShards::default();
        let mut model = Model::new();
        let (store, mut writer) = open_on(&disk);
        fill(&mut writer, &mut model, 0, 100);
        store.flush().expect("written");
        disk.fail_changes(kind);
        let (refused, mut writer, mut model) = in_time("filling up", move || {
            let mut n = 100;
            loop {
                // Many at once, then one by one.
                let mut with = model.clone();
                let mut batch = writer.begin();
                for m in n..n + 500 {
                    put(&mut batch, &mut with, m, b"value");
                    push(&mut batch, m);
                    batch.end_commit();
                }
                match batch.commit() {
                    Ok(_) => model = with,
                    Err(error) => break (error, writer, model),
                }
                n += 500;
                assert!(n < 60_000, "there is a bound");
            }
        });
        assert!(matches!(refused, CommitError::DiskFull) == full, "{refused}");
        assert!(matches!(refused, CommitError::Shards(_)) != full, "{refused}");
        assert_same(&rows(&store.view()), &model, "reading goes on");
        disk.fail_changes(None);
        eventually("taken again without a restart", || try_put(&mut writer, &mut model, 90_000).is_ok());
        store.flush().expect("written");
        assert_same(&rows(&store.view()), &model, "nothing is lost");
        store.close();
    }
}

#[test]
fn closing_does_not_wait_for_a_broken_disk() {
    let disk = FaultyShards::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    fill(&mut writer, &mut model, 0, 100);
    disk.fail_changes(ErrorKind::Other);
    let closing = store.clone();
    in_time("closing", move || closing.close());
    drop((store, writer));
    disk.fail_changes(None);
    let (store, _writer) = open_on(&disk);
    assert_same(&rows(&store.view()), &model, "it was in the log");
    store.close();
}

#[test]
fn damage_found_while_running_is_mended_from_the_log() {
    let disk = SimDisk::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    fill(&mut writer, &mut model, 0, 3_000);
    store.close();
    drop((store, writer));
    let (store, mut writer) = open_on(&disk);
    // Behind redb's back, where it has read nothing yet.
    let file = disk.open(Path::new(SHARD), OpenMode::ReadWrite).expect("is there");
    file.set_len(300_000).expect("cuts");
    eventually("made again", || {
        bolster_store::Read::scan(
            &store.view(),
            bolster_store::Table::Documents,
            None,
            &bolster_store::ScanRange::all(Vec::new()),
        )
        .is_ok()
    });
    fill(&mut writer, &mut model, 3_000, 10);
    eventually("flushed", || store.flush().is_ok());
    assert_same(&rows(&store.view()), &model, "all is there again");
    store.close();
}

#[test]
fn few_large_rows_are_bounded_too() {
    let disk = FaultyShards::default();
    let mut model = Model::new();
    let (store, mut writer) = open_on(&disk);
    disk.fail_changes(ErrorKind::StorageFull);
    let refused = in_time("filling up", move || {
        for n in 0..400 {
            let mut batch = writer.begin();
            // Documents, so that all go to one shard.
            put(&mut batch, &mut model, n * 5, &vec![n as u8; 300_000]);
            push(&mut batch, n);
            batch.end_commit();
            if let Err(error) = batch.commit() {
                return (n, error);
            }
        }
        panic!("240 MB are too much to keep in memory");
    });
    assert!(matches!(refused.1, CommitError::DiskFull), "{}", refused.1);
    assert!(refused.0 > 50, "{} are not many", refused.0);
    store.close();
}
