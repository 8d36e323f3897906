//! Rule files: from YAML text to checked groups, with every problem and its place.
//!
//! Strict as upstream: an unknown key, a bad duration, an expression or template that does not parse refuses
//! the file. Only the first YAML document counts.

use crate::spec::{GroupSpec, RuleKind, RuleSpec};
use model::{Level, Problem, is_classic_label_name, is_classic_metric_name};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Which characters a metric or label name may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// Letters, digits, underscore; colons in metric names.
    Legacy,
}

/// A rule file's groups, or everything that is wrong with it.
pub fn parse_file(name: &str, text: &str) -> Result<Vec<GroupSpec>, Vec<Problem>> {
    let (groups, problems) = read_file(name, text, Names::Utf8);
    if problems.iter().any(|problem| problem.level == Level::Error) { Err(problems) } else { Ok(groups) }
}

/// As [`parse_file`], with findings beside the groups. Groups are only whole if no problem is an error.
pub fn read_file(name: &str, text: &str, names: Names) -> (Vec<GroupSpec>, Vec<Problem>) {
    let raw = match first_document(text) {
        Ok(raw) => raw,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut check = Check { text, names, problems: Vec::new() };
    let groups = check.groups(name, raw.groups.unwrap_or_default());
    (groups, check.problems)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawFile {
    groups: Option<Vec<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Option<Spanned<String>>,
    interval: Option<Spanned<String>>,
    query_offset: Option<Spanned<String>>,
    limit: Option<Spanned<i64>>,
    labels: Option<RawLabels>,
    rules: Option<Vec<Spanned<RawRule>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    record: Option<Spanned<String>>,
    alert: Option<Spanned<String>>,
    expr: Option<Spanned<String>>,
    #[serde(rename = "for")]
    hold: Option<Spanned<String>>,
    keep_firing_for: Option<Spanned<String>>,
    labels: Option<RawLabels>,
    annotations: Option<RawLabels>,
}

type RawLabels = BTreeMap<String, Option<Spanned<String>>>;

fn first_document(text: &str) -> Result<RawFile, Problem> {
    let mut bytes = text.as_bytes();
    match serde_saphyr::read::<_, RawFile>(&mut bytes).next() {
        None => Ok(RawFile::default()),
        Some(Ok(raw)) => Ok(raw),
        Some(Err(err)) => Err(yaml_problem(&err)),
    }
}

pub(crate) fn yaml_problem(err: &serde_saphyr::Error) -> Problem {
    let bare = err.without_snippet();
    let (line, column) = bare.location().map_or((0, 0), place);
    let what = bare.to_string();
    let what = what.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
    Problem::error(line, column, what, "")
}

pub(crate) fn place(location: Location) -> (u32, u32) {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (small(location.line()), small(location.column()))
}

struct Check<'a> {
    text: &'a str,
    names: Names,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn error(&mut self, (line, column): (u32, u32), what: impl Into<String>, remedy: &str) {
        self.problems.push(Problem::error(line, column, what, remedy));
    }

    fn groups(&mut self, file: &str, raw: Vec<RawGroup>) -> Vec<GroupSpec> {
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        for group in raw {
            let Some(name) = group.name.filter(|name| !name.value.is_empty()) else {
                self.error((0, 0), "a group has no name", "add name: to each group");
                continue;
            };
            if !seen.insert(name.value.clone()) {
                let what = format!("groupname: {:?} is repeated in the same file", name.value);
                self.error(place(name.referenced), what, "rename one of the groups");
            }
            let shared = self.labels(group.labels, "label");
            groups.push(GroupSpec {
                file: file.to_owned(),
                name: name.value,
                interval: self.duration(&group.interval, "interval").filter(|d| !d.is_zero()),
                query_offset: self.duration(&group.query_offset, "query_offset"),
                limit: group.limit.map_or(0, |limit| usize::try_from(limit.value).unwrap_or(0)),
                rules: self.rules(group.rules.unwrap_or_default(), &shared),
            });
        }
        groups
    }

    fn rules(&mut self, raw: Vec<Spanned<RawRule>>, shared: &[(String, Spanned<String>)]) -> Vec<RuleSpec> {
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for rule in raw {
            let at = place(rule.referenced);
            let Some(rule) = self.rule(rule.value, at, shared) else { continue };
            let same = (rule.name.clone(), rule.is_alerting(), rule.labels.clone());
            if !seen.insert(same) {
                let what =
                    format!("another rule of this group has the name {:?} and the same labels", rule.name);
                self.problems.push(Problem::finding(
                    at.0,
                    at.1,
                    what,
                    "give one of them another label or name",
                ));
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(
        &mut self,
        raw: RawRule,
        at: (u32, u32),
        shared: &[(String, Spanned<String>)],
    ) -> Option<RuleSpec> {
        let given = |text: Option<Spanned<String>>| text.filter(|text| !text.value.is_empty());
        let (name, alerting) = match (given(raw.record), given(raw.alert)) {
            (Some(_), Some(alert)) => {
                let what = "only one of 'record' and 'alert' must be set";
                self.error(place(alert.referenced), what, "remove one of them");
                return None;
            }
            (None, None) => {
                self.error(
                    at,
                    "one of 'record' or 'alert' must be set",
                    "name what the rule records or alerts",
                );
                return None;
            }
            (Some(record), None) => (record, false),
            (None, Some(alert)) => (alert, true),
        };
        let own = self.labels(raw.labels, "label");
        let notes = self.labels(raw.annotations, "annotation");
        let hold = self.duration(&raw.hold, "for").unwrap_or_default();
        let keep_firing = self.duration(&raw.keep_firing_for, "keep_firing_for").unwrap_or_default();
        let labels = merged(shared, own);
        if alerting {
            for (key, text) in labels.iter().chain(&notes) {
                self.template(&name.value, key, text);
            }
        } else {
            self.recording_name(&name);
            let first = notes.first().map(|(_, text)| place(text.referenced));
            let hold_at = raw.hold.as_ref().map(|text| place(text.referenced));
            let keep_at = raw.keep_firing_for.as_ref().map(|text| place(text.referenced));
            for (field, misplaced, at) in [
                ("annotations", !notes.is_empty(), first),
                ("for", !hold.is_zero(), hold_at),
                ("keep_firing_for", !keep_firing.is_zero(), keep_at),
            ] {
                if misplaced {
                    let what = format!("invalid field '{field}' in recording rule");
                    self.error(at.unwrap_or_default(), what, "remove it, or write alert: instead of record:");
                }
            }
        }
        let expr = self.expr(given(raw.expr), at)?;
        let plain = |pairs: Vec<(String, Spanned<String>)>| -> Vec<(String, String)> {
            pairs.into_iter().map(|(name, text)| (name, text.value)).collect()
        };
        let annotations = plain(notes);
        let kind = if alerting {
            RuleKind::Alerting { hold, keep_firing, annotations }
        } else {
            RuleKind::Recording
        };
        Some(RuleSpec { name: name.value, expr, labels: plain(labels), kind })
    }

    fn recording_name(&mut self, name: &Spanned<String>) {
        let at = place(name.referenced);
        let text = &name.value;
        if text.contains(['{', '}']) {
            let what = format!("braces present in the recording rule name; should it be in expr?: {text}");
            self.error(at, what, "move the selector to expr: or labels:");
        } else if self.names == Names::Legacy && !is_classic_metric_name(text) {
            let what = format!("invalid recording rule name: {text}");
            self.error(at, what, "use letters, digits, underscores and colons");
        }
    }

    fn labels(&mut self, raw: Option<RawLabels>, what: &str) -> Vec<(String, Spanned<String>)> {
        let mut pairs = Vec::new();
        for (name, text) in raw.unwrap_or_default() {
            let text =
                text.unwrap_or_else(|| Spanned::new(String::new(), Location::UNKNOWN, Location::UNKNOWN));
            let sound = match self.names {
                Names::Utf8 => !name.is_empty(),
                Names::Legacy => is_classic_label_name(&name),
            };
            if !sound || (what == "label" && name == model::METRIC_NAME) {
                let remedy = "use letters, digits and underscores, not starting with a digit";
                self.error(place(text.referenced), format!("invalid {what} name: {name}"), remedy);
            }
            pairs.push((name, text));
        }
        pairs
    }

    fn duration(&mut self, text: &Option<Spanned<String>>, field: &str) -> Option<Duration> {
        let text = text.as_ref()?;
        match model::parse_duration(&text.value) {
            Ok(duration) => Some(duration),
            Err(err) => {
                let whole = format!("{field}: {err}");
                let (what, remedy) = whole.split_once("; ").unwrap_or((&whole, ""));
                self.error(place(text.referenced), what, remedy);
                None
            }
        }
    }

    fn template(&mut self, rule: &str, key: &str, text: &Spanned<String>) {
        if let Err(err) = template::check_rule(&text.value) {
            let what = format!("template of {key:?} of alert {rule:?}: {err}");
            self.error(
                place(text.defined),
                what,
                "the variables are $labels, $value, $externalLabels, $externalURL",
            );
        }
    }

    fn expr(&mut self, text: Option<Spanned<String>>, at: (u32, u32)) -> Option<promql::Expr> {
        let Some(text) = text else {
            self.error(at, "field 'expr' must be set in rule", "add expr:");
            return None;
        };
        match promql::parse(&text.value) {
            Ok(expr) => Some(expr),
            Err(err) => {
                // A literal scalar's place is that of its first line that is not blank.
                let blank = text.value.bytes().take_while(|b| *b == b'\n').count() as u32;
                let at = inside(self.text, text.defined, err.line.saturating_sub(blank).max(1), err.column);
                self.error(at, format!("parse error in expr: {}", err.what), "");
                None
            }
        }
    }
}

fn merged(
    shared: &[(String, Spanned<String>)],
    own: Vec<(String, Spanned<String>)>,
) -> Vec<(String, Spanned<String>)> {
    let mut labels: BTreeMap<String, Spanned<String>> = shared.iter().cloned().collect();
    labels.extend(own);
    labels.into_iter().collect()
}

/// Where in the file the place `line:column` of a scalar's content is. Exact for plain, quoted and literal
/// scalars of one line, and for literal ones of several; else the scalar's own place.
fn inside(text: &str, scalar: Location, line: u32, column: u32) -> (u32, u32) {
    let (at_line, at_column) = place(scalar);
    let before: Vec<&str> = text.lines().take(at_line as usize).collect();
    let Some((own, earlier)) = before.split_last() else { return (at_line, at_column) };
    let indent = (at_column as usize).saturating_sub(1);
    let starts_line = own.chars().take(indent).all(|c| c == ' ');
    let header = earlier.iter().rev().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
    let header = header.trim_end().trim_end_matches(|c: char| matches!(c, '-' | '+') || c.is_ascii_digit());
    match (own.chars().nth(indent), line) {
        _ if starts_line && header.ends_with(" |") => (at_line + line - 1, at_column + column - 1),
        _ if starts_line && header.ends_with(" >") => (at_line, at_column),
        (Some('"' | '\''), 1) => (at_line, at_column + column),
        (_, 1) => (at_line, at_column + column - 1),
        _ => (at_line, at_column),
    }
}

#[cfg(test)]
mod tests;
