//! A relabelling rule as a file spells it, and the checks it must pass.

use super::{Action, Rule};
use crate::config::place;
use model::Problem;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// One entry of `relabel_configs`, `metric_relabel_configs`, `alert_relabel_configs`, `write_relabel_configs`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the file's own")]
pub struct RawRule {
    pub source_labels: Option<Vec<Spanned<String>>>,
    pub separator: Option<Spanned<String>>,
    pub regex: Option<Spanned<String>>,
    pub modulus: Option<Spanned<u64>>,
    pub target_label: Option<Spanned<String>>,
    pub replacement: Option<Spanned<String>>,
    pub action: Option<Spanned<String>>,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

/// Compiled expressions may take this much memory each.
const REGEX_SIZE_MAX: usize = 1 << 20;
const SEPARATOR: &str = ";";
const REGEX: &str = "(.*)";
const REPLACEMENT: &str = "$1";

/// Checks a list of rules; what is wrong goes to `problems`, and only a list without errors is of use.
pub fn resolve(
    raw: Option<Vec<Spanned<Option<RawRule>>>>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for rule in raw.unwrap_or_default() {
        let (line, column) = place(&rule);
        match rule.value {
            Some(raw) => rules.extend(raw.resolve((line, column), problems)),
            None => problems.push(Problem::error(
                line,
                column,
                format!("empty entry in {key}"),
                "remove it or write a rule",
            )),
        }
    }
    rules
}

impl RawRule {
    fn resolve(self, at: (u32, u32), problems: &mut Vec<Problem>) -> Option<Rule> {
        let action = match &self.action {
            None => Action::Replace,
            Some(word) => match ACTIONS.iter().find(|(name, _)| *name == word.value.to_lowercase()) {
                Some((_, action)) => *action,
                None => {
                    let known = ACTIONS.map(|(name, _)| name).join(", ");
                    let what = format!("unknown relabel action {:?}", word.value);
                    problems.push(at_place(word, what, format!("known actions: {known}")));
                    return None;
                }
            },
        };
        let before = problems.len();
        self.check(action, at, problems);
        let regex = self.regex(problems)?;
        if problems.len() > before {
            return None;
        }
        Some(Rule {
            action,
            source: self.source_labels.unwrap_or_default().into_iter().map(|name| name.value).collect(),
            separator: text(self.separator, SEPARATOR),
            regex,
            target: text(self.target_label, ""),
            replacement: text(self.replacement, REPLACEMENT),
            modulus: self.modulus.map_or(0, |modulus| modulus.value),
        })
    }

    fn check(&self, action: Action, at: (u32, u32), problems: &mut Vec<Problem>) {
        let name = ACTIONS.iter().find(|(_, a)| *a == action).map_or("", |(name, _)| name);
        let mut refuse = |what: String, remedy: &str| problems.push(Problem::error(at.0, at.1, what, remedy));
        let target = self.target_label.as_ref().map_or("", |target| target.value.as_str());
        let replaced = self.replacement.as_ref().is_some_and(|r| r.value != REPLACEMENT);
        let selects = self.regex.as_ref().is_some_and(|r| r.value != REGEX && !r.value.is_empty());
        let separated = self.separator.as_ref().is_some_and(|s| s.value != SEPARATOR);
        let modulus = self.modulus.as_ref().map_or(0, |m| m.value);

        let needs_target = matches!(
            action,
            Action::Replace
                | Action::HashMod
                | Action::Lowercase
                | Action::Uppercase
                | Action::KeepEqual
                | Action::DropEqual
        );
        if needs_target && target.is_empty() {
            refuse(format!("relabel action {name} requires target_label"), "add target_label: NAME");
        }
        if action == Action::HashMod && modulus == 0 {
            refuse("relabel action hashmod requires a modulus above zero".to_owned(), "add modulus: N");
        }
        if matches!(action, Action::Lowercase | Action::Uppercase) && replaced {
            refuse(format!("replacement cannot be set for relabel action {name}"), "remove replacement");
        }
        let equal = matches!(action, Action::KeepEqual | Action::DropEqual);
        if equal && (selects || modulus > 0 || separated || replaced) {
            let what = format!("relabel action {name} takes only source_labels and target_label");
            refuse(what, "remove the other keys");
        }
        let by_name = matches!(action, Action::LabelDrop | Action::LabelKeep);
        if by_name
            && (self.source_labels.is_some() || !target.is_empty() || modulus > 0 || separated || replaced)
        {
            refuse(format!("relabel action {name} takes only regex"), "remove the other keys");
        }
    }

    fn regex(&self, problems: &mut Vec<Problem>) -> Option<regex::Regex> {
        let pattern = self.regex.as_ref().map_or(REGEX, |regex| regex.value.as_str());
        let built = RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_SIZE_MAX).build();
        match (built, &self.regex) {
            (Ok(regex), _) => Some(regex),
            (Err(why), Some(given)) => {
                let why = why.to_string();
                let why = why.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
                problems.push(at_place(given, format!("bad regex {pattern:?}: {why}"), ""));
                None
            }
            (Err(_), None) => unreachable!("the default expression compiles"),
        }
    }
}

fn at_place<T>(value: &Spanned<T>, what: String, remedy: impl Into<String>) -> Problem {
    let (line, column) = place(value);
    Problem::error(line, column, what, remedy)
}

fn text(given: Option<Spanned<String>>, default: &str) -> String {
    given.map_or_else(|| default.to_owned(), |text| text.value)
}
