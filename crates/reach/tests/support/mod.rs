//! Real servers for tests: each on a free loopback port, in a temporary directory, stopped when dropped.
//! Only what was started here is stopped.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .expect("loopback has a free port")
        .local_addr()
        .expect("it is bound")
        .port()
}

fn wait_for(port: u16, who: &str) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{who} does not listen on port {port}");
        // Another program's start gives no signal that could be waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A redis-server.
pub struct Redis {
    pub port: u16,
    pub dir: tempfile::TempDir,
    child: Child,
}

impl Redis {
    /// Starts one; `more` is added to its command line.
    pub fn start(more: &[&str]) -> Redis {
        let (port, dir) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--logfile", "redis.log"])
            .args(more)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        wait_for(port, "redis-server");
        Redis { port, dir, child }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A PostgreSQL server with the user `postgres`, password `hunter2`.
pub struct Postgres {
    pub port: u16,
    dir: tempfile::TempDir,
    bin: PathBuf,
}

impl Postgres {
    /// Starts one, with TLS by `tls` (certificate, key) if given.
    pub fn start(tls: Option<(&Path, &Path)>) -> Postgres {
        let bin = postgres_bin();
        let (port, dir) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777))
            .expect("the directory is ours");
        let server = Postgres { port, dir, bin };
        let password = server.dir.path().join("password");
        std::fs::write(&password, "hunter2").expect("the directory is writable");
        let data = server.data();
        let password = format!("--pwfile={}", password.display());
        server.run(
            "initdb",
            &["-D", &data, "-U", "postgres", "-A", "scram-sha-256", &password, "-N", "-E", "UTF8"],
        );
        let mut settings = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off",
            server.dir.path().display()
        );
        if let Some((certificate, key)) = tls {
            // The server wants the key to be its own user's and nobody else's.
            for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
                let text = std::fs::read_to_string(from).expect("the certificate is there");
                std::fs::write(server.dir.path().join(name), text).expect("the directory is writable");
                let script = format!(
                    "cat {0}/{name} > {1}/{name}; chmod 600 {1}/{name}",
                    server.dir.path().display(),
                    data
                );
                server.shell(&script);
            }
            settings.push_str(" -c ssl=on");
        }
        let log = format!("{data}/log");
        server.run("pg_ctl", &["start", "-w", "-D", &data, "-l", &log, "-o", &settings]);
        wait_for(port, "postgres");
        server
    }

    /// `postgres://...` of it.
    pub fn dsn(&self) -> String {
        format!("postgres://postgres:hunter2@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) {
        let _ = self.try_run("pg_ctl", &["stop", "-m", "immediate", "-D", &self.data()]);
    }

    fn data(&self) -> String {
        format!("{}/data", self.dir.path().display())
    }

    fn run(&self, program: &str, args: &[&str]) {
        assert!(self.try_run(program, args), "{program} {args:?} failed");
    }

    fn try_run(&self, program: &str, args: &[&str]) -> bool {
        let mut command = as_postgres(self.bin.join(program).to_str().expect("a plain path"));
        let command = command
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("PostgreSQL is installed").success()
    }

    fn shell(&self, script: &str) {
        let status = as_postgres("/bin/sh").args(["-c", script]).status();
        assert!(status.expect("there is a shell").success(), "{script}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        self.shell(&format!("rm -rf {}", self.data()));
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    command
}

fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let mut found: Vec<PathBuf> = versions.flatten().map(|v| v.path().join("bin")).collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed")
}
