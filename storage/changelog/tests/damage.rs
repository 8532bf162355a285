//! Damage: a torn end is cut, everything else stops the log loudly and says where and what to do.

mod support;

use bolster_changelog::{OpenLogError, VerifyError, verify};
use bolster_env::SimDisk;
use support::{append, bytes, filled, frames, open, positions, raw, segment, try_open};

/// First position of the last segment, and of the second one.
fn segments(disk: &SimDisk) -> (u64, u64) {
    let segments = open(disk).reader().segments();
    (segments[segments.len() - 1], segments[1])
}

#[test]
fn damage_before_the_end_of_the_last_segment_refuses_to_open() {
    for part in ["head", "body", "checksum of the header", "zeros"] {
        let disk = SimDisk::default();
        filled(&disk, 60);
        let (last, _) = segments(&disk);
        let frames = frames(&disk, last);
        assert!(frames.len() > 2, "frames after the damaged one");
        let (at, damage): (usize, &[u8]) = match part {
            "head" => (frames[1], b"XXXX"),
            "body" => (frames[1] + 60, b"XXXX"),
            "checksum of the header" => (frames[1] + 20, b"XXXXXXXX"),
            _ => (frames[1], &[0; 64]),
        };
        raw(&disk, &segment(last)).write_at(at as u64, damage).unwrap();
        let before = bytes(&disk, &segment(last));
        let error = try_open(&disk).err().expect("refused");
        let OpenLogError::Damaged { segment: named, offset } = &error else { panic!("{part}: {error}") };
        assert_eq!((named, *offset), (&segment(last), frames[1] as u64), "{part}");
        let text = error.to_string();
        let name = segment(last).display().to_string();
        assert!(text.contains(&name) && text.contains("bolster log verify"), "{part}: {text}");
        assert!(text.contains("restore the segment from a backup"), "{part}: {text}");
        assert_eq!(bytes(&disk, &segment(last)), before, "{part}: nothing was changed");
    }
}

#[test]
fn a_torn_end_is_cut_and_written_again() {
    let disk = SimDisk::default();
    let head = filled(&disk, 60);
    let (last, _) = segments(&disk);
    let end = *frames(&disk, last).last().unwrap();
    for torn in [4, 30, 200] {
        let disk = disk.image().crash(1);
        raw(&disk, &segment(last)).write_at(end as u64 + torn, b"torn").unwrap();
        let mut log = open(&disk);
        assert!(log.head() < head && log.head() >= head - 3, "only the last commit is gone");
        append(&mut log, 1_000, 2);
        let positions = positions(&log.reader(), 1).expect("reads");
        assert_eq!(positions, (1..=log.head()).collect::<Vec<_>>());
        verify(&log.reader(), |_| {}).expect("sound");
    }
}

#[test]
fn damage_in_an_older_segment_is_found_when_it_is_read() {
    let disk = SimDisk::default();
    let head = filled(&disk, 60);
    let (last, second) = segments(&disk);
    let at = frames(&disk, second)[1] as u64 + 50;
    raw(&disk, &segment(second)).write_at(at, b"XXXX").unwrap();
    let log = open(&disk);
    let reader = log.reader();
    let error = positions(&reader, 1).expect_err("stops");
    let name = segment(second).display().to_string();
    assert!(error.contains(&name) && error.contains("bolster log verify"), "{error}");
    assert_eq!(reader.read_from(1).filter(Result::is_err).count(), 1, "one report, then nothing");
    assert!(matches!(verify(&reader, |_| {}), Err(VerifyError::Read(_))));
    assert_eq!(positions(&reader, last).expect("the rest reads"), (last..=head).collect::<Vec<_>>());
}

#[test]
fn a_missing_segment_is_noticed() {
    let disk = SimDisk::default();
    filled(&disk, 60);
    let (last, second) = segments(&disk);
    bolster_env::Disk::remove(&disk, &segment(second)).unwrap();
    let log = open(&disk);
    let error = positions(&log.reader(), 1).expect_err("stops");
    assert!(error.contains("damaged in segment"), "{error}");
    assert!(positions(&log.reader(), last).is_ok());
}

#[test]
fn a_segment_header_is_believed_only_whole() {
    let disk = SimDisk::default();
    filled(&disk, 60);
    let (last, _) = segments(&disk);
    for (at, bytes, said) in [
        (0, &b"NOTALOG!"[..], "is damaged"),
        (8, &[9, 0], "newer than this program"),
        (20, b"XXXX", "is damaged"),
    ] {
        let disk = disk.image().crash(1);
        raw(&disk, &segment(last)).write_at(at, bytes).unwrap();
        let error = try_open(&disk).err().expect("refused");
        let OpenLogError::Header { segment: named, source } = &error else { panic!("{error}") };
        assert_eq!(*named, segment(last));
        assert!(source.to_string().contains(said), "{source}");
    }
}
