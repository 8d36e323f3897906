//! What differs between two JSON values, place by place.

use serde_json::Value;

/// Differences that are told one by one; beyond it the whole is told as one.
const DIFFERENCES_MAX: usize = 100;

/// One place that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where, as a JSON pointer; empty: the whole.
    pub path: String,
    /// What was there, if anything.
    pub before: Option<Value>,
    /// What is there, if anything.
    pub after: Option<Value>,
}

/// Every place where `after` is not as `before`.
pub fn diff(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut String::new(), Some(before), Some(after), &mut found);
    if found.len() > DIFFERENCES_MAX {
        let whole = (Some(before.clone()), Some(after.clone()));
        found = vec![Difference { path: String::new(), before: whole.0, after: whole.1 }];
    }
    found
}

fn walk(path: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after || found.len() > DIFFERENCES_MAX {
        return;
    }
    let mut inner = |key: &str, before: Option<&Value>, after: Option<&Value>| {
        let len = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        walk(path, before, after, found);
        path.truncate(len);
    };
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            old.iter().for_each(|(key, value)| inner(key, Some(value), new.get(key)));
            let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
            added.for_each(|(key, value)| inner(key, None, Some(value)));
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let longest = old.len().max(new.len());
            (0..longest).for_each(|i| inner(&i.to_string(), old.get(i), new.get(i)));
        }
        _ => found.push(Difference { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_that_differs() {
        let check = |before: Value, after: Value, wanted: &[(&str, Option<Value>, Option<Value>)]| {
            let found: Vec<_> =
                diff(&before, &after).into_iter().map(|one| (one.path, one.before, one.after)).collect();
            let wanted: Vec<_> =
                wanted.iter().map(|(path, b, a)| ((*path).to_owned(), b.clone(), a.clone())).collect();
            assert_eq!(found, wanted, "{before} {after}");
        };
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(json!({"a": 1}), json!({"a": 2}), &[("/a", Some(json!(1)), Some(json!(2)))]);
        check(
            json!({"a": {"b/c": 1}, "gone": null}),
            json!({"a": {"b/c": 1, "~": 2}, "l": []}),
            &[
                ("/a/~0", None, Some(json!(2))),
                ("/gone", Some(json!(null)), None),
                ("/l", None, Some(json!([]))),
            ],
        );
        check(
            json!([1, 2]),
            json!([1, 3, 4]),
            &[("/1", Some(json!(2)), Some(json!(3))), ("/2", None, Some(json!(4)))],
        );
        check(json!({}), json!(7), &[("", Some(json!({})), Some(json!(7)))]);
        let many: Vec<u32> = (0..500).collect();
        let found = diff(&json!([]), &json!(many));
        assert_eq!((found.len(), found[0].path.as_str()), (1, ""));
    }
}
