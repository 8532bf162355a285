//! Files and what refers to them: a collection at any moment, with any crash, takes no file that an
//! acknowledged entry refers to, and leaves none that nothing does.

mod support;

use bolster_env::{Image, SimDisk};
use bolster_model::Digest;
use bolster_store::{BlobInfo, BlobOwner, BlobPin, ReadExt, Store, StoreWriter};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use support::{P, open, push};

fn stage(store: &Store, bytes: &[u8]) -> (BlobInfo, BlobPin) {
    let mut staged = store.blobs().stage().expect("begins");
    staged.write(bytes).expect("writes");
    staged.finish().expect("finishes")
}

fn refer(writer: &mut StoreWriter, blob: &Digest, n: u64) {
    let mut batch = writer.begin();
    batch.put_blob_ref(blob, BlobOwner::Form, P, &format!("f{n}"));
    push(&mut batch, n);
    batch.end_commit();
    batch.commit().expect("written");
}

fn content(n: u64) -> Vec<u8> {
    format!("content {}", n % 7).repeat(1 + n as usize % 5).into_bytes()
}

#[test]
fn an_entry_that_is_only_in_the_overlay_keeps_its_file() {
    let disk = SimDisk::default();
    let (store, mut writer) = open(&disk);
    let (blob, pin) = stage(&store, b"a photo");
    assert_eq!(store.collect_blobs(|| true).expect("collected").removed, 0, "pinned");
    refer(&mut writer, &blob.digest, 1);
    drop(pin);
    assert_eq!(store.collect_blobs(|| true).expect("collected").removed, 0, "referred to");
    assert_eq!(store.view().reference_count(&blob.digest).expect("reads"), 1);
    refer(&mut writer, &blob.digest, 2);
    assert_eq!(store.view().reference_count(&blob.digest).expect("reads"), 2);
    store.resize(3).expect("resized");
    assert_eq!(store.collect_blobs(|| true).expect("collected").removed, 0, "in another layout too");
    let mut batch = writer.begin();
    for n in 1..=2 {
        batch.remove_blob_ref(&blob.digest, BlobOwner::Form, P, &format!("f{n}"));
    }
    push(&mut batch, 3);
    batch.end_commit();
    batch.commit().expect("written");
    let done = store.collect_blobs(|| true).expect("collected");
    assert_eq!((done.seen, done.removed), (1, 1), "nothing refers to it any more");
    store.close();
}

/// Submissions, some given up, with a collection after each step.
fn run(disk: &SimDisk, acknowledged: &Mutex<BTreeMap<Digest, Vec<u8>>>) {
    let (store, mut writer) = open(disk);
    for n in 0..12 {
        let (blob, pin) = stage(&store, &content(n));
        store.collect_blobs(|| true).expect("collected");
        if n % 3 != 2 {
            refer(&mut writer, &blob.digest, n);
            acknowledged.lock().unwrap().insert(blob.digest, content(n));
        }
        drop(pin);
        store.collect_blobs(|| true).expect("collected");
    }
    store.close();
}

#[test]
fn a_crash_at_any_call_loses_no_file_that_is_referred_to() {
    type Known = BTreeMap<Digest, Vec<u8>>;
    let disk = SimDisk::default();
    let acknowledged: Arc<Mutex<Known>> = Arc::default();
    let images: Arc<Mutex<Vec<(Image, Known)>>> = Arc::default();
    let (seen, known) = (images.clone(), acknowledged.clone());
    disk.observe(Box::new(move |image| {
        let known = known.lock().unwrap().clone();
        seen.lock().unwrap().push((image.clone(), known));
    }));
    run(&disk, &acknowledged);
    disk.observe(Box::new(|_| {}));
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 100);
    for (image, known) in &images {
        for seed in 0..3 {
            let what = format!("crash before call {}, seed {seed}", image.call());
            let (store, _writer) = open(&image.crash(image.call() * 10 + seed));
            store.collect_blobs(|| true).expect("collected");
            for (digest, bytes) in known {
                let file = store.blobs().read(digest).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(file.read_all(1 << 20).expect("reads"), *bytes, "{what}");
            }
            for n in 0..12 {
                let digest = Digest(<sha2::Sha256 as sha2::Digest>::digest(content(n)).into());
                let wanted = store.view().is_referenced(&digest).expect("reads");
                assert_eq!(store.blobs().exists(&digest), wanted, "{what}: file {n}");
            }
            store.close();
        }
    }
}
