//! A folder that goes on as another node: its log goes on, its streams begin anew.

mod support;

use bolster_changelog::{DataFolder, NodeIdentity, OpenLogError, verify};
use bolster_env::SimDisk;
use bolster_model::NodeId;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::{A, B, append, env, filled, node, positions, try_open_as};

fn marks(of: &str) -> Vec<(&'static str, String)> {
    ["machine-id", "board-serial", "file-system", "inode"]
        .map(|name| (name, format!("{name} of {of}")))
        .into()
}

fn identity(disk: &SimDisk, new_node: bool) -> NodeIdentity {
    DataFolder::open(&env(disk), Path::new("/data"), new_node).expect("opens").identity
}

#[test]
fn a_copied_folder_is_noticed_and_a_moved_one_is_not() {
    let disk = SimDisk::default();
    disk.set_host_marks(marks("here"));
    let first = identity(&disk, false);
    assert_eq!(first.predecessors, []);
    assert_eq!(identity(&disk, false), first, "it stays");
    let mut moved = marks("there");
    moved[..2].clone_from_slice(&marks("here")[..2]);
    disk.set_host_marks(moved);
    assert_eq!(identity(&disk, false), first, "a larger disk in the same machine");
    disk.set_host_marks(marks("there"));
    assert_eq!(identity(&disk, false), first, "and later that disk in another machine");
    disk.set_host_marks(marks("elsewhere"));
    let second = identity(&disk, false);
    assert_ne!(second.node, first.node);
    assert_eq!(second.predecessors, [first.node]);
    assert_eq!(identity(&disk, false), second, "once");
    let third = identity(&disk, true);
    assert_eq!(third.predecessors, [first.node, second.node], "asked for");
    assert_eq!(identity(&disk, false), third);
}

#[test]
fn a_new_node_goes_on_with_the_log_in_streams_of_its_own() {
    let disk = SimDisk::default();
    let before = filled(&disk, 40);
    let old = node().node;
    let new = NodeIdentity { node: NodeId([2; 16]), predecessors: vec![old] };
    {
        let mut log = try_open_as(&disk, &new).expect("opens");
        assert_eq!(log.head(), before);
        (0..40).for_each(|n| append(&mut log, n, 2));
        verify(&log.reader(), |_| {}).expect("sound");
    }
    let log = try_open_as(&disk, &new).expect("opens again");
    let reader = log.reader();
    assert_eq!(positions(&reader, 1).expect("reads"), (1..=log.head()).collect::<Vec<_>>());
    verify(&reader, |_| {}).expect("sound");
    let mut last_hlc = 0;
    for entry in reader.read_from(1) {
        let header = entry.expect("reads").header;
        let writer = if header.lsn <= before { old } else { new.node };
        assert_eq!((header.origin, header.author), (writer, writer));
        assert!(header.hlc > last_hlc, "time goes on");
        last_hlc = header.hlc;
    }
    for (origin, project) in [(old, A), (old, B), (new.node, A), (new.node, B)] {
        for from in [1, 5] {
            let stream = reader.read_stream(origin, project, from).expect("reads");
            let seqs: Vec<u64> = stream.map(|e| e.expect("reads").header.origin_seq).collect();
            assert!(seqs.len() > 3);
            assert_eq!(seqs, (from..from + seqs.len() as u64).collect::<Vec<_>>(), "{origin} {project}");
        }
    }
    let third = NodeIdentity { node: NodeId([3; 16]), predecessors: vec![old] };
    drop(log);
    assert!(matches!(try_open_as(&disk, &third), Err(OpenLogError::ForeignNode { .. })), "not its log");
}

#[test]
fn a_crash_while_the_new_node_begins_leaves_a_log_that_opens() {
    let disk = SimDisk::default();
    let before = filled(&disk, 40);
    let new = NodeIdentity { node: NodeId([2; 16]), predecessors: vec![node().node] };
    let images = Arc::new(Mutex::new(Vec::new()));
    let seen = images.clone();
    disk.observe(Box::new(move |image| seen.lock().unwrap().push(image.clone())));
    drop(try_open_as(&disk, &new).expect("opens"));
    disk.observe(Box::new(|_| {}));
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 3);
    for image in images {
        for seed in 0..5 {
            let mut log = try_open_as(&image.crash(seed), &new).expect("opens");
            assert_eq!(log.head(), before);
            append(&mut log, 1, 2);
            let last = log.reader().entry(log.head()).expect("reads").expect("is there");
            assert_eq!((last.header.origin, last.header.origin_seq), (new.node, 2));
            verify(&log.reader(), |_| {}).expect("sound");
        }
    }
}

#[test]
fn a_folder_of_a_newer_release_is_refused() {
    let disk = SimDisk::default();
    identity(&disk, false);
    support::raw(&disk, Path::new("/data/format")).write_at(0, b"bolster data 9\n").unwrap();
    let error = DataFolder::open(&env(&disk), Path::new("/data"), false).err().expect("refused").to_string();
    assert!(error.contains("install the newer release again"), "{error}");
}
