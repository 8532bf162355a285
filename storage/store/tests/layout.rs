//! Resizing and rebuilding: views follow, old files go, failures leave everything as it was.

mod support;

use bolster_env::{Disk, OpenMode, SimDisk};
use bolster_store::ReadExt;
use std::io::ErrorKind;
use std::path::Path;
use support::{FaultyShards, Model, P, assert_same, fill, open, open_on, rows};

fn files(disk: &SimDisk) -> Vec<String> {
    let paths = disk.list(Path::new("/data/shards")).expect("listed");
    let names = paths.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn touch(disk: &SimDisk, name: &str) {
    disk.open(&Path::new("/data/shards").join(name), OpenMode::CreateNew).expect("made");
}

#[test]
fn a_view_follows_a_new_layout() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 300);
    let view = store.view();
    store.resize(3).expect("resized");
    fill(&mut writer, &mut model, 300, 300);
    assert_same(&rows(&view), &model, "a view from before the resize");
    store.rebuild().expect("rebuilt");
    fill(&mut writer, &mut model, 600, 300);
    assert_same(&rows(&view), &model, "and from before the rebuild");
    assert!(view.document(P, "kind", "d600").expect("reads").is_some());
    store.close();
}

#[test]
fn a_batch_begun_before_a_resize_commits_after_it() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 300);
    let mut batch = writer.begin();
    support::put(&mut batch, &mut model, 1_000, b"from before");
    support::push(&mut batch, 1);
    batch.end_commit();
    store.resize(5).expect("resized");
    assert_same(&rows(&batch), &model, "the batch sees itself above what was there");
    batch.commit().expect("written");
    assert_same(&rows(&store.view()), &model, "afterwards");
    store.close();
}

#[test]
fn files_of_other_layouts_are_removed_at_opening_and_no_others() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 300);
    store.resize(3).expect("resized");
    assert_eq!(files(&disk), ["g0002-000.redb", "g0002-001.redb", "g0002-002.redb", "layout"]);
    store.close();
    drop((store, writer));
    for name in ["g0001-000.redb", "g0003-001.redb", "g0001-001.damaged", "g0002-001.damaged", "notes.txt"] {
        touch(&disk, name);
    }
    let (store, _writer) = open(&disk);
    assert_eq!(
        files(&disk),
        ["g0002-000.redb", "g0002-001.damaged", "g0002-001.redb", "g0002-002.redb", "layout", "notes.txt"]
    );
    assert_same(&rows(&store.view()), &model, "nothing was needed");
    store.close();
}

#[test]
fn a_resize_that_fails_leaves_everything_as_it_was() {
    let disk = FaultyShards::default();
    let (store, mut writer) = open_on(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 300);
    store.flush().expect("written");
    let before = files(&disk.disk);
    disk.fail_changes(ErrorKind::StorageFull);
    store.resize(4).expect_err("there is no room");
    disk.fail_changes(None);
    assert_eq!(files(&disk.disk), before);
    fill(&mut writer, &mut model, 300, 10);
    assert_same(&rows(&store.view()), &model, "as before");
    store.resize(4).expect("now there is room");
    assert_same(&rows(&store.view()), &model, "resized");
    store.close();
}

#[test]
fn a_crash_at_any_call_of_a_resize_loses_nothing() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let mut model = Model::new();
    fill(&mut writer, &mut model, 0, 60);
    store.flush().expect("written");
    let images = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = images.clone();
    disk.observe(Box::new(move |image| seen.lock().unwrap().push(image.clone())));
    store.resize(3).expect("resized");
    disk.observe(Box::new(|_| {}));
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 20);
    for (n, image) in images.iter().enumerate() {
        for seed in 0..3 {
            let crashed = image.crash(n as u64 * 10 + seed);
            let (after, _writer) = open(&crashed);
            assert_same(&rows(&after.view()), &model, &format!("call {n}, seed {seed}"));
            after.close();
        }
    }
    store.close();
}

#[test]
fn a_store_that_is_dropped_without_closing_leaves_its_files_free() {
    let disk = SimDisk::default();
    let mut model = Model::new();
    let (store, mut writer) = open(&disk);
    fill(&mut writer, &mut model, 0, 10);
    drop((store, writer));
    let (store, _writer) = open(&disk);
    assert_same(&rows(&store.view()), &model, "opened again");
    store.close();
}
