//! `tocsin init`: a commented `tocsin.yml` for what is found on this machine.

use crate::{
    cli,
    discover::{self, Found, Service},
};
use anyhow::{Context, Result, bail};
use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

/// Where Debian's PostgreSQL writes its logs, one file a cluster.
const POSTGRES_LOGS: &str = "/var/log/postgresql";

/// Writes the file; an existing one is left alone.
pub fn run(args: &cli::Init) -> Result<()> {
    let shown = args.file.display();
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&args.file) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} exists and is left alone; remove it, or name another file: tocsin init FILE")
        }
        opened => opened.with_context(|| format!("cannot write {shown}"))?,
    };
    let found = discover::services();
    let text = text(&found, newest_log(Path::new(POSTGRES_LOGS)).as_deref());
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    println!("wrote {shown}");
    println!("  watches Tocsin itself and this host");
    for service in &found {
        println!("  watches {}", service.words());
    }
    let program = cli::program();
    println!("next: {program} check config {shown} && {program} serve --config {shown}");
    Ok(())
}

/// The log that was written to last.
fn newest_log(dir: &Path) -> Option<PathBuf> {
    let logs = fs::read_dir(dir)
        .ok()?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
    logs.max_by_key(|entry| entry.metadata().and_then(|meta| meta.modified()).ok()).map(|entry| entry.path())
}

fn text(found: &[Found], postgres_log: Option<&Path>) -> String {
    let mut exporters = String::new();
    let mut packs = String::new();
    for Found { service, port } in found {
        let _ = match service {
            Service::Exporter(job) => writeln!(
                exporters,
                "  - job_name: {job}\n    scrape_interval: 15s\n    static_configs:\n      - targets: [\"127.0.0.1:{port}\"]"
            ),
            Service::Redis => writeln!(
                packs,
                "  # With a password: target: \"redis://:${{REDIS_PASSWORD}}@127.0.0.1:{port}\"\n  \
                 redis: {{target: \"127.0.0.1:{port}\", port: \"{port}\"}}"
            ),
            Service::Postgres => {
                let log = postgres_log
                    .map_or(String::new(), |log| format!(", log: {:?}", log.display().to_string()));
                writeln!(
                    packs,
                    "  # The user must be allowed to connect; SELECT 1 is all it does. With a password:\n  \
                     # target: \"postgres://USER:${{PGPASSWORD}}@127.0.0.1:{port}/postgres\"\n  \
                     postgres: {{target: \"postgres://postgres@127.0.0.1:{port}/postgres\", port: \"{port}\"{log}}}"
                )
            }
        };
    }
    let scrape = if exporters.is_empty() {
        "# scrape_configs:\n#   - job_name: shop\n#     static_configs:\n#       - targets: [\"127.0.0.1:9100\"]\n".to_owned()
    } else {
        format!("scrape_configs:\n{exporters}")
    };
    format!("{HEAD}{scrape}{PACKS}{packs}{TAIL}")
}

const HEAD: &str = "\
# Tocsin's configuration. Every key is optional; an unknown one is refused with a suggestion.
# Secrets: ${NAME} from the environment, file:PATH from a file. Reload: tocsin reload (first with --dry-run), or kill -HUP.

listen: [\"127.0.0.1:8080\"]
# external_url: https://tocsin.example.org

# Existing files work as they are:
# include: {prometheus: prometheus.yml, alertmanager: alertmanager.yml}
# rule_files: [rules/*.yml]
# runbooks: [runbooks/*.yml]

";

const PACKS: &str = "
# Whatever answers over HTTP, TCP, as Redis or as PostgreSQL can be probed:
# probes:
#   - {name: shop, http: \"https://shop.example.org/\", interval: 15s}

# What Tocsin knows how to watch and diagnose. `tocsin` is Tocsin itself, `host` this machine.
packs:
  tocsin: {}
  host: {}
";

const TAIL: &str = "
# Who is told. Without a route everything goes to the console.
route:
  receiver: team
  group_by: [alertname, instance]
  group_wait: 10s
  routes:
    # Always firing: send it to a dead-man's switch, never to a person.
    - {receiver: nobody, matchers: ['alertname=\"Watchdog\"']}
receivers:
  - name: team
    console_configs: [{}]
    # webhook_configs: [{url: \"https://example.org/page\"}]
    # slack_configs: [{api_url: \"${SLACK_WEBHOOK_URL}\", channel: \"#alerts\"}]
  - name: nobody
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Files, Kind};

    #[test]
    fn what_is_written_is_right() {
        let at = |service, port| Found { service, port };
        let all =
            [at(Service::Redis, 6379), at(Service::Postgres, 5432), at(Service::Exporter("node"), 9100)];
        let log = Path::new("/var/log/postgresql/postgresql-17-main.log");
        for found in [&all[..], &[]] {
            let text = text(found, Some(log));
            // What is commented out must be right as well once it is uncommented.
            let example =
                text.replace("# probes:", "probes:").replace("#   - {name: shop", "  - {name: shop");
            for text in [text, example] {
                let dir = tempfile::tempdir().unwrap();
                let file = dir.path().join("tocsin.yml");
                fs::write(&file, &text).unwrap();
                let report = config::judge(Kind::Config, &file, Files::Open, &|_| None);
                assert!(report.problems.is_empty(), "{report}\n{text}");
            }
        }
        assert!(
            text(&all, Some(log))
                .contains(r#"port: "5432", log: "/var/log/postgresql/postgresql-17-main.log"}"#)
        );
    }
}
