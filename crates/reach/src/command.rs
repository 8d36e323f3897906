//! Runs a program: arguments as they are, never a shell; a clean environment; a time limit; bounded output.
//!
//! The program gets a process group of its own, and the whole group is killed when time is up or the future is
//! dropped, so that no grandchild stays behind.

use crate::Error;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Added to the few variables it gets: PATH, HOME, LANG, TZ.
    pub env: BTreeMap<String, String>,
    /// Where; ours if it is not given.
    pub dir: Option<PathBuf>,
    /// What it reads on its standard input.
    pub stdin: Vec<u8>,
    /// The longest it may take.
    pub timeout: Duration,
    /// The most kept of each of its outputs; the rest is read and dropped.
    pub output_max: usize,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Whether output was dropped.
    pub cut: bool,
    /// How long it took.
    pub took: Duration,
}

/// Runs `program` to its end.
pub async fn run(program: &Program) -> Result<Ended, Error> {
    let name = program.argv.first().cloned().unwrap_or_default();
    let fail = |why: String| Error::Run { program: name.clone(), why };
    let begun = Instant::now();
    let mut group = spawn(program).map_err(|e| fail(crate::guard::plain(&e)))?;
    match tokio::time::timeout(program.timeout, group.finish(program)).await {
        Ok(ended) => {
            let mut ended = ended.map_err(|e| fail(crate::guard::plain(&e)))?;
            ended.took = begun.elapsed();
            Ok(ended)
        }
        Err(_) => Err(Error::Timeout { peer: name, doing: "waiting for the end of", after: program.timeout }),
    }
}

fn spawn(program: &Program) -> std::io::Result<Group> {
    let (first, args) = program.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(first);
    command.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["PATH", "HOME", "LANG", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(&program.env).process_group(0).kill_on_drop(true);
    if let Some(dir) = &program.dir {
        command.current_dir(dir);
    }
    Ok(Group(command.spawn()?))
}

/// A child that leads its own process group; dropped, the group dies.
struct Group(Child);

impl Group {
    async fn finish(&mut self, program: &Program) -> std::io::Result<Ended> {
        let (mut stdin, stdout, stderr) = (self.0.stdin.take(), self.0.stdout.take(), self.0.stderr.take());
        let feed = async {
            if let Some(stdin) = &mut stdin {
                let _ = stdin.write_all(&program.stdin).await; // a program need not read what it is given
            }
            drop(stdin.take());
        };
        let (_, out, err) =
            tokio::join!(feed, collect(stdout, program.output_max), collect(stderr, program.output_max));
        let ((stdout, out_cut), (stderr, err_cut)) = (out?, err?);
        let status = self.0.wait().await?;
        Ok(Ended {
            code: status.code(),
            signal: std::os::unix::process::ExitStatusExt::signal(&status),
            stdout,
            stderr,
            cut: out_cut || err_cut,
            took: Duration::ZERO,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Before the child is waited for its number cannot belong to anybody else.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

async fn collect(output: Option<impl AsyncRead + Unpin>, max: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let (mut kept, mut cut) = (Vec::new(), false);
    let Some(mut output) = output else { return Ok((kept, cut)) };
    let mut chunk = [0; 8192];
    loop {
        let n = output.read(&mut chunk).await?;
        if n == 0 {
            return Ok((kept, cut));
        }
        let room = n.min(max - kept.len());
        kept.extend_from_slice(&chunk[..room]);
        cut |= room < n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(argv: &[&str]) -> Program {
        Program {
            argv: argv.iter().map(|&a| a.to_owned()).collect(),
            env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            dir: None,
            stdin: b"in".to_vec(),
            timeout: Duration::from_secs(20),
            output_max: 10,
        }
    }

    #[tokio::test]
    async fn output_code_and_environment() {
        let ended = run(&program(&["sh", "-c", "cat; echo $GREETING >&2; exit 3"])).await.unwrap();
        assert_eq!((ended.code, ended.signal, ended.cut), (Some(3), None, false));
        assert_eq!((ended.stdout.as_slice(), ended.stderr.as_slice()), (&b"in"[..], &b"hello\n"[..]));

        let ended = run(&program(&["env"])).await.unwrap();
        assert!(ended.cut && ended.stdout.len() == 10);

        let error = run(&program(&["no-such-program-anywhere"])).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run no-such-program-anywhere: no such file or directory");
    }

    #[tokio::test]
    async fn the_whole_group_dies_when_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", mark.display());
        let slow = Program { timeout: Duration::from_millis(500), ..program(&["sh", "-c", &script]) };
        let error = run(&slow).await.unwrap_err();
        assert_eq!(error.to_string(), "timed out after 500ms while waiting for the end of sh");
        let pid: i32 = std::fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
        let gone = || match procfs::process::Process::new(pid).and_then(|p| p.stat()) {
            Ok(stat) => stat.state == 'Z' || stat.comm != "sleep",
            Err(_) => true,
        };
        let begun = Instant::now();
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the grandchild {pid} still runs");
            tokio::task::yield_now().await;
        }
    }
}
