//! `tocsin init`: a commented `tocsin.yml` for what is found on this machine.

use crate::{
    cli,
    discover::{self, Found, Service},
};
use anyhow::{Context, Result};
use std::{fs::OpenOptions, io::Write};

/// Writes the file; an existing one is left alone.
pub fn run(args: &cli::Init) -> Result<()> {
    let found = discover::services();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.file)
        .with_context(|| format!("cannot write {} (an existing file is left alone)", args.file.display()))?;
    file.write_all(text(&found).as_bytes())?;
    println!("wrote {}", args.file.display());
    for service in &found {
        println!("  watches {}", service.words());
    }
    println!("next: tocsin check config {0} && tocsin serve --config {0}", args.file.display());
    Ok(())
}

fn text(found: &[Found]) -> String {
    let mut text = String::from(
        "# Tocsin's configuration. Every key is optional; an unknown one is refused with a suggestion.\n\
         # Secrets: ${NAME} from the environment, file:PATH from a file.\n\n\
         listen: [\"127.0.0.1:8080\"]\n\
         # external_url: https://tocsin.example.org\n\n\
         # Existing files work as they are:\n\
         # include: {prometheus: prometheus.yml, alertmanager: alertmanager.yml}\n\n",
    );
    let exporters = found.iter().filter_map(|f| match f.service {
        Service::Exporter(job) => Some((job, f.port)),
        _ => None,
    });
    let exporters: Vec<_> = exporters.collect();
    if !exporters.is_empty() {
        text += "scrape_configs:\n";
    }
    for (job, port) in exporters {
        text += &format!("  - job_name: {job}\n    static_configs:\n      - targets: [\"127.0.0.1:{port}\"]\n");
    }
    text += "\n# What Tocsin knows how to watch and diagnose. `tocsin` is Tocsin itself, `host` this machine.\npacks:\n  tocsin: {}\n  host: {}\n";
    for service in found {
        match service.service {
            Service::Redis => text += &format!("  redis: {{target: \"127.0.0.1:{0}\", port: \"{0}\"}}\n", service.port),
            Service::Postgres => {
                text += &format!(
                    "  # Give it a user that may connect; SELECT 1 is all it does.\n  \
                     postgres: {{target: \"postgres://postgres@127.0.0.1:{0}/postgres\", port: \"{0}\"}}\n",
                    service.port
                );
            }
            Service::Exporter(_) => {}
        }
    }
    text += "\n# Who is told. Without a route everything goes to the console.\n\
             route:\n  receiver: team\n  group_by: [alertname, instance]\n  group_wait: 10s\n  routes:\n    \
             # Always firing: send it to a dead-man's switch, never to a person.\n    \
             - {receiver: nobody, matchers: ['alertname=\"Watchdog\"']}\n\
             receivers:\n  - name: team\n    console_configs: [{}]\n    \
             # webhook_configs: [{url: \"https://example.org/page\"}]\n    \
             # slack_configs: [{api_url: \"${SLACK_WEBHOOK_URL}\", channel: \"#alerts\"}]\n  - name: nobody\n";
    text
}
