//! Who lives through the storm: Tocsin, and Debian's alertmanager.

use super::support::{Program, Tocsin, eventually, free_port, get};
use std::{process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);

/// Who lives through it.
pub trait House {
    fn url(&self) -> String;
    fn pid(&self) -> u32;
    /// Takes note of its death.
    fn bury(&mut self);
    fn start_again(&mut self);
    /// Whether it has incidents and keys, and may lose nothing.
    const OURS: bool;
}

impl House for Tocsin {
    fn url(&self) -> String {
        self.url.clone()
    }
    fn pid(&self) -> u32 {
        self.pid()
    }
    fn bury(&mut self) {
        self.kill();
    }
    fn start_again(&mut self) {
        self.start_again();
    }
    const OURS: bool = true;
}

pub struct Debian {
    dir: tempfile::TempDir,
    port: u16,
    program: Option<Program>,
}

impl Debian {
    pub fn start(routing: &str) -> Debian {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("alertmanager.yml"), routing).expect("our own directory");
        let mut house = Debian { dir, port: free_port(), program: None };
        house.start_again();
        house
    }
}

impl House for Debian {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    fn pid(&self) -> u32 {
        self.program.as_ref().expect("it runs").pid()
    }
    fn bury(&mut self) {
        self.program = None;
    }
    fn start_again(&mut self) {
        let mut command = Command::new("prometheus-alertmanager");
        command.arg(format!("--web.listen-address=127.0.0.1:{}", self.port)).arg("--cluster.listen-address=");
        command.args(["--config.file", "alertmanager.yml", "--storage.path", "data"]);
        command.current_dir(self.dir.path());
        self.program = Some(Program::start(&mut command, &self.dir.path().join("log")));
        let ready = format!("{}/-/ready", self.url());
        eventually("alertmanager is ready", LIMIT, || get(&ready).filter(|reply| reply.status == 200));
    }
    const OURS: bool = false;
}
