//! The public Alertmanager cases, read from the folder that `TOCSIN_CONFORMANCE` names.

use crate::*;
use model::{Alert, Labels, MatchOp, Matcher, Timestamp};
use serde_json::Value;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Runs `check` over the cases of a file; prints the score; fails with every case that differs.
fn score(file: &str, mut check: impl FnMut(&Value, &Value) -> Result<(), String>) {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let path = format!("{root}/alertmanager/{file}");
    let text = std::fs::read_to_string(&path).expect("the conformance file is readable");
    // Half a surrogate: no text of ours can hold it.
    let text = text.replace("\\udcff", "?");
    let whole: Value = serde_json::from_str(&text).expect("the conformance file is JSON");
    let (mut passed, mut failures) = (0, Vec::new());
    for case in whole["cases"].as_array().expect("cases is a list") {
        match check(case, &whole) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{}: {why}", case["id"])),
        }
    }
    println!("{file}: {passed} passed, {} failed, 0 skipped", failures.len());
    assert!(failures.is_empty(), "{file}: {passed} passed, failed:\n{}", failures.join("\n"));
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("\n   got {got:?}\nwanted {wanted:?}")) }
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().expect("labels are an object").iter();
    Labels::from_pairs(pairs.map(|(n, v)| (n.as_str(), v.as_str().expect("a label is text"))))
}

fn matcher(value: &Value) -> Option<Matcher> {
    let op = match value["op"].as_str()? {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        _ => return None,
    };
    Matcher::single_line(op, value["name"].as_str()?, value["value"].as_str()?).ok()
}

fn matchers(value: &Value) -> Option<Vec<Matcher>> {
    value.as_array()?.iter().map(matcher).collect()
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|why| why.to_string())
}

fn shapes(route: &RouteConfig, found: &mut Vec<ReceiverShape>) {
    if let Some(name) = &route.receiver {
        let integrations = vec![Integration { name: "webhook[0]".to_owned(), send_resolved: true }];
        found.push(ReceiverShape { name: name.value.clone(), integrations });
    }
    for child in route.routes.iter().flatten() {
        shapes(child, found);
    }
}

fn config(route: &str, inhibit: &str) -> Result<Config, String> {
    let route: RouteConfig = yaml(route)?;
    let inhibit: Vec<InhibitRuleConfig> = yaml(inhibit)?;
    let mut receivers = Vec::new();
    shapes(&route, &mut receivers);
    let raw = RawConfig {
        route: Some(&route),
        inhibit_rules: &inhibit,
        receivers: &receivers,
        ..RawConfig::default()
    };
    Config::resolve(raw).map(|(config, _)| config).map_err(|problems| format!("{problems:?}"))
}

fn firing(sets: &Value) -> Vec<Alert> {
    let sets = sets.as_array().expect("alerts are a list").iter();
    sets.map(|set| Alert {
        labels: labels(set),
        annotations: Labels::empty(),
        starts_at: NOW.minus(Duration::from_secs(300)),
        ends_at: Some(NOW.plus(Duration::from_secs(7200))),
        generator_url: "".into(),
        updated_at: NOW,
    })
    .collect()
}

fn syntax(case: &Value, parse: impl Fn(&str) -> Result<Vec<Matcher>, SyntaxError>) -> Result<(), String> {
    let got = parse(case["input"].as_str().unwrap_or(""));
    let wanted =
        case["valid"].as_bool().unwrap_or(false).then(|| matchers(&case["matchers"]).unwrap_or_default());
    same(got.map_err(|why| why.to_string()).ok(), wanted).map_err(|why| format!("{}: {why}", case["input"]))
}

#[test]
fn classic_matchers() {
    score("matchers-classic.json", |case, _| syntax(case, parse_classic));
}

#[test]
fn utf8_matchers() {
    score("matchers-utf8.json", |case, _| {
        syntax(
            case,
            |text| {
                if case["one"] == true { parse_one(text).map(|m| vec![m]) } else { parse_utf8(text) }
            },
        )
    });
}

#[test]
fn both_forms_of_matchers() {
    score("matchers-compliance.json", |case, _| {
        syntax(case, |text| parse_matchers(text).map(|p| p.matchers))
    });
}

#[test]
fn matching() {
    score("matcher-match.json", |case, _| {
        let matcher = matcher(&case["matcher"]).ok_or("no matcher")?;
        same(matcher.matches(case["value"].as_str().unwrap_or("")), case["match"] == true)
    });
}

#[test]
fn routing_tables() {
    score("routing-tables.json", |case, _| {
        let config = config(case["route"].as_str().unwrap_or(""), "[]")?;
        let found = config.route.find(&labels(&case["labels"]));
        let nodes: Vec<&RouteNode> = found.iter().map(|at| &config.route.nodes[*at]).collect();
        let wanted = case["routes"].as_array().ok_or("routes")?;
        same(nodes.len(), wanted.len())?;
        for (node, wanted) in nodes.iter().zip(wanted) {
            same(node.receiver.as_str(), wanted["receiver"].as_str().unwrap_or(""))?;
            same(node.group_by == GroupBy::All, wanted["group_by_all"] == true)?;
            if let (Some(names), GroupBy::Labels(got)) = (wanted["group_by"].as_array(), &node.group_by) {
                let mut names: Vec<String> =
                    names.iter().filter_map(|n| n.as_str()).map(str::to_owned).collect();
                names.sort();
                same(got, &names)?;
            }
            let waits = [node.group_wait, node.group_interval, node.repeat_interval];
            let names = ["group_wait_s", "group_interval_s", "repeat_interval_s"];
            same(waits.map(|d| d.as_secs()), names.map(|name| wanted[name].as_u64().unwrap_or(0)))?;
        }
        Ok(())
    });
}

#[test]
fn routing_oracle() {
    score("routing-oracle.json", |case, whole| {
        let tree = &whole["trees"][case["tree"].as_str().unwrap_or("")];
        let config = config(&tree.to_string(), "[]")?;
        let alerts = Alerts::new(config, Vec::new(), NOW);
        let wanted: Vec<&str> =
            case["receivers"].as_array().into_iter().flatten().filter_map(|r| r.as_str()).collect();
        let got = alerts.routes_for(&labels(&case["labels"]));
        same(got.iter().map(String::as_str).collect(), wanted)
    });
}

fn router(route: &str, inhibit: &str, sets: &Value) -> Result<Alerts, String> {
    let mut alerts = Alerts::new(config(route, inhibit)?, Vec::new(), NOW);
    alerts.receive(firing(sets), NOW, &mut Vec::new());
    Ok(alerts)
}

#[test]
fn inhibition_tables() {
    score("inhibit-tables.json", |case, _| {
        let mut alerts = router("receiver: d", &case["inhibit_rules"].to_string(), &case["firing"])?;
        let target = labels(&case["target"]);
        alerts.receive(firing(&serde_json::json!([case["target"]])), NOW, &mut Vec::new());
        let view =
            alerts.list(&[], NOW).into_iter().find(|view| view.alert.labels == target).ok_or("target")?;
        same(!view.inhibited_by.is_empty(), case["inhibited"] == true)
    });
}

#[test]
fn inhibition_oracle() {
    score("inhibit-oracle.json", |case, whole| {
        let rules = &whole["rule_sets"][case["rules"].as_str().unwrap_or("")];
        let alerts = router("receiver: d", &rules.to_string(), &case["alerts"])?;
        let views = alerts.list(&[], NOW);
        for wanted in case["expect"].as_array().ok_or("expect")? {
            let set = labels(&wanted["labels"]);
            let view = views.iter().find(|view| view.alert.labels == set).ok_or("an alert is missing")?;
            same(view.state.as_str(), wanted["state"].as_str().unwrap_or(""))?;
            same(
                format!("{:016x}", set.fingerprint()).as_str(),
                wanted["fingerprint"].as_str().unwrap_or(""),
            )?;
        }
        Ok(())
    });
}

fn silence(matchers: Vec<Matcher>) -> NewSilence {
    NewSilence {
        id: None,
        matchers,
        starts_at: NOW.minus(Duration::from_secs(3600)),
        ends_at: NOW.plus(Duration::from_secs(3600)),
        created_by: "test".to_owned(),
        comment: "test".to_owned(),
        terms: Terms::default(),
        guard: Guard::Upstream,
    }
}

#[test]
fn silence_matching() {
    score("silence-match.json", |case, _| {
        let set = labels(&case["labels"]);
        let sets = case["matcher_sets"].as_array().ok_or("sets")?.iter().map(matchers);
        let sets: Vec<Vec<Matcher>> = sets.collect::<Option<_>>().ok_or("matchers")?;
        let mut alerts = router("receiver: d", "[]", &serde_json::json!([case["labels"]]))?;
        for (i, set) in sets.into_iter().enumerate() {
            alerts
                .put_silence(silence(set), &i.to_string(), NOW, &mut Vec::new())
                .map_err(|e| e.to_string())?;
        }
        let view = alerts.list(&[], NOW).into_iter().find(|v| v.alert.labels == set).ok_or("alert")?;
        same(!view.silenced_by.is_empty(), case["match"] == true)
    });
}

#[test]
fn silence_matchers() {
    score("silence-matcher-valid.json", |case, _| {
        // Two cases cannot be written as a matcher at all: half a surrogate, an operator out of range.
        let unwritable = ["invalid label value", "unknown matcher type"];
        if case["error"].as_str().is_some_and(|error| unwritable.contains(&error)) {
            return Ok(());
        }
        let got = matcher(&case["matcher"]).map(|m| silence(vec![m]));
        let got = got.is_some_and(|s| s.check(NOW).is_ok() && (case["mode"] == "utf8" || s.is_classic()));
        same(got, case["valid"] == true)
    });
}

fn api_matchers(value: &Value) -> Vec<Matcher> {
    let list = value.as_array().expect("api_matchers is a list").iter();
    list.map(|m| {
        let op = match (m["isRegex"] == true, m["isEqual"] == true) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        let text = |key: &str| m[key].as_str().expect("a matcher's parts are text").to_owned();
        Matcher::single_line(op, text("name"), text("value")).expect("the oracle's expressions compile")
    })
    .collect()
}

/// The router of an oracle case, its silences put.
fn oracle(case: &Value, whole: &Value) -> Result<Alerts, String> {
    let setup = &whole["config"];
    let mut alerts =
        router(&setup["route"].to_string(), &setup["inhibit_rules"].to_string(), &case["alerts"])?;
    for (i, wanted) in case["silences"].as_array().ok_or("silences")?.iter().enumerate() {
        let got = alerts.put_silence(
            silence(api_matchers(&wanted["api_matchers"])),
            &i.to_string(),
            NOW,
            &mut Vec::new(),
        );
        same(got.is_ok(), wanted["http_status"] == 200)?;
        if let (Err(got), Some(wanted)) = (got, wanted["error"].as_str()) {
            same(got.to_string().as_str(), wanted)?;
        }
    }
    Ok(alerts)
}

#[test]
fn silence_oracle() {
    score("silence-oracle.json", |case, whole| {
        let alerts = oracle(case, whole)?;
        let views = alerts.list(&[], NOW);
        for wanted in case["expect"].as_array().ok_or("expect")? {
            let set = labels(&wanted["labels"]);
            let view = views.iter().find(|view| view.alert.labels == set).ok_or("an alert is missing")?;
            let by: Vec<String> =
                wanted["silenced_by"].as_array().into_iter().flatten().map(Value::to_string).collect();
            same(&view.silenced_by, &by)?;
            same(!view.inhibited_by.is_empty(), wanted["inhibited"] == true)?;
        }
        Ok(())
    });
}

#[test]
fn alert_filters() {
    score("api-filter-oracle.json", |case, whole| {
        let alerts = oracle(case, whole)?;
        for query in case["queries"].as_array().ok_or("queries")? {
            if query["http_status"] != 200 {
                continue;
            }
            let mut filter = Filter::default();
            for param in query["params"].as_array().ok_or("params")? {
                let (name, value) = (param[0].as_str().unwrap_or(""), param[1].as_str().unwrap_or(""));
                let on = value == "true";
                match name {
                    "active" => filter.active = on,
                    "silenced" => filter.silenced = on,
                    "inhibited" => filter.inhibited = on,
                    "unprocessed" => filter.unprocessed = on,
                    "filter" => filter.matchers.push(parse_one(value).map_err(|e| e.to_string())?),
                    "receiver" => {
                        let matcher = Matcher::single_line(MatchOp::Regex, "receiver", value);
                        filter.receiver = Some(matcher.map_err(|e| e.to_string())?);
                    }
                    other => return Err(format!("unknown parameter {other}")),
                }
            }
            let views = alerts.list(&[], NOW);
            let got = views.iter().filter(|view| filter.accepts(view)).map(|view| view.alert.labels.clone());
            let mut wanted: Vec<Labels> =
                query["labels"].as_array().into_iter().flatten().map(labels).collect();
            wanted.sort();
            same(got.collect::<Vec<_>>(), wanted).map_err(|why| format!("{}: {why}", query["params"]))?;
        }
        Ok(())
    });
}

#[test]
fn label_filters() {
    score("api-filter-labels.json", |case, _| {
        let matcher = matcher(&case["filter"]).ok_or("filter")?;
        same(matcher.matches_labels(&labels(&case["alert_labels"])), case["match"] == true)
    });
}

#[test]
fn silence_filters() {
    score("api-filter-silences.json", |case, _| {
        let own = matchers(&case["silence_matchers"]).ok_or("silence")?;
        let new = silence(own);
        let mut alerts = router("receiver: d", "[]", &serde_json::json!([]))?;
        // A silence of harmless matchers only is refused, so one that is not joins.
        let own = NewSilence {
            matchers: [new.matchers, vec![Matcher::equal("x", "y")]].concat(),
            ..silence(vec![])
        };
        alerts.put_silence(own, "1", NOW, &mut Vec::new()).map_err(|e| e.to_string())?;
        let filter = matchers(&case["filter"]).ok_or("filter")?;
        let picked = alerts.silences().any(|silence| silence.picked_by(&filter));
        same(picked, case["match"] == true)
    });
}

#[test]
fn time_intervals() {
    score("time-intervals.json", |case, _| {
        let raw: Result<Vec<TimesConfig>, String> = yaml(case["yaml"].as_str().unwrap_or(""));
        let mut problems = Vec::new();
        let parts = raw
            .map(|raw| raw.iter().map(|raw| TimeInterval::resolve(raw, &mut problems)).collect::<Vec<_>>());
        same(parts.is_ok() && problems.is_empty(), case["valid"] == true)
            .map_err(|why| format!("{why} {parts:?} {problems:?}"))?;
        for (key, inside) in [("contains", true), ("excludes", false)] {
            for text in case[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let at = Timestamp::parse_rfc3339(text).map_err(|e| e.to_string())?;
                let got = parts.iter().flatten().any(|part| part.contains(at));
                same(got, inside).map_err(|why| format!("{text}: {why}"))?;
            }
        }
        Ok(())
    });
}
