//! Lines wait in memory until one thread writes what has gathered, so that a request never waits for a write and
//! seldom wakes the thread: it leaves a while between two writes.
//!
//! Bounded: with [`WAITING_MAX`] bytes waiting, whoever logs waits for room; nothing is dropped. A line of level
//! ERROR is written before its author goes on, for it may be the last.

use super::sink::Sink;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that may wait.
const WAITING_MAX: usize = 4 << 20;
/// With so many waiting nobody waits for [`PAUSE`].
const WAITING_MANY: usize = WAITING_MAX / 8;
/// Lines gather for so long; what somebody waits for is written at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes lines from every thread.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

/// When it is dropped, everything logged before is written.
pub struct Flush(Writer);

struct Shared {
    /// Protects the counts and the lines that wait.
    waiting: Mutex<Waiting>,
    /// The first line waits, or somebody waits for the write.
    came: Condvar,
    /// Something was written.
    wrote: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Bytes ever taken.
    taken: u64,
    /// Bytes ever written.
    written: u64,
    /// Somebody waits for the write, or much waits.
    pressed: bool,
}

impl Writer {
    /// Starts the thread, which lives as long as the process.
    pub fn start(mut sink: Sink) -> io::Result<Writer> {
        let shared =
            Arc::new(Shared { waiting: Mutex::default(), came: Condvar::new(), wrote: Condvar::new() });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            let mut lines = Vec::new();
            loop {
                theirs.take(&mut lines);
                // Nowhere is left to complain to when the log itself cannot be written.
                let _ = sink.write(&lines);
                theirs.lock().written += lines.len() as u64;
                theirs.wrote.notify_all();
                lines.clear();
            }
        })?;
        Ok(Writer(shared))
    }

    /// Takes a line, and sees it written if `now`.
    pub fn write(&self, line: &str, now: bool) {
        let mut waiting = self.0.lock();
        while waiting.lines.len() >= WAITING_MAX {
            self.0.press(&mut waiting);
            waiting = self.0.wrote.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line.as_bytes());
        waiting.taken += line.len() as u64;
        if first {
            self.0.came.notify_one();
        }
        if waiting.lines.len() >= WAITING_MANY {
            self.0.press(&mut waiting);
        }
        if now {
            self.0.see_written(waiting);
        }
    }

    /// What to drop last.
    pub fn flush(&self) -> Flush {
        Flush(self.clone())
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.see_written(shared.lock());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, then for more of them, and swaps them with `lines`, which is empty.
    fn take(&self, lines: &mut Vec<u8>) {
        let none = |waiting: &mut Waiting| waiting.lines.is_empty();
        let waiting = self.came.wait_while(self.lock(), none).unwrap_or_else(PoisonError::into_inner);
        let unhurried = |waiting: &mut Waiting| !waiting.pressed;
        let gathered = self.came.wait_timeout_while(waiting, PAUSE, unhurried);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        waiting.pressed = false;
        std::mem::swap(&mut waiting.lines, lines);
    }

    /// Has what waits written without a pause.
    fn press(&self, waiting: &mut Waiting) {
        if !std::mem::replace(&mut waiting.pressed, true) {
            self.came.notify_one();
        }
    }

    fn see_written(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let all = waiting.taken;
        while waiting.written < all {
            self.press(&mut waiting);
            waiting = self.wrote.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_threads_are_whole_and_all_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let writer = Writer::start(Sink::open(Some(path.clone())).expect("a file")).expect("a thread");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let writer = &writer;
                scope.spawn(move || {
                    (0..500).for_each(|n| writer.write(&format!("{thread} {n}\n"), n % 100 == 0))
                });
            }
        });
        drop(writer.flush());
        let text = std::fs::read_to_string(path).expect("a log");
        for thread in 0..4 {
            let own: Vec<&str> =
                text.lines().filter(|line| line.starts_with(&format!("{thread} "))).collect();
            let want: Vec<String> = (0..500).map(|n| format!("{thread} {n}")).collect();
            assert_eq!(own, want);
        }
    }
}
