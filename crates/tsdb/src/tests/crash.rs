//! Death at every moment, and damage to every kind of file.

use super::{Rig, START, copy, numbers, series, show};
use crate::{Db, Error, Options};
use ::model::Labels;
use std::fs;
use std::path::{Path, PathBuf};

/// Two series for some minutes, flushed as they go; the last minute is hot.
fn history(dir: &Path) -> (Rig, i64) {
    let rig = Rig::open(dir, START);
    let (a, b) = (series("a", "1"), series("b", "1"));
    let mut now = START;
    for i in 0..60 {
        now = START + i * 10_000;
        rig.clock.set(super::at(now));
        rig.put(&[(&a, now, i as f64), (&b, now, -1.5 * i as f64)]);
        rig.db.maintain(super::at(now)).unwrap();
    }
    (rig, now)
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == ending));
    files.sort();
    files
}

#[test]
fn a_restart_changes_no_answer() {
    let root = tempfile::tempdir().unwrap();
    let (rig, now) = history(&root.path().join("a"));
    assert!(rig.db.stats().segments > 0, "something was flushed");
    copy(&root.path().join("a"), &root.path().join("b"));
    let again = Rig::open(&root.path().join("b"), now);
    assert_eq!(show(&again.all()), show(&rig.all()));
    assert_eq!(rig.all()[0].samples.len(), 60);
    assert_eq!(again.db.live(), rig.db.live());
    for gap in [0, 10, 100] {
        assert_eq!(again.between(now - gap, now).len(), 2);
    }
    drop(rig);
    let first = Rig::open(&root.path().join("a"), now);
    assert_eq!(show(&first.all()), show(&again.all()));
}

/// Whatever byte the last write stopped at, the batches before it are there whole, it is not, and the store goes
/// on.
#[test]
fn a_log_torn_at_any_byte_keeps_every_whole_batch() {
    let root = tempfile::tempdir().unwrap();
    let live = root.path().join("live");
    let rig = Rig::open(&live, START);
    let wal = files(&live.join("wal"), "wal").pop().unwrap();
    let (a, b) = (series("a", "1"), series("b", "1"));
    // After each batch: the lengths of both files and what the store shows.
    let definitions = live.join("series.log");
    let state = |rig: &Rig| {
        (fs::metadata(&wal).unwrap().len(), fs::metadata(&definitions).unwrap().len(), show(&rig.all()))
    };
    let mut states = vec![state(&rig)];
    for i in 0..3i64 {
        let t = START + i * 1000;
        let c = series("c", &i.to_string());
        rig.put(&[(&a, t, i as f64), (&b, t + i, 2.5), (&c, t, f64::INFINITY)]);
        states.push(state(&rig));
    }
    let whole = states.last().unwrap().clone();
    for cut in 0..=whole.0 {
        let dir = root.path().join(format!("cut-{cut}"));
        copy(&live, &dir);
        let torn = dir.join("wal").join(wal.file_name().unwrap());
        fs::File::options().write(true).open(&torn).unwrap().set_len(cut).unwrap();
        let want = states.iter().rev().find(|(len, ..)| *len <= cut).unwrap_or(&states[0]);
        check_cut(&dir, &want.2, &a);
        fs::remove_dir_all(&dir).unwrap();
    }
    // The definitions of the last batch, torn: as its samples were written after them, none of these is there.
    for cut in states[2].1..whole.1 {
        let dir = root.path().join(format!("defined-{cut}"));
        copy(&live, &dir);
        let torn = dir.join("wal").join(wal.file_name().unwrap());
        fs::File::options().write(true).open(&torn).unwrap().set_len(states[2].0).unwrap();
        fs::File::options().write(true).open(dir.join("series.log")).unwrap().set_len(cut).unwrap();
        check_cut(&dir, &states[2].2, &a);
        fs::remove_dir_all(&dir).unwrap();
    }
}

/// Opens `dir`, finds `want`, appends, and finds that after another restart too.
fn check_cut(dir: &Path, want: &str, a: &Labels) {
    let rig = Rig::open(dir, START + 5000);
    assert_eq!(show(&rig.all()), want, "{}", dir.display());
    rig.put(&[(a, START + 5000, 99.0)]);
    let after = show(&rig.all());
    drop(rig);
    let rig = Rig::open(dir, START + 5000);
    assert_eq!(show(&rig.all()), after, "{}", dir.display());
    assert_eq!(rig.db.stats().wal_cut_bytes, 0, "the torn end was cut the first time");
}

#[test]
fn a_flipped_byte_in_the_log_ends_it_there() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a");
    let rig = Rig::open(&dir, START);
    for i in 0..3 {
        rig.put(&[(&series("a", "1"), START + i, i as f64)]);
    }
    drop(rig);
    let wal = files(&dir.join("wal"), "wal").pop().unwrap();
    let mut bytes = fs::read(&wal).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&wal, bytes).unwrap();
    let rig = Rig::open(&dir, START);
    assert_eq!(rig.all()[0].samples.len(), 2);
    assert!(rig.db.stats().wal_cut_bytes > 0);
}

/// A flush or merge that died after its segment was complete and before anything else was done, or earlier.
#[test]
fn a_death_in_maintenance_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("live");
    let rig = Rig::open(&dir, START);
    let (a, b) = (series("a", "1"), series("b", "1"));
    let (mut flushes, mut merges) = (0, 0);
    for i in 0..90i64 {
        let now = START + i * 10_000;
        rig.clock.set(super::at(now));
        rig.put(&[(&a, now, i as f64), (&b, now, -1.5 * i as f64)]);
        let before = root.path().join(format!("before-{i}"));
        copy(&dir, &before);
        let done = rig.db.maintain(super::at(now)).unwrap();
        flushes += usize::from(done.flushed > 0);
        merges += usize::from(done.merged > 0);
        // The new segments beside all that they replace: the log as it was, the sources of a merge.
        for path in files(&dir.join("segments"), "seg") {
            fs::copy(&path, before.join("segments").join(path.file_name().unwrap())).unwrap();
        }
        fs::write(before.join("segments/00000099.tmp"), b"half a segm").unwrap();
        let again = Rig::open(&before, now);
        assert_eq!(show(&again.all()), show(&rig.all()), "after step {i}");
        assert!(files(&before.join("segments"), "tmp").is_empty());
        let used = again.db.stats().segments;
        assert_eq!(files(&before.join("segments"), "seg").len(), used, "what was replaced is removed");
        drop(again);
        fs::remove_dir_all(&before).unwrap();
    }
    assert!(flushes > 5 && merges > 0, "{flushes} {merges}");
}

#[test]
fn a_damaged_segment_is_set_aside_or_named() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("a");
    let (rig, now) = history(&source);
    let healthy = rig.all()[0].samples.len();
    drop(rig);
    let whole = fs::read(files(&source.join("segments"), "seg").remove(0)).unwrap();
    let (mut aside, mut named) = (0, 0);
    for at in (0..whole.len()).step_by(7) {
        let dir = root.path().join(format!("flip-{at}"));
        copy(&source, &dir);
        let path = files(&dir.join("segments"), "seg").remove(0);
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).unwrap();
        let rig = Rig::open(&dir, now);
        if rig.db.stats().segments_damaged == 1 {
            aside += 1;
            assert_eq!(files(&dir.join("segments"), "damaged").len(), 1);
            assert!(rig.all()[0].samples.len() < healthy);
        } else {
            named += 1;
            let any = [::model::Matcher::equal("job", "test")];
            let what = ::model::Select {
                matchers: &any,
                from: ::model::Timestamp::MIN,
                to: ::model::Timestamp::MAX,
                samples_max: 1000,
            };
            let error = ::model::Querier::select(&rig.db, &what).unwrap_err().to_string();
            assert!(error.contains("is damaged") && error.contains(".seg"), "{error}");
            assert_eq!(rig.between(now - 1000, now).len(), 2, "what lies elsewhere is answered");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(aside > 0 && named > 0, "{aside} {named}");
}

#[test]
fn a_store_is_open_once() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let second = Db::open(Options::new(root.path())).err().unwrap();
    assert!(matches!(second, Error::Locked { .. }), "{second}");
    drop(rig);
    Rig::open(root.path(), START);
}

#[test]
fn a_failed_write_is_final_until_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::open(root.path(), START);
    let a = series("a", "1");
    rig.put(&[(&a, START, 1.0)]);
    let broken: Result<(), Error> = Err(Error::damaged(root.path(), "the disk is on fire"));
    let _ = rig.db.0.log().final_if_failed(broken);
    let mut appender = ::model::Ingest::appender(&rig.db);
    appender.append(&a, super::at(START + 1), 2.0).unwrap();
    let error = appender.commit().unwrap_err().to_string();
    assert!(error.contains("on fire"), "{error}");
    assert!(rig.db.maintain(super::at(START)).is_err());
    assert_eq!(rig.all()[0].samples.len(), 1, "what was not logged is not shown");
    drop(rig);
    let rig = Rig::open(root.path(), START);
    assert_eq!(numbers(&rig.put(&[(&a, START + 1, 2.0)]).touched), [0]);
}
