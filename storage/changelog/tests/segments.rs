//! Segments: rotation, reading across them, their index files, failures while one is begun.

mod support;

use bolster_changelog::verify;
use bolster_env::{Disk, SimDisk};
use support::{A, B, append, bytes, filled, index, node, open, positions, raw};

fn all(head: u64) -> Vec<u64> {
    (1..=head).collect()
}

#[test]
fn positions_go_on_across_segments_and_openings() {
    let disk = SimDisk::default();
    let mut head = filled(&disk, 60);
    for n in 0..5 {
        let mut log = open(&disk);
        assert_eq!(log.head(), head, "opening {n}");
        append(&mut log, 100 + n, 3);
        head = log.head();
        for from in [1, 2, head / 2, head - 1, head, head + 1] {
            assert_eq!(positions(&log.reader(), from).expect("reads"), (from..=head).collect::<Vec<_>>());
        }
        verify(&log.reader(), |_| {}).expect("sound");
    }
}

#[test]
fn every_entry_is_found_by_position_by_stream_and_by_digest() {
    let disk = SimDisk::default();
    let head = filled(&disk, 60);
    let reader = open(&disk).reader();
    let mut next = [(A, 1), (B, 1)];
    for lsn in 1..=head {
        let entry = reader.entry(lsn).expect("reads").expect("is there");
        let header = &entry.header;
        let (_, seq) = next.iter_mut().find(|(p, _)| *p == header.project).expect("one of two");
        assert_eq!((header.lsn, header.origin_seq), (lsn, *seq));
        let stream = reader.read_stream(node().node, header.project, *seq).expect("reads");
        let first = stream.take(1).next().expect("is there").expect("reads");
        assert_eq!(first.header, *header);
        let found = reader.by_fact_digest(&header.fact_digest()).expect("reads").expect("is there");
        assert_eq!(found.header, *header);
        *seq += 1;
    }
    assert_eq!(reader.entry(head + 1).expect("reads").map(|e| e.header), None);
    assert_eq!(reader.by_fact_digest(&Default::default()).expect("reads").map(|e| e.header), None);
}

#[test]
fn files_of_digests_are_made_used_and_made_again() {
    let disk = SimDisk::default();
    let head = filled(&disk, 60);
    let reader = open(&disk).reader();
    let digests: Vec<_> = (1..=head)
        .map(|lsn| reader.entry(lsn).expect("reads").expect("is there").header.fact_digest())
        .collect();
    let check = |what: &str| {
        for (digest, lsn) in digests.iter().zip(1..) {
            let found = reader.by_fact_digest(digest).expect("reads").expect("is there");
            assert_eq!(found.header.lsn, lsn, "{what}");
        }
    };
    check("made");
    let first = reader.segments()[0];
    let path = index(first).with_extension("dig");
    let whole = bytes(&disk, &path);
    assert_eq!(whole.len() as u64, (reader.segments()[1] - first) * 16 + 8);
    check("used");
    raw(&disk, &path).write_at(3, &[whole[3] ^ 1]).expect("writes");
    check("damaged");
    assert_eq!(bytes(&disk, &path), whole, "made again");
    raw(&disk, &path).set_len(whole.len() as u64 - 16).expect("cuts");
    check("cut");
    assert_eq!(bytes(&disk, &path), whole, "made again");
}

#[test]
fn index_files_may_be_missing_or_damaged() {
    let disk = SimDisk::default();
    let head = filled(&disk, 60);
    let full = {
        let mut segments = open(&disk).reader().segments();
        segments.pop();
        segments
    };
    for first in &full {
        assert!(disk.exists(&index(*first)), "segment {first} is full and has an index");
    }
    for damage in ["missing", "empty", "scribbled over", "cut short"] {
        let disk = disk.image().crash(1);
        for first in &full {
            match damage {
                "missing" => disk.remove(&index(*first)).unwrap(),
                "empty" => raw(&disk, &index(*first)).set_len(0).unwrap(),
                "cut short" => raw(&disk, &index(*first)).set_len(5).unwrap(),
                _ => raw(&disk, &index(*first)).write_at(1, &[0x55; 20]).unwrap(),
            }
        }
        let reader = open(&disk).reader();
        assert_eq!(positions(&reader, 1).expect("reads"), all(head), "{damage}");
        for lsn in (1..=head).rev() {
            assert_eq!(reader.entry(lsn).expect("reads").map(|e| e.header.lsn), Some(lsn), "{damage}");
        }
    }
}

#[test]
fn whatever_call_fails_what_was_acknowledged_is_there() {
    for nth in 0.. {
        let disk = SimDisk::default();
        let mut log = open(&disk);
        (0..20).for_each(|n| append(&mut log, n, 2));
        let calls = disk.calls();
        disk.fail_nth(nth);
        let mut acknowledged = log.head();
        for n in 0..40 {
            let draft = bolster_changelog::EntryDraft {
                class: bolster_changelog::EntryClass::Fact,
                kind: 1,
                project: A,
                doc: [0; 16],
                rules: bolster_model::RulesVersion::CURRENT,
                base_seq: 0,
                payload: bolster_changelog::PreparedPayload::prepare([0; 16], &support::noise(n)).finish(&[]),
            };
            let mut batch = log.begin();
            let stamp = batch.stamp(&draft);
            batch.push(&draft, &stamp, b"", b"");
            batch.end_commit();
            match batch.commit() {
                Ok(range) => {
                    assert_eq!(range.start, acknowledged + 1, "call {nth}: positions have no gap");
                    acknowledged = range.end - 1;
                }
                Err(_) => assert_eq!(log.head(), acknowledged, "call {nth}"),
            }
        }
        assert_eq!(positions(&log.reader(), 1).expect("reads"), all(acknowledged), "call {nth}");
        let done = disk.calls() - calls < nth;
        drop(log);
        let log = open(&disk);
        // A refused one may be there after all, if nothing was written after it.
        assert!(log.head() == acknowledged || log.head() == acknowledged + 1, "call {nth}: {}", log.head());
        assert_eq!(positions(&log.reader(), 1).expect("reads"), all(log.head()), "call {nth}, again");
        verify(&log.reader(), |_| {}).expect("sound");
        if done {
            assert!(nth > 50, "several segments were begun");
            break;
        }
    }
}
