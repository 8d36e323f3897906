//! Jobs as files write them: what they become and what is said about them.

use super::*;
use crate::exposition::Format;

fn job(yaml: &str) -> (Option<Job>, Vec<String>) {
    let raw: Spanned<ScrapeConfig> = serde_saphyr::from_str(yaml).unwrap();
    let at = place(&raw);
    let mut problems = Vec::new();
    let job = raw.value.resolve(at, &Defaults::default(), std::path::Path::new("/etc/x"), &mut problems);
    (job, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn a_job_with_everything_unsaid() {
    let (job, problems) = job("job_name: a\nstatic_configs: [{targets: ['h:1'], labels: {n: 1}}]");
    let job = job.unwrap();
    assert_eq!(problems, [""; 0]);
    assert_eq!((job.interval, job.timeout), (Duration::from_secs(60), Duration::from_secs(10)));
    assert_eq!((job.scheme.as_str(), job.metrics_path.as_str()), ("http", "/metrics"));
    assert_eq!(job.groups[0].labels, model::Labels::from_pairs([("n", "1")]));
    assert!(job.honor_timestamps && !job.honor_labels && job.compression);
    assert!(
        job.accept().starts_with("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8,")
    );
    assert!(job.accept().ends_with("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
}

#[test]
fn a_job_with_much_said() {
    let (job, problems) = job("job_name: a
scrape_interval: 5s
metrics_path: probe
body_size_limit: 15MB
fallback_scrape_protocol: PrometheusText0.0.4
scrape_protocols: [PrometheusText0.0.4]
file_sd_configs: [{files: ['t/*.json', one.yml], refresh_interval: 10m}]
dns_sd_configs: [{names: [x]}]
relabel_configs:
  - {source_labels: [a], regex: 1, action: keep}
  - {regex: , replacement: static, target_label: abc}
");
    let job = job.unwrap();
    assert_eq!(job.timeout, Duration::from_secs(5));
    assert_eq!((job.metrics_path.as_str(), job.body_max), ("/probe", 15 << 20));
    assert_eq!(job.fallback, Some(Format::Text));
    assert!(job.files[0].matches("x.json") && !job.files[0].matches("x.yml"));
    assert_eq!(job.files[1].single(), Some("/etc/x/one.yml".into()));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("8:17: finding: dns_sd_configs is not done yet"), "{problems:?}");
}

#[test]
fn refuses_with_place_and_remedy() {
    for (yaml, want) in [
        ("scrape_interval: 5s", "1:1: error: job_name is empty; add job_name: NAME"),
        ("job_name: a\nscrape_interval: 5", "2:18: error: \"5\" is not a duration: a unit is missing"),
        (
            "job_name: a\nscrape_interval: 5s\nscrape_timeout: 6s",
            "3:17: error: scrape_timeout 6s of job \"a\" is greater than its scrape_interval 5s",
        ),
        (
            "job_name: a\nstatic_configs: [{targets: ['http://h:1/x']}]",
            "2:29: error: \"http://h:1/x\" is not a host and port",
        ),
        ("job_name: a\nstatic_configs:\n-\n", "empty entry in static_configs"),
        ("job_name: a\nbody_size_limit: 100", "2:18: error: \"100\" is not a size; try a number with a unit"),
        ("job_name: a\nscrape_protocols: [prometheusproto]", "unknown scrape protocol \"prometheusproto\""),
        ("job_name: a\nscrape_protocols: []", "scrape_protocols is empty"),
        ("job_name: a\nscheme: ftp", "2:9: error: unknown scheme \"ftp\"; known: http, https"),
        ("job_name: a\nfile_sd_configs: [{files: ['*/x.json']}]", "is not a pattern for discovery files"),
        (
            "job_name: a\nmetric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: allow-utf-8",
            "names in UTF-8 are asked for",
        ),
        ("job_name: a\nbearer_token: x\nbearer_token_file: y", "more than one kind of credentials"),
        (
            "job_name: a\nmetric_relabel_configs: [{action: hashmod, modulus: 2}]",
            "relabel action hashmod requires target_label",
        ),
    ] {
        let (job, problems) = job(yaml);
        assert!(job.is_none(), "{yaml}");
        assert!(problems.iter().any(|problem| problem.contains(want)), "{yaml}: {problems:?}");
    }
    assert!(serde_saphyr::from_str::<ScrapeConfig>("job_nam: a").is_err());
}

#[test]
fn sizes() {
    for (text, want) in [
        ("0", Some(0)),
        ("1B", Some(1)),
        ("1.5KB", Some(1536)),
        ("2MiB", Some(2 << 20)),
        ("5", None),
        ("MB", None),
    ] {
        assert_eq!(parse_bytes(text), want, "{text}");
    }
}

/// Prometheus's own good files: every job in them must pass, with findings at most.
#[test]
fn conformance() {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    #[derive(serde::Deserialize)]
    struct File {
        global: Option<GlobalConfig>,
        #[serde(default)]
        scrape_configs: Vec<Spanned<Option<ScrapeConfig>>>,
    }
    let mut refused = Vec::new();
    for (folder, valid) in [("good", true), ("bad", false)] {
        let (mut passed, mut failed) = (0, 0);
        for entry in std::fs::read_dir(std::path::Path::new(&root).join("config").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut problems = Vec::new();
            let file: Result<File, _> = serde_saphyr::from_str(&text);
            match file {
                Err(why) => problems.push(Problem::error(0, 0, why.to_string(), "")),
                Ok(file) => {
                    let defaults = file.global.unwrap_or_default().defaults(&mut problems);
                    for raw in file.scrape_configs {
                        let at = place(&raw);
                        match raw.value {
                            Some(job) => drop(job.resolve(at, &defaults, &path, &mut problems)),
                            None => problems.push(Problem::error(at.0, at.1, "empty", "")),
                        }
                    }
                }
            }
            problems.retain(|problem| problem.level == model::Level::Error);
            if problems.is_empty() == valid {
                passed += 1;
            } else {
                failed += 1;
                if valid && !path.ends_with("first.rules") {
                    refused.push(format!("{}: {problems:?}", path.display()));
                }
            }
        }
        println!("{folder}: {passed} judged as upstream, {failed} not (by the scrape part alone)");
    }
    // Files whose verdict upstream depends on flags or on files beside them.
    refused.retain(|line| !line.contains(".bad.yml"));
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
