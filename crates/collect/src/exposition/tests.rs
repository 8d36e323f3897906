//! The formats' corner cases, what must never happen whatever comes, and the public conformance collections.

use super::*;
use proptest::prelude::*;

pub(crate) fn read(
    body: &[u8],
    format: Format,
) -> Result<Vec<(model::Labels, f64, Option<i64>)>, ParseError> {
    let mut parser = Parser::new(body, format);
    let mut samples = Vec::new();
    while let Some(line) = parser.next_line()? {
        if let Line::Sample { series, value, at_ms } = line {
            samples.push((parser.labels(series)?.to_labels(), value, at_ms));
        }
    }
    Ok(samples)
}

#[test]
fn reads() {
    let text = |body: &str| show(read(body.as_bytes(), Format::Text));
    let om = |body: &str| show(read(body.as_bytes(), Format::OpenMetrics));
    assert_eq!(text("a 1\n b{c=\"d\"} 2 3"), "a 1\nb{c=\"d\"} 2 @3");
    assert_eq!(text("# HELP a x\n#TYPE a rubbish\n\na {b = \"c\" , } NaN -5\n"), "a{b=\"c\"} NaN @-5");
    assert_eq!(
        text("{\"a.b\",\"c d\"=\"e\\n\\\"\\\\\\z\"} +Inf"),
        "{__name__=\"a.b\", \"c d\"=\"e\\n\\\"\\\\\\\\z\"} inf"
    );
    assert_eq!(text("a{b=\"\"} 1"), "a 1");
    assert_eq!(om("a_total 1 1.5 # {x=\"y\"} 1 2\n# EOF"), "a_total 1 @1500");
    assert_eq!(om("# TYPE a_s gauge\n# UNIT a_s s\n# HELP a_s é\na_s 1\n# EOF\n"), "a_s 1");
}

#[test]
fn refuses_with_the_line() {
    for (body, want) in [
        ("a 1\nb\n", "line 2: expected value after metric, got the end of the line"),
        ("a 1\n\n# TYPE a meh\n", "line 3: invalid metric type \"meh\""),
        ("a{b=\"c\",b=\"d\"} 1\n", "line 1: label name \"b\" is not unique"),
        ("a 1e999\n", "line 1: \"1e999\" is too large for a float"),
        (
            "<html><body>hello</body></html>",
            "line 1: expected a metric name, a brace or a comment, got \"<html><body>hello</body></html>\"",
        ),
        ("{\"error\": \"no\"}", "line 1: expected equal, got \": \\\"no\\\"}\""),
        ("a{b=\"c\n\"} 1", "line 1: expected label value, got \"\\\"c\""),
        ("a 1 2 3", "line 1: expected next entry after timestamp, got \"3\""),
    ] {
        assert_eq!(read(body.as_bytes(), Format::Text).unwrap_err().to_string(), want, "{body}");
    }
    let cut = read(b"a 1\nb 2\n", Format::OpenMetrics).unwrap_err();
    assert_eq!(cut.to_string(), "line 3: data does not end with # EOF");
}

#[test]
fn content_types() {
    for (given, want) in [
        (None, Some(Format::Text)),
        (Some("text/plain; version=0.0.4; charset=utf-8"), Some(Format::Text)),
        (Some("application/openmetrics-text; version=1.0.0"), Some(Format::OpenMetrics)),
        (Some("text/html"), None),
        (Some("application/json"), None),
    ] {
        assert_eq!(Format::of_content_type(given), want, "{given:?}");
    }
}

fn show(read: Result<Vec<(model::Labels, f64, Option<i64>)>, ParseError>) -> String {
    let line = |(labels, value, at): (model::Labels, f64, Option<i64>)| {
        format!("{labels} {value}{}", at.map_or(String::new(), |at| format!(" @{at}")))
    };
    match read {
        Ok(samples) => samples.into_iter().map(line).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    }
}

/// Pieces from which almost-expositions are made: pure noise rarely gets past the first byte.
pub(crate) fn near_exposition() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "a",
        "a:b",
        "{",
        "}",
        "{\"x\"",
        "b=\"c\"",
        ",",
        "=",
        "\"",
        "\\",
        "\\n",
        "\n",
        " ",
        "\t",
        "1",
        "-1.5e3",
        "NaN",
        "1234567890123",
        "# HELP a b\n",
        "# TYPE a counter\n",
        "# UNIT a_s s\n",
        "# EOF",
        "# EOF\n",
        " # {a=\"b\"} 1",
        "\0",
        "é",
        "#",
        "9e999",
    ]);
    prop::collection::vec(prop_oneof![9 => pieces.prop_map(|p| p.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..4)], 0..60)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_and_ends(body in near_exposition()) {
        for format in [Format::Text, Format::OpenMetrics] {
            if let Ok(samples) = read(&body, format) {
                prop_assert!(samples.len() <= body.len());
            }
        }
    }

    #[test]
    fn what_is_written_is_read(name in "[a-z_:][a-z0-9_:]{0,8}", value in ".{0,12}", v in any::<f64>()) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let body = format!("{name}{{l=\"{escaped}\"}} {v}\n");
        let samples = read(body.as_bytes(), Format::Text).unwrap();
        prop_assert_eq!(samples[0].0.name(), name);
        prop_assert_eq!(samples[0].0.get("l").unwrap_or(""), value);
        prop_assert!(samples[0].1 == v || v.is_nan());
    }
}

/// Bytes of a JSON string in which `\udcXX` stands for the raw byte 0xXX.
fn raw_bytes(json: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = json;
    while let Some(at) = rest.find("\\udc") {
        let escaped = rest[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        let hex = rest.get(at + 4..at + 6).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (Some(byte), false) = (hex, escaped) else { break };
        bytes.extend(unquote(&rest[..at]));
        bytes.push(byte);
        rest = &rest[at + 6..];
    }
    bytes.extend(unquote(rest));
    bytes
}

fn unquote(json: &str) -> Vec<u8> {
    serde_json::from_str::<String>(&format!("\"{json}\"")).unwrap().into_bytes()
}

#[derive(serde::Deserialize)]
struct Collection<'a> {
    #[serde(borrow)]
    cases: Vec<Case<'a>>,
}

#[derive(serde::Deserialize)]
struct Case<'a> {
    id: String,
    #[serde(borrow)]
    input: &'a serde_json::value::RawValue,
    valid: bool,
}

/// Scores one collection; returns the failures.
fn score(root: &std::path::Path, file: &str, format: Format) -> Vec<String> {
    let json = std::fs::read_to_string(root.join(file)).unwrap();
    let cases = serde_json::from_str::<Collection>(&json).unwrap().cases;
    let mut failures = Vec::new();
    for case in &cases {
        let raw = case.input.get();
        let got = read(&raw_bytes(&raw[1..raw.len() - 1]), format);
        if got.is_ok() != case.valid {
            failures.push(format!("{}: expected valid={}, got {got:?}", case.id, case.valid));
        }
    }
    println!("{file}: {} passed, {} failed, 0 skipped", cases.len() - failures.len(), failures.len());
    failures
}

#[test]
fn conformance() {
    let Some(root) = std::env::var_os("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let root = std::path::Path::new(&root).join("exposition");
    let mut failures = score(&root, "openmetrics-errors.json", Format::OpenMetrics);
    failures.extend(score(&root, "promtext-errors.json", Format::Text));
    failures.extend(score(&root, "promtext-client-python.json", Format::Text));
    for entry in std::fs::read_dir(root.join("samples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let open = name.ends_with(".om.txt") || name.starts_with("promtool-dump-openmetrics");
        let format = if open { Format::OpenMetrics } else { Format::Text };
        if let Err(error) = read(&std::fs::read(&path).unwrap(), format) {
            failures.push(format!("{name}: {error}"));
        }
    }
    // Stricter readings than a scraper's: good inputs must be read, the score over the bad ones is only told.
    for (file, format) in [
        ("openmetrics-client-python.json", Format::OpenMetrics),
        ("promtext-expfmt-errors.json", Format::Text),
    ] {
        let strict = score(&root, file, format);
        // Native histograms in text are one client's extension, which Prometheus does not read either.
        let ours = |failure: &String| failure.contains("valid=true") && !failure.contains("{count:");
        failures.extend(strict.into_iter().filter(ours));
    }
    failures.extend(openmetrics_suite(&root.join("openmetrics")));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn openmetrics_suite(root: &std::path::Path) -> Vec<String> {
    let (mut failures, mut passed, mut lenient) = (Vec::new(), 0, 0);
    for entry in std::fs::read_dir(root).unwrap() {
        let case = entry.unwrap().path();
        let verdict = std::fs::read_to_string(case.join("test.json")).unwrap();
        let valid = verdict.contains("\"shouldParse\": true");
        match read(&std::fs::read(case.join("metrics")).unwrap(), Format::OpenMetrics) {
            got if got.is_ok() == valid => passed += 1,
            Err(error) => failures.push(format!("{}: {error}", case.display())),
            Ok(_) => lenient += 1,
        }
    }
    println!("openmetrics: {passed} passed, {lenient} read leniently");
    failures
}
