//! The programs themselves.

use super::{eventually, get, root};
use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound").port()
}

/// A running child; killed when dropped.
pub struct Program(Child);

impl Program {
    pub fn start(command: &mut Command, log: &Path) -> Program {
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let errors = log.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        Program(
            child.unwrap_or_else(|why| {
                panic!("cannot start {command:?}: {why}; ./test installs what is missing")
            }),
        )
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and wait until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.0.wait().expect("it ends").code()
    }

    /// SIGCONT to one that was stopped.
    pub fn go_on(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("it runs");
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait_for_port(what: &str, port: u16) {
    eventually(what, START_LIMIT, || TcpStream::connect(("127.0.0.1", port)).ok());
}

pub struct Redis {
    pub port: u16,
    pub log: PathBuf,
    dir: TempDir,
    program: Option<Program>,
}

impl Redis {
    pub fn start() -> Redis {
        let dir = tempfile::tempdir().expect("a directory");
        let mut redis = Redis { port: free_port(), log: dir.path().join("redis.log"), dir, program: None };
        redis.start_again();
        redis
    }

    pub fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--daemonize",
            "no",
        ]);
        command.arg("--logfile").arg(&self.log).arg("--dir").arg(self.dir.path());
        self.program = Some(Program::start(&mut command, &self.dir.path().join("stdout")));
        wait_for_port("redis-server", self.port);
    }

    pub fn kill(&mut self) {
        self.program = None;
    }
}

pub struct Postgres {
    pub port: u16,
    pub log: PathBuf,
    dir: TempDir,
    program: Option<Program>,
}

impl Postgres {
    pub fn start() -> Postgres {
        let dir = tempfile::tempdir().expect("a directory");
        if rustix::process::getuid().is_root() {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("our own directory");
            let owned = Command::new("chown").arg("postgres").arg(dir.path()).status().expect("chown");
            assert!(owned.success(), "cannot give {} to postgres", dir.path().display());
        }
        let mut postgres =
            Postgres { port: free_port(), log: dir.path().join("postgres.log"), dir, program: None };
        let made = as_postgres("initdb")
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(postgres.data())
            .current_dir("/")
            .output()
            .expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        postgres.start_again();
        postgres
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn start_again(&mut self) {
        let start = Instant::now();
        // After a kill the old backends need a moment to let go of the shared memory.
        while start.elapsed() < START_LIMIT {
            let mut command = as_postgres("postgres");
            command.arg("-D").arg(self.data()).arg("-k").arg(self.dir.path());
            command.args([
                "-p",
                &self.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
            ]);
            command.current_dir("/");
            let mut program = Program::start(&mut command, &self.log);
            while program.is_running() && start.elapsed() < START_LIMIT {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    self.program = Some(program);
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("postgres does not start: {}", fs::read_to_string(&self.log).unwrap_or_default());
    }

    pub fn kill(&mut self) {
        self.program = None;
    }
}

/// A PostgreSQL program, run as the user `postgres` where we are root (it refuses root), by its own pid.
fn as_postgres(name: &str) -> Command {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions.flatten().map(|v| v.path().join("bin").join(name)).filter(|p| p.exists()).collect()
        })
        .unwrap_or_default();
    found.sort();
    let path = found.pop().unwrap_or_else(|| panic!("no PostgreSQL here; ./test installs it"));
    if !rustix::process::getuid().is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command
}

pub struct NodeExporter {
    pub port: u16,
    _dir: TempDir,
    _program: Program,
}

impl NodeExporter {
    pub fn start() -> NodeExporter {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let program = Program::start(&mut command, &dir.path().join("log"));
        wait_for_port("prometheus-node-exporter", port);
        NodeExporter { port, _dir: dir, _program: program }
    }
}

/// `tocsin serve` with its flags, restartable on the same data.
pub struct Tocsin {
    pub url: String,
    pub dir: TempDir,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    port: u16,
    program: Option<Program>,
}

impl Tocsin {
    /// Starts it in an empty directory and waits until it is ready.
    pub fn start(args: &[&str], envs: &[(&str, String)]) -> Tocsin {
        let mut tocsin = Tocsin::prepare(args, envs);
        tocsin.start_again();
        tocsin
    }

    /// As [`Tocsin::start`], not started yet: `dir` can be filled first.
    pub fn prepare(args: &[&str], envs: &[(&str, String)]) -> Tocsin {
        let port = free_port();
        Tocsin {
            url: format!("http://127.0.0.1:{port}"),
            dir: tempfile::tempdir().expect("a directory"),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            envs: envs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            port,
            program: None,
        }
    }

    /// As [`Tocsin::start`], with a configuration file.
    pub fn with_config(yaml: &str, envs: &[(&str, String)]) -> Tocsin {
        let mut tocsin = Tocsin::prepare(&[], envs);
        let config = tocsin.dir.path().join("tocsin.yml");
        fs::write(&config, yaml).expect("our own directory");
        tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
        tocsin.start_again();
        tocsin
    }

    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    pub fn spawn(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
        command.arg("serve").args(&self.args).args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.arg("--data-dir").arg(self.dir.path().join("data")).env("TOCSIN_DISCOVER", "off");
        // How full this machine is must not page anybody in a test that did not ask.
        command.env("ALERT_MEMORY_ENABLED", "false");
        command.envs(self.envs.iter().cloned()).current_dir(root()).process_group(0);
        self.program = Some(Program::start(&mut command, &self.log_path()));
    }

    pub fn start_again(&mut self) {
        self.spawn();
        let start = Instant::now();
        loop {
            if get(&format!("{}/-/ready", self.url)).is_some_and(|reply| reply.status == 200) {
                return;
            }
            let running = self.program.as_mut().is_some_and(Program::is_running);
            assert!(running && start.elapsed() < START_LIMIT, "tocsin is not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        self.program = None;
    }

    /// SIGTERM; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.program.take().and_then(|mut program| program.terminate())
    }

    pub fn is_running(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::is_running)
    }

    pub fn pid(&self) -> u32 {
        self.program.as_ref().expect("it runs").pid()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A key of the installation: `admin`, `operator`, `agent`, `user`.
    pub fn key(&self, role: &str) -> String {
        let text = fs::read_to_string(self.dir.path().join("data/credentials.json")).expect("credentials");
        let keys: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        keys[role].as_str().expect("a key per role").to_owned()
    }

    /// GET a path; panics with the log if nobody answers.
    pub fn get(&self, path: &str) -> super::Reply {
        get(&format!("{}{path}", self.url)).unwrap_or_else(|| panic!("GET {path}: no answer\n{}", self.log()))
    }

    /// POST JSON to a path.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> super::Reply {
        super::post_json(&format!("{}{path}", self.url), body)
            .unwrap_or_else(|| panic!("POST {path}: no answer\n{}", self.log()))
    }

    /// The value of an instant query with one result; `None` if it has none.
    pub fn query(&self, expr: &str) -> Option<f64> {
        let form = format!("query={}", encode(expr));
        let reply =
            super::post(&format!("{}/api/v1/query", self.url), "application/x-www-form-urlencoded", &form)?;
        let json = reply.json();
        assert_eq!(json["status"], "success", "{expr}: {}", reply.body);
        json["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok())
    }
}

/// Escaped for a query.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}
