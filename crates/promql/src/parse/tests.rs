//! Cases of `parse`: input and expectation side by side.

use super::*;

/// The canonical text, or the error.
fn check(text: &str, want: Result<&str, &str>) {
    let got = parse(text).map(|expr| expr.to_string()).map_err(|error| error.to_string());
    match (&got, want) {
        (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
        (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
        _ => panic!("{text}: {got:?}"),
    }
}

#[test]
fn binding() {
    for (text, operator, lhs, rhs) in [
        ("1 + 2 * 3", "+", "1", "2 * 3"),
        ("1 - 2 - 3", "-", "1 - 2", "3"),
        ("2 ^ 3 ^ 2", "^", "2", "3 ^ 2"),
        ("-1 * 2", "*", "-1", "2"),
        ("2 ^ -1 * 3", "*", "2 ^ -1", "3"),
        ("a or b and c", "or", "a", "b and c"),
        ("a and b unless c", "unless", "a and b", "c"),
        ("a + b == c", "==", "a + b", "c"),
        ("a offset 5m - 8", "-", "a offset 5m", "8"),
    ] {
        let ExprKind::Binary(binary) = parse(text).unwrap().kind else { panic!("{text}") };
        let got = (binary.op.as_str().to_owned(), binary.lhs.to_string(), binary.rhs.to_string());
        assert_eq!(got, (operator.to_owned(), lhs.to_owned(), rhs.to_owned()), "{text}");
    }
    assert!(matches!(parse("-1^2").unwrap().kind, ExprKind::Unary { .. }));
}

#[test]
fn canonical_text() {
    for (text, want) in [
        ("SUM(a) BY (x,y)", "sum by (x, y) (a)"),
        ("a{b=\"c\" , d=~'e'}", "a{b=\"c\",d=~\"e\"}"),
        ("rate(a[300])", "rate(a[5m])"),
        ("a @ 1.5 offset -90", "a @ 1.500 offset -1m30s"),
        ("1e6 + 5m", "1e+06 + 5m"),
        ("a # comment\n+ b", "a + b"),
        ("{__name__=\"a\"}", "{__name__=\"a\"}"),
        ("sum", "sum"),
        ("by + without", "by + without"),
    ] {
        check(text, Ok(want));
        check(want, Ok(want));
    }
}

#[test]
fn errors_name_the_place() {
    for (text, want) in [
        ("sum(\n  rate(a))", "2:8: parse error: expected type range vector in call to function"),
        ("a +", "1:4: parse error: unexpected end of input"),
        (
            "a + \"b\"",
            "1:5: parse error: binary expression must contain only scalar and instant vector types",
        ),
        (
            "a[5m] + b",
            "1:1: parse error: binary expression must contain only scalar and instant vector types",
        ),
        ("a b", "1:3: parse error: unexpected identifier \"b\""),
        ("nosuch(a)", "1:1: parse error: unknown function"),
        ("a{b=\"\\q\"}", "unknown escape sequence"),
        ("a{b=~\"(\"}", "bad regular expression"),
        ("a[1y300y]", "1:3: parse error"),
    ] {
        check(text, Err(want));
    }
}

#[test]
fn every_node_knows_its_bytes() {
    let text = "sum by (x) (rate(foo{a=\"b\"}[5m] offset 1m)) / on (x) group_left ()\n  (bar > bool 3)";
    parse(text).unwrap().visit(&mut |expr| {
        let again = parse(&text[expr.range.clone()]).unwrap();
        assert_eq!(again.to_string(), expr.to_string());
    });
}

#[test]
fn depth_is_bounded_both_ways_and_fits_a_small_stack() {
    let check = || {
        for deep in [
            format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
            format!("{}1", "-".repeat(100_000)),
            format!("a{}", " + a".repeat(100_000)),
            format!("a[{}1s]", "-".repeat(100_000)),
            "sum(".repeat(100_000),
        ] {
            assert!(parse(&deep).unwrap_err().what.contains("nested"), "{}", &deep[..20]);
        }
        let around = |before: &str, inner: &str, after: &str, times: usize| {
            format!("{}{inner}{}", before.repeat(times), after.repeat(times))
        };
        let fitting = [
            around("", "1", " + 1", DEPTH_MAX - 2),
            around("(", "1", ")", DEPTH_MAX - 1),
            around("sum(abs(", "a", "))", DEPTH_MAX / 2 - 1),
            around("1 ^ ", "1", "", DEPTH_MAX - 2),
            around("max_over_time(", "a", "[1m:1m])", DEPTH_MAX / 2 - 1),
            around("label_replace(", "a", ", \"b\", \"c\", \"d\", \"e\")", DEPTH_MAX - 2),
        ];
        let store = crate::testscript::MemoryStore::new();
        for text in fitting {
            let expr =
                parse(&text).unwrap_or_else(|error| panic!("{}: {error}", &text[..20.min(text.len())]));
            let at = model::Timestamp::from_millis(0);
            crate::instant(&expr, &store, at, &crate::Options::default()).unwrap();
            assert!(!expr.to_string().is_empty());
        }
    };
    // A worker thread's default stack.
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z0-9{}()\\[\\]=~!\"'`\\\\ ,:+*/^%@<>_.#é-]{0,40}") {
        let _ = parse(&text);
        let _ = crate::series_notation::parse_line(&text);
    }

    #[test]
    fn near_texts_print_what_they_are(
        text in "(rate|sum|a|b|start|offset|by|bool|5m|1|\\(|\\)|\\[|\\]|\\{|\\}|:|\\+|-|\\^|==| |,){0,14}"
    ) {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            let again = parse(&printed).unwrap_or_else(|error| panic!("{text} -> {printed}: {error}"));
            proptest::prop_assert_eq!(again.to_string(), printed);
        }
    }
}
