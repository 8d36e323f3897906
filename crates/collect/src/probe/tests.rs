//! Probes as files write them, and what is wrong with some.

use super::*;
use model::Problem;

#[test]
fn refuses_with_place_and_remedy() {
    for (yaml, want) in [
        ("tcp: h:1", "1:1: error: a probe has no name; add name: NAME"),
        (
            "name: a",
            "1:1: error: a probe asks one of redis, postgres, http, tcp; add one, such as tcp: HOST:PORT",
        ),
        ("{name: a, tcp: 'h:1', redis: 'h:1'}", "asks one of redis, postgres, http, tcp; keep one of them"),
        ("name: a\ntcp: h", "2:6: error: \"h\" is no address: the port must be a number from 1 to 65535"),
        ("name: a\ntcp: h:1\ninterval: 5", "3:11: error: \"5\" is not a duration"),
        ("name: a\ntcp: h:1\ninterval: 5s\ntimeout: 6s", "4:10: error: a probe's timeout is above zero"),
        ("name: a\nhttp: ftp://x", "2:7: error: \"ftp://x\" is no URL"),
    ] {
        let raw: ProbeConfig = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Vec::new();
        assert!(raw.resolve((1, 1), &mut problems).is_none(), "{yaml}");
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains(want)), "{yaml}: {problems:?}");
    }
}
