//! Rules as files write them, label sets in, label sets out.

use super::*;
use model::Problem;
use serde_saphyr::Spanned;

fn rules(yaml: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    let raw: Vec<Spanned<Option<RawRule>>> = serde_saphyr::from_str(yaml).unwrap();
    let mut problems = Vec::new();
    let rules = resolve(Some(raw), "relabel_configs", &mut problems);
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

#[test]
fn acts() {
    let labels = Labels::from_pairs([("__name__", "m"), ("a", "Foo"), ("b", "foo")]);
    for (yaml, want) in [
        ("- {action: drop, source_labels: [a], regex: Fo+}", "dropped"),
        ("- {action: Keep, source_labels: [a, b], regex: Foo;foo}", "m{a=\"Foo\", b=\"foo\"}"),
        ("- {action: keepequal, source_labels: [a], target_label: b}", "dropped"),
        (
            "- {source_labels: [a], regex: (F)(.*), target_label: c, replacement: '$2-${1}'}",
            "m{a=\"Foo\", b=\"foo\", c=\"oo-F\"}",
        ),
        ("- {target_label: a, replacement: ''}", "m{b=\"foo\"}"),
        ("- {action: labeldrop, regex: a|b}", "m"),
        ("- {action: labelkeep, regex: a}", "{a=\"Foo\"}"),
        ("- {action: labelkeep, regex: zzz}", "dropped"),
        ("- {action: labelmap, regex: (a), replacement: x_$1}", "m{a=\"Foo\", b=\"foo\", x_a=\"Foo\"}"),
        ("- {action: lowercase, source_labels: [a], target_label: a}", "m{a=\"foo\", b=\"foo\"}"),
    ] {
        let got = process(&rules(yaml).unwrap(), &labels).map_or("dropped".to_owned(), |l| l.to_string());
        assert_eq!(got, want, "{yaml}");
    }
}

#[test]
fn refuses_with_place_and_remedy() {
    for (yaml, want) in [
        ("- action: explode", "1:11: error: unknown relabel action \"explode\"; known actions: replace"),
        ("- regex: a(", "1:10: error: bad regex \"a(\": unclosed group"),
        (
            "- action: hashmod\n  target_label: a",
            "1:3: error: relabel action hashmod requires a modulus above zero; add modulus: N",
        ),
        (
            "- source_labels: [a]",
            "1:3: error: relabel action replace requires target_label; add target_label: NAME",
        ),
        ("- {action: labeldrop, regex: a, source_labels: [b]}", "takes only regex"),
        ("- {action: uppercase, target_label: a, replacement: b}", "replacement cannot be set"),
        (
            "- {action: dropequal, source_labels: [a], target_label: a, regex: x}",
            "takes only source_labels and target_label",
        ),
        ("-", "empty entry in relabel_configs"),
    ] {
        let problems: Vec<String> = rules(yaml).unwrap_err().iter().map(Problem::to_string).collect();
        assert!(problems.iter().any(|p| p.contains(want)), "{yaml}: {problems:?}");
    }
}

#[derive(serde::Deserialize)]
struct Collection {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    labels: std::collections::BTreeMap<String, String>,
    relabel_configs: serde_json::Value,
    result: Option<std::collections::BTreeMap<String, String>>,
}

#[test]
fn conformance() {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let json = std::fs::read_to_string(std::path::Path::new(&root).join("relabel/relabel.json")).unwrap();
    let cases = serde_json::from_str::<Collection>(&json).unwrap().cases;
    let mut failures = Vec::new();
    for case in &cases {
        // JSON is YAML.
        let rules = rules(&case.relabel_configs.to_string()).unwrap();
        let got = process(&rules, &Labels::from_pairs(case.labels.clone()));
        let want = case.result.clone().map(Labels::from_pairs);
        if got != want {
            failures.push(format!("{}: expected {want:?}, got {got:?}", case.id));
        }
    }
    println!("relabel.json: {} passed, {} failed, 0 skipped", cases.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
