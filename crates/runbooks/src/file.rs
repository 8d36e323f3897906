//! Runbook files: from YAML text to a checked runbook, with every problem and its place.

use crate::condition::Condition;
use crate::fill;
use crate::matchers;
use crate::runbook::{RemedySpec, Runbook, Step, Verify};
use model::{Level, Matcher, Problem, Risk};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// A page waits this long for its diagnosis; a step that may take longer is worth a remark.
const PAGE_WAITS: Duration = Duration::from_secs(5);
/// The timeout of a step that does not say. Longer than the page waits: what comes late amends it.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// A runbook has at most this many steps of one sort.
const STEPS_MAX: usize = 20;
/// Words of deeds that never happen by themselves.
const GRAVE: [&str; 3] = ["kill", "delete", "flush"];

/// A runbook, or everything that is wrong with the file. `name` is the file's, used if it names no runbook.
pub fn parse(name: &str, text: &str) -> Result<Runbook, Vec<Problem>> {
    let raw: Raw = serde_saphyr::from_str(text).map_err(|err| vec![yaml_problem(&err)])?;
    let mut check = Check::default();
    let runbook = check.runbook(name, raw);
    if check.problems.iter().any(|problem| problem.level == Level::Error) {
        return Err(check.problems);
    }
    Ok(runbook)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Option<Spanned<String>>,
    #[serde(rename = "match")]
    matches: Option<Vec<Spanned<String>>>,
    respond_within: Option<Spanned<String>>,
    impact: Option<String>,
    diagnose: Option<Vec<Spanned<RawStep>>>,
    conclude: Option<Vec<RawConclusion>>,
    remedy: Option<Vec<Spanned<RawRemedy>>>,
    verify: Option<Spanned<RawVerify>>,
    rollback: Option<Vec<Spanned<RawStep>>>,
    escalate: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: Option<Spanned<String>>,
    uses: Option<Spanned<String>>,
    with: Option<Spanned<Value>>,
    timeout: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConclusion {
    #[serde(rename = "if")]
    condition: Spanned<String>,
    cause: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRemedy {
    id: Option<Spanned<String>>,
    uses: Option<Spanned<String>>,
    with: Option<Spanned<Value>>,
    timeout: Option<Spanned<String>>,
    risk: Option<Spanned<String>>,
    approval: Option<Value>,
    cooldown: Option<Spanned<String>>,
    max_per_hour: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVerify {
    expr: Spanned<String>,
    within: Option<Spanned<String>>,
}

fn place(location: Location) -> (u32, u32) {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (small(location.line()), small(location.column()))
}

fn yaml_problem(err: &serde_saphyr::Error) -> Problem {
    let bare = err.without_snippet();
    let (line, column) = bare.location().map_or((0, 0), place);
    let what = bare.to_string();
    let what = what.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
    Problem::error(line, column, what, "")
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
    ids: Vec<String>,
}

impl Check {
    fn error(&mut self, (line, column): (u32, u32), what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::error(line, column, what, remedy));
    }

    fn runbook(&mut self, file: &str, raw: Raw) -> Runbook {
        let matchers = self.matchers(raw.matches.unwrap_or_default());
        let respond_within = self.duration("respond_within", raw.respond_within.as_ref());
        let raw_steps = raw.diagnose.unwrap_or_default();
        let says: Vec<bool> = raw_steps.iter().map(|step| step.value.timeout.is_some()).collect();
        let diagnose = self.steps("diagnose", raw_steps);
        for (step, says) in diagnose.iter().zip(says) {
            if says && step.timeout > PAGE_WAITS {
                let (line, column) = step.place;
                let what = format!("step {:?} may take longer than the page waits for it (5s)", step.id);
                self.problems.push(Problem::finding(line, column, what, "give it a timeout of at most 5s"));
            }
        }
        let diagnosed = std::mem::take(&mut self.ids);
        let conclude = self.conclusions(raw.conclude.unwrap_or_default(), &diagnosed);
        let remedy = self.remedies(raw.remedy.unwrap_or_default());
        let rollback = self.steps("rollback", raw.rollback.unwrap_or_default());
        let verify = raw.verify.and_then(|verify| self.verify(verify.value));
        let escalate = raw.escalate.map_or(Value::Null, |escalate| {
            if !escalate.value.is_object() && !escalate.value.is_null() {
                self.error(
                    place(escalate.referenced),
                    "escalate is not a mapping",
                    "write escalate: {KEY: VALUE}",
                );
            }
            escalate.value
        });
        let name = raw.name.map(|name| name.value).filter(|name| !name.is_empty());
        Runbook {
            name: name.unwrap_or_else(|| stem(file).to_owned()),
            matchers,
            respond_within,
            impact: raw.impact.unwrap_or_default(),
            diagnose,
            remedy,
            verify,
            rollback,
            escalate,
            conclude,
        }
    }

    fn matchers(&mut self, raw: Vec<Spanned<String>>) -> Vec<Matcher> {
        if raw.is_empty() {
            self.error((1, 1), "the runbook matches no alert", "add match: ['alertname=\"NAME\"']");
        }
        let mut matchers = Vec::new();
        for text in raw {
            match matchers::parse(&text.value) {
                Ok(found) => matchers.extend(found),
                Err(what) => {
                    let what = format!("bad matcher {:?}: {what}", text.value);
                    self.error(
                        place(text.referenced),
                        what,
                        "write LABEL=\"VALUE\", or =~ with an expression",
                    );
                }
            }
        }
        matchers
    }

    fn steps(&mut self, section: &str, raw: Vec<Spanned<RawStep>>) -> Vec<Step> {
        if raw.len() > STEPS_MAX {
            let at = place(raw[STEPS_MAX].referenced);
            self.error(
                at,
                format!("{section} has more than {STEPS_MAX} steps"),
                "leave out the less telling ones",
            );
        }
        raw.into_iter().map(|raw| self.step(place(raw.referenced), raw.value)).collect()
    }

    fn step(&mut self, at: (u32, u32), raw: RawStep) -> Step {
        let id = raw.id.as_ref().map_or("", |id| id.value.as_str()).to_owned();
        let id_at = raw.id.as_ref().map_or(at, |id| place(id.referenced));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if id.is_empty() {
            self.error(id_at, "a step has no id", "add id: NAME");
        } else if !id.chars().all(plain) {
            self.error(id_at, format!("bad step id {id:?}"), "use letters, digits, - and _");
        } else if self.ids.contains(&id) {
            self.error(id_at, format!("step id {id:?} is used twice"), "rename one of the steps");
        }
        self.ids.push(id.clone());
        let uses = raw.uses.as_ref().map_or("", |uses| uses.value.as_str()).to_owned();
        let uses_at = raw.uses.as_ref().map_or(at, |uses| place(uses.referenced));
        if uses.is_empty() {
            self.error(uses_at, format!("step {id:?} does not say what it uses"), "add uses: KIND");
        }
        let timeout = self.duration("timeout", raw.timeout.as_ref()).filter(|timeout| !timeout.is_zero());
        let with = self.with(raw.with);
        Step { id, uses, with, timeout: timeout.unwrap_or(STEP_TIMEOUT), place: uses_at }
    }

    fn with(&mut self, raw: Option<Spanned<Value>>) -> Value {
        let empty = Value::Object(serde_json::Map::new());
        let Some(raw) = raw else { return empty };
        let at = place(raw.referenced);
        if raw.value.is_null() {
            return empty;
        }
        if !raw.value.is_object() {
            self.error(at, "with is not a mapping", "write with: {NAME: VALUE}");
            return empty;
        }
        let mut names = Vec::new();
        fill::names(&raw.value, &mut names);
        for name in names {
            let root = ["labels.", "annotations."].into_iter().find(|root| name.starts_with(root));
            if root.is_none_or(|root| root == name) {
                let what = format!("nothing is known as ${{{name}}} here");
                self.error(at, what, "use ${labels.NAME} or ${annotations.NAME}");
            }
        }
        raw.value
    }

    fn conclusions(&mut self, raw: Vec<RawConclusion>, steps: &[String]) -> Vec<(Condition, String)> {
        let mut conclusions = Vec::new();
        for conclusion in raw {
            let (line, column) = place(conclusion.condition.referenced);
            match Condition::parse(&conclusion.condition.value) {
                Ok(condition) => {
                    let mut asked = Vec::new();
                    condition.steps(&mut asked);
                    if let Some(unknown) = asked.iter().find(|step| !steps.iter().any(|known| known == *step))
                    {
                        let remedy = format!("the diagnose steps are {}", steps.join(", "));
                        self.error((line, column), format!("there is no diagnose step {unknown:?}"), remedy);
                    }
                    self.cause(&conclusion.cause, steps);
                    conclusions.push((condition, conclusion.cause.value));
                }
                Err(fault) => {
                    let column = column.saturating_add(u32::try_from(fault.at).unwrap_or(u32::MAX));
                    let remedy = "write STEP =~ \"EXPRESSION\", joined by and, or, not";
                    self.error((line, column), format!("bad condition: {}", fault.what), remedy);
                }
            }
        }
        conclusions
    }

    fn cause(&mut self, cause: &Spanned<String>, steps: &[String]) {
        let mut names = Vec::new();
        fill::names_of_text(&cause.value, &mut names);
        for name in names {
            let (step, part) = name.split_once('.').unwrap_or((&name, "output"));
            if !steps.iter().any(|known| known == step) || !matches!(part, "output" | "state") {
                let what = format!("nothing is known as ${{{name}}} here");
                self.error(place(cause.referenced), what, "use ${STEP.output} or ${STEP.state}");
            }
        }
    }

    fn remedies(&mut self, raw: Vec<Spanned<RawRemedy>>) -> Vec<RemedySpec> {
        let mut remedies = Vec::new();
        for remedy in raw {
            let (at, raw) = (place(remedy.referenced), remedy.value);
            let risk = self.risk(raw.risk.as_ref());
            let step = RawStep { id: raw.id, uses: raw.uses, with: raw.with, timeout: raw.timeout };
            let step = self.step(at, step);
            let deed = format!("{} {} {}", step.id, step.uses, step.with).to_lowercase();
            if let Some(word) = GRAVE.iter().find(|word| risk == Risk::Safe && deed.contains(**word)) {
                let what = format!("remedy {:?} speaks of {word}, which is never safe", step.id);
                self.error(at, what, "write risk: caution");
            }
            let cooldown = self.duration("cooldown", raw.cooldown.as_ref()).unwrap_or_default();
            remedies.push(RemedySpec {
                step,
                risk,
                cooldown,
                max_per_hour: raw.max_per_hour.map_or(0, |n| n.value),
                approval: raw.approval.unwrap_or(Value::Null),
            });
        }
        remedies
    }

    fn risk(&mut self, text: Option<&Spanned<String>>) -> Risk {
        match text.map(|text| text.value.as_str()) {
            None | Some("caution") => Risk::Caution,
            Some("safe") => Risk::Safe,
            Some("never") => Risk::Never,
            Some(other) => {
                let at = text.map_or((0, 0), |text| place(text.referenced));
                self.error(at, format!("unknown risk {other:?}"), "write safe, caution or never");
                Risk::Never
            }
        }
    }

    fn verify(&mut self, raw: RawVerify) -> Option<Verify> {
        let within = self.duration("within", raw.within.as_ref()).unwrap_or(Duration::from_secs(60));
        match promql::parse(&raw.expr.value) {
            Ok(expr) => Some(Verify { expr, within }),
            Err(err) => {
                self.error(place(raw.expr.referenced), format!("parse error in expr: {}", err.what), "");
                None
            }
        }
    }

    fn duration(&mut self, field: &str, text: Option<&Spanned<String>>) -> Option<Duration> {
        let text = text?;
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
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests;
