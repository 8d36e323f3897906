//! Cases of `src`: input and expectation side by side.

use super::*;
use crate::value::ListKind;
use model::{Alert, Links, News, Page, PageReason, PageStatus};
use serde_json::{Value as Json, json};

fn expand(text: &str, data: &RuleData<'_>) -> Result<String, Error> {
    let mut query = |expr: &str| match expr {
        "up" => Ok(vec![
            (Labels::from_pairs([("job", "b")]), 2.0),
            (Labels::from_pairs([("job", "a"), ("instance", "x:1")]), 1.5),
        ]),
        "none" => Ok(Vec::new()),
        _ => Err("no such series".to_owned()),
    };
    expand_rule(text, data, Timestamp::from_millis(1_353_755_652_000), &mut query)
}

#[test]
fn rules() {
    let labels = Labels::from_pairs([("instance", "db-1:5432"), ("job", "pg"), ("zone", "<eu>")]);
    let external = Labels::from_pairs([("cluster", "c1")]);
    let data = RuleData {
        labels: &labels,
        value: 1_234_567.0,
        external_labels: &external,
        external_url: "http://e/p",
    };
    for (text, wanted) in [
        ("plain", "plain"),
        ("{{ $labels.instance }} of {{ $labels.job }} is down", "db-1:5432 of pg is down"),
        ("{{ .Labels.job }}|{{ $.Labels.job }}|{{ $labels.missing }}|", "pg|pg||"),
        (
            "{{ $value }} {{ $value | humanize }} {{ printf \"%.1f\" $value }}",
            "1.234567e+06 1.235M 1234567.0",
        ),
        ("{{ $externalLabels.cluster }} {{ $externalURL }} {{ pathPrefix }}", "c1 http://e/p /p"),
        ("{{ with query \"up\" }}{{ . | first | value }}{{ end }}", "2"),
        (
            "{{ range query \"up\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }};{{ end }}",
            "a=1.5;b=2;",
        ),
        ("{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ if gt $value 5.0 }}high{{ else if eq 1 1 }}low{{ end }}", "high"),
        ("{{- /* note */ -}} a {{- \" b\" -}} c", "a bc"),
        ("{{ range $i, $x := args 1 2 }}{{ $i }}{{ $x }} {{ end }}", "arg01 arg12 "),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ range query \"up\" }}{{ if eq .Value 2.0 }}{{ continue }}{{ end }}{{ .Value }}{{ end }}", "1.5"),
        ("{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}", "db-1"),
        ("{{ len $labels }} {{ index $labels \"job\" }} {{ slice \"abc\" 1 2 }}", "3 pg b"),
        ("{{ and 1 0 }}{{ or 0 \"x\" }}{{ not true }}", "0xfalse"),
        ("{{ \"a\\tb\" }}{{ `c\\t` }}{{ 'x' }}", "a\tbc\\t120"),
        ("{{ $labels.zone }}", "<eu>"),
        ("{{ (query \"up\" | first).Labels.job }}", "b"),
    ] {
        check_rule(text).unwrap();
        assert_eq!(expand(text, &data).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn what_does_not_parse_is_refused_with_its_line() {
    for (text, wanted) in [
        ("{{ $label.foo }}", "undefined variable \"$label\""),
        ("a\n{{ nope 1 }}", "line 2: function \"nope\" not defined"),
        ("{{ if true }}", "{{end}} is missing"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ \"a }}", "unterminated quoted string"),
        ("{{", "unclosed action"),
        ("{{ 1 | 2 }}", "non executable command"),
        ("{{ break }}", "outside {{range}}"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ /* x }}", "unclosed comment"),
        ("{{}}", "missing value for command"),
    ] {
        let err = check_rule(text).unwrap_err().to_string();
        assert!(err.contains(wanted), "{text}: {err}");
    }
}

#[test]
fn what_runs_on_is_stopped() {
    let labels = Labels::empty();
    let data = RuleData { labels: &labels, value: 0.0, external_labels: &labels, external_url: "" };
    for (text, wanted) in [
        ("{{ range 1000000000 }}x{{ end }}", "steps"),
        ("{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}", "maximum template depth"),
        ("{{ range 10000 }}{{ printf \"%4000d\" 1 }}{{ end }}", "writes more than"),
        ("{{ match \"(\\\\w{300}){300}\" \"a\" }}", "error parsing regexp"),
        ("{{ query \"broken\" }}", "error calling query: no such series"),
        ("{{ query \"none\" | first }}", "first() called on vector with no elements"),
    ] {
        let err = expand(text, &data).unwrap_err().to_string();
        assert!(err.contains(wanted), "{text}: {err}");
    }
    let deep = "{{ if true }}".repeat(5000);
    assert!(check_rule(&deep).is_err());
    let brackets = format!("{{{{ {} }}}}", "(".repeat(5000));
    assert!(check_rule(&brackets).is_err());
}

fn page() -> Page {
    let alert = |name: &str, instance: &str, ended: Option<i64>| Alert {
        labels: Labels::from_pairs([("alertname", name), ("instance", instance), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", "it is <down>")]),
        starts_at: Timestamp::from_millis(1_000_000),
        ends_at: ended.map(Timestamp::from_millis),
        generator_url: "http://e/graph?g0.expr=up&g0.tab=1".into(),
        updated_at: Timestamp::from_millis(1_000_000),
    };
    Page {
        key: "k".into(),
        revision: 1,
        status: PageStatus::Firing,
        reason: PageReason::First,
        receiver: "team.x".into(),
        integration: "webhook[0]".into(),
        group_key: "{}:{}".into(),
        group_labels: Labels::from_pairs([("alertname", "Down")]),
        route_labels: Labels::from_pairs([("owner", "storage")]),
        news: News::default(),
        alerts: vec![alert("Down", "a:1", None), alert("Down", "b:1", Some(1_500_000))],
        at: Timestamp::from_millis(2_000_000),
        external_url: "http://e".into(),
        incident_id: String::new(),
        cause: String::new(),
        diagnosis: Vec::new(),
        remedy: Vec::new(),
        reopened: None,
        links: Links::default(),
    }
}

#[test]
fn pages() {
    let set =
        Set::new(&[("own.tmpl".into(), "{{ define \"own\" }}own {{ .Status }}{{ end }}".into())]).unwrap();
    let data = page_data(&page());
    for (text, wanted) in [
        ("{{ template \"slack.default.title\" . }}", "[FIRING:1] Down (critical)"),
        ("{{ template \"slack.default.titlelink\" . }}", "http://e/#/alerts?receiver=team%5C.x"),
        ("{{ template \"own\" . }}", "own firing"),
        ("{{ range .Alerts }}{{ .Labels.instance }} {{ .Status }};{{ end }}", "a:1 firing;b:1 resolved;"),
        ("{{ .CommonLabels }}", "alertname=Down, severity=critical"),
        ("{{ (index .Alerts 0).StartsAt.Format \"15:04:05\" }}", "00:16:40"),
        ("{{ (index .Alerts.Firing 0).EndsAt.IsZero }}", "true"),
        ("{{ .Alerts.Firing | len }}{{ .Alerts.Resolved | len }}", "11"),
        ("{{ (index .Alerts 0).StartsAt | tz \"Europe/Paris\" | date \"15:04 MST\" }}", "01:16 CET"),
        ("{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "16m 40s"),
        ("{{ title \"aA bB\" }} {{ .GroupLabels.Names }}", "Aa Bb [alertname]"),
    ] {
        assert_eq!(set.text(text, &data, Timestamp::from_millis(2_000_000)).as_deref(), Ok(wanted), "{text}");
    }
    let err = set.text("{{ .Foo }}", &data, Timestamp::from_millis(0)).unwrap_err().to_string();
    assert!(err.contains("can't evaluate field Foo"), "{err}");
    let html = set.html("{{ template \"email.default.html\" . }}", &data, Timestamp::from_millis(0)).unwrap();
    assert!(html.contains("it is &lt;down&gt;") && html.contains("<li>severity = critical</li>"), "{html}");
}

#[test]
fn set_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Set>();
}

// Conformance: data from outside, named by TOCSIN_CONFORMANCE.

fn conformance(file: &str) -> Option<String> {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return None;
    };
    let path = format!("{root}/templates/{file}");
    Some(std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{path}: {err}")))
}

fn report(file: &str, cases: &[Json], run: &dyn Fn(&Json) -> Result<String, String>) {
    let mut failures = Vec::new();
    for case in cases {
        let got = run(case);
        let fine = match (case.get("output"), &got) {
            (Some(wanted), Ok(got)) => wanted.as_str() == Some(got),
            (None, Err(_)) => true,
            _ => false,
        };
        if !fine {
            failures.push(format!("{}: wanted {:?}, got {got:?}", case["id"], case.get("output")));
        }
    }
    println!("{file}: {} passed, {} failed, 0 skipped", cases.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The dot of a Prometheus case. A null inside a list stands for the largest uint64, which JSON cannot hold.
fn dot(input: &Json) -> Value {
    match input {
        Json::Array(items) => {
            let item =
                |json: &Json| if json.is_null() { Value::Uint(u64::MAX) } else { data::from_json(json) };
            Value::list(ListKind::Any, items.iter().map(item).collect())
        }
        other => data::from_json(other),
    }
}

fn prometheus_case(case: &Json) -> Result<String, String> {
    let mut query = |_: &str| {
        let samples = case["query_result"].as_array().ok_or("query failed")?;
        let sample = |json: &Json| {
            let labels = json["labels"].as_object().into_iter().flatten();
            let pairs = labels.map(|(name, value)| (name.replace("labels.MetricName", "__name__"), value));
            let labels = Labels::from_pairs(pairs.map(|(n, v)| (n, v.as_str().unwrap_or_default())));
            (labels, json["value"].as_f64().unwrap_or(f64::NAN))
        };
        Ok(samples.iter().map(sample).collect())
    };
    let mut defined = BTreeMap::new();
    let list = parse_rule(case["template"].as_str().unwrap(), &mut defined).map_err(|err| err.to_string())?;
    let strict = case["options"].as_array().is_some_and(|o| o.iter().any(|o| o == "missingkey=error"));
    let mut env = Env {
        dialect: Dialect::Rule,
        now: Timestamp::from_millis(1_353_755_652_000),
        external_url: "http://testhost:9090/path/prefix",
        query: Some(&mut query),
        strict,
    };
    let dot = dot(&case["input"]);
    let html = (case["html"] == json!(true)).then(Escaper::default);
    let mut exec = Exec::new(&defined, &mut env, dot.clone(), html);
    exec.run(&list, &dot, Vec::new()).map_err(|err| err.to_string())?;
    Ok(exec.out)
}

#[test]
fn conformance_prometheus() {
    let Some(text) = conformance("prometheus.json") else { return };
    let file: Json = serde_json::from_str(&text).unwrap();
    report("prometheus.json", file["cases"].as_array().unwrap(), &prometheus_case);
}

#[test]
fn conformance_alertmanager() {
    let Some(text) = conformance("alertmanager.json") else { return };
    let file: Json = serde_json::from_str(&text).unwrap();
    let set = Set::new(&[]).unwrap();
    report("alertmanager.json", file["cases"].as_array().unwrap(), &|case| {
        let (template, now) = (case["template"].as_str().unwrap(), Timestamp::from_millis(0));
        let html = case["html"] == json!(true);
        let expanded = if html {
            set.html(template, &case["data"], now)
        } else {
            set.text(template, &case["data"], now)
        };
        expanded.map_err(|err| err.to_string())
    });
}

/// Our defaults say what upstream's say, over pages of every shape.
#[test]
fn conformance_defaults() {
    let Some(upstream) = conformance("default.tmpl") else { return };
    let names: Vec<&str> =
        upstream.split("define \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 40);
    let theirs = Set::new(&[("upstream".into(), upstream.clone())]).unwrap();
    let ours = Set::new(&[]).unwrap();
    let mut resolved = page();
    resolved.alerts.remove(0);
    resolved.status = PageStatus::Resolved;
    let mut firing = page();
    firing.alerts.truncate(1);
    firing.group_labels = firing.alerts[0].labels.clone();
    let mut failures = Vec::new();
    for page in [page(), resolved, firing] {
        let data = page_data(&page);
        for name in &names {
            let over =
                if name.contains("alert_list") || name.ends_with("instances") { ".Alerts" } else { "." };
            let text = format!("{{{{ template {name:?} {over} }}}}");
            let expand = |set: &Set| set.text(&text, &data, Timestamp::from_millis(0));
            if expand(&ours).is_err() || expand(&theirs) != expand(&ours) {
                failures.push(format!(
                    "{name}:\n  theirs {:?}\n  ours   {:?}",
                    expand(&theirs),
                    expand(&ours)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
