//! Cases of `testscript`: input and expectation side by side.

use super::*;

/// Passed, failed, skipped.
fn check(script: &str, want: (usize, usize, usize)) {
    let report = run(script, &mut || Box::new(MemoryStore::new()));
    assert_eq!((report.passed, report.failed.len(), report.skipped.len()), want, "{report:?}");
}

#[test]
fn a_wrong_expectation_fails() {
    for wrong in ["m 2", "{} 1", "", "m 1\n  n 1", "expect fail", "m 1\n  expect warn", "1"] {
        check(&format!("load 1m\n  m 1\n\neval instant at 0 m\n  {wrong}"), (0, 1, 0));
    }
    check("load 1m\n  m 1\n\neval instant at 0 m\n  m 1.0000001", (1, 0, 0));
    check("nonsense", (0, 1, 0));
    check("eval instant at 0 m +", (0, 1, 0));
}

#[test]
fn what_cannot_be_held_is_skipped() {
    check("load 1m\n  h {{count:1}}\n  m 1\n\neval instant at 0 h\n\neval instant at 0 m\n  m 1", (1, 0, 1));
    check("load_with_nhcb 1m\n  h_bucket{le=\"+Inf\"} 1\n\neval instant at 0 h", (0, 0, 1));
    check("eval instant at 0 vector(1)\n  {} {{}}", (0, 0, 1));
    check("load 1m\n  m@st -1m\n  m 1\n\neval instant at 0 m\n  m 1", (0, 0, 1));
}
