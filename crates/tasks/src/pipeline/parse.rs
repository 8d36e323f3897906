//! Reads a pipeline from a task's payload: every step sound by itself, every name known, no step waiting for
//! itself.

use crate::{Refusal, approval, template};
use model::{OnFailure, Step};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The most steps of one pipeline.
pub const STEPS_MAX: usize = 100;
/// The longest one step's attempt may take.
const TIMEOUT_MAX_SECS: f64 = 86_400.0;
/// The most tries after the first.
const RETRIES_MAX: u64 = 10;
/// The keys of a step.
const KEYS: [&str; 11] = [
    "id",
    "uses",
    "with",
    "save_as",
    "if",
    "timeout_seconds",
    "max_retries",
    "approval",
    "foreach",
    "needs",
    "on_failure",
];

/// Reads `{params, pipeline: [step]}`. Unknown keys beside `params` and `pipeline` are kept out of the way: the
/// documents put notes there.
pub(crate) fn parse(payload: &Value, retries: u32, timeout: Duration) -> Result<(Value, Vec<Step>), Refusal> {
    let Value::Object(payload) = payload else {
        return Err(Refusal::invalid("payload", "must be an object with a list `pipeline`"));
    };
    let params = payload.get("params").cloned().unwrap_or_else(|| json!({}));
    let steps = match payload.get("pipeline") {
        None => &[][..],
        Some(Value::Array(steps)) => steps,
        Some(_) => return Err(Refusal::invalid("payload.pipeline", "must be a list of steps")),
    };
    if steps.len() > STEPS_MAX {
        return Err(Refusal::invalid("payload.pipeline", format!("has more than {STEPS_MAX} steps")));
    }
    let (mut parsed, mut names) = (Vec::with_capacity(steps.len()), BTreeSet::new());
    for (i, step) in steps.iter().enumerate() {
        let place = format!("payload.pipeline[{i}]");
        let step = parse_step(step, &place, retries, timeout)?;
        for name in std::iter::once(&step.id).chain(step.save_as.iter().filter(|name| **name != step.id)) {
            if !names.insert(name.clone()) {
                return Err(Refusal::invalid(place, format!("uses the name {name:?} again")));
            }
        }
        parsed.push(step);
    }
    check_handlers(&parsed)?;
    check_needs(&parsed)?;
    Ok((params, parsed))
}

fn parse_step(step: &Value, place: &str, retries: u32, timeout: Duration) -> Result<Step, Refusal> {
    let bad = |key: &str, what: String| Refusal::invalid(format!("{place}.{key}"), what);
    let Value::Object(step) = step else { return Err(Refusal::invalid(place, "must be an object")) };
    if let Some(key) = step.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(bad(key, format!("is not a key of a step; known: {}", KEYS.join(", "))));
    }
    let with = match step.get("with") {
        None | Some(Value::Null) => json!({}),
        Some(with @ Value::Object(_)) => with.clone(),
        Some(_) => return Err(bad("with", "must be an object".to_owned())),
    };
    template::check(&with).map_err(|why| bad("with", why.to_string()))?;
    let expression = |key: &str| -> Result<Option<String>, Refusal> {
        let text = word(step, key, place)?;
        if let Some(text) = &text {
            template::check_condition(text).map_err(|why| bad(key, why.to_string()))?;
        }
        Ok(text)
    };
    let timeout = match step.get("timeout_seconds") {
        None | Some(Value::Null) => timeout,
        Some(value) => match value.as_f64().filter(|secs| *secs > 0.0 && *secs <= TIMEOUT_MAX_SECS) {
            Some(secs) => Duration::from_secs_f64(secs),
            None => {
                let what = format!("must be above 0 and at most {TIMEOUT_MAX_SECS}");
                return Err(bad("timeout_seconds", what));
            }
        },
    };
    let max_retries = match step.get("max_retries") {
        None | Some(Value::Null) => retries,
        Some(value) => match value.as_u64().filter(|n| *n <= RETRIES_MAX) {
            Some(n) => n as u32,
            None => {
                return Err(bad("max_retries", format!("must be a whole number from 0 to {RETRIES_MAX}")));
            }
        },
    };
    let on_failure =
        OnFailure::from_json(step.get("on_failure").unwrap_or(&Value::Null)).ok_or_else(|| {
            bad("on_failure", "must be stop, continue, a step's id or a list of steps' ids".to_owned())
        })?;
    Ok(Step {
        id: word(step, "id", place)?.ok_or_else(|| bad("id", "is missing".to_owned()))?,
        uses: word(step, "uses", place)?.ok_or_else(|| bad("uses", "is missing".to_owned()))?,
        with,
        save_as: word(step, "save_as", place)?,
        condition: expression("if")?,
        timeout,
        max_retries,
        approval: approval::read_wish(
            step.get("approval").unwrap_or(&Value::Null),
            &format!("{place}.approval"),
        )?,
        foreach: expression("foreach")?,
        needs: words(step, "needs", place)?,
        on_failure,
    })
}

/// A text that is not empty, or nothing.
fn word(step: &Map<String, Value>, key: &str, place: &str) -> Result<Option<String>, Refusal> {
    match step.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= 2_000 => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::invalid(
            format!("{place}.{key}"),
            "must be a text, not empty, of at most 2000 bytes",
        )),
    }
}

/// A list of texts; one text may stand without its list.
fn words(step: &Map<String, Value>, key: &str, place: &str) -> Result<Vec<String>, Refusal> {
    let fail = || Refusal::invalid(format!("{place}.{key}"), "must be a list of steps' ids");
    match step.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) if items.len() <= STEPS_MAX => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(fail)).collect()
        }
        Some(_) => Err(fail()),
    }
}

/// Steps that are there for a failure stand outside the order of the others.
fn check_handlers(steps: &[Step]) -> Result<(), Refusal> {
    let place = |of: &str, key: &str| {
        let i = steps.iter().position(|step| step.id == of).unwrap_or_default();
        format!("payload.pipeline[{i}].{key}")
    };
    let handlers = super::handlers(steps);
    for step in steps {
        if let OnFailure::Run(ids) = &step.on_failure {
            if handlers.contains(step.id.as_str()) {
                let what = "a step that another one's on_failure names cannot name further ones";
                return Err(Refusal::invalid(place(&step.id, "on_failure"), what));
            }
            if let Some(id) = ids.iter().find(|id| !steps.iter().any(|other| other.id == **id)) {
                let what = format!("there is no step {id:?}");
                return Err(Refusal::invalid(place(&step.id, "on_failure"), what));
            }
        }
        if handlers.contains(step.id.as_str()) && !step.needs.is_empty() {
            let what = "a step that an on_failure names runs after that failure and can need nothing else";
            return Err(Refusal::invalid(place(&step.id, "needs"), what));
        }
        if let Some(id) = step.needs.iter().find(|id| handlers.contains(id.as_str())) {
            let what = format!("{id:?} runs only after a failure; nothing can need it");
            return Err(Refusal::invalid(place(&step.id, "needs"), what));
        }
    }
    Ok(())
}

fn check_needs(steps: &[Step]) -> Result<(), Refusal> {
    let by_id: BTreeMap<&str, usize> =
        steps.iter().enumerate().map(|(i, step)| (step.id.as_str(), i)).collect();
    for (i, step) in steps.iter().enumerate() {
        for (j, need) in step.needs.iter().enumerate() {
            if !by_id.contains_key(need.as_str()) {
                let place = format!("payload.pipeline[{i}].needs[{j}]");
                return Err(Refusal::invalid(place, format!("there is no step {need:?}")));
            }
        }
    }
    let mut seen = vec![Seen::Not; steps.len()];
    for start in 0..steps.len() {
        let mut path = vec![(start, 0usize)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            let need = steps[at].needs.get(*next).and_then(|need| by_id.get(need.as_str())).copied();
            *next += 1;
            seen[at] = if need.is_some() { Seen::OnPath } else { Seen::Sound };
            match need {
                None => {
                    path.pop();
                }
                Some(need) if seen[need] == Seen::OnPath => return Err(cycle(steps, &path, need)),
                Some(need) if seen[need] == Seen::Not => path.push((need, 0)),
                Some(_) => {}
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Not,
    OnPath,
    Sound,
}

fn cycle(steps: &[Step], path: &[(usize, usize)], closes: usize) -> Refusal {
    let from = path.iter().position(|(at, _)| *at == closes).unwrap_or_default();
    let mut ids: Vec<&str> = path[from..].iter().map(|(at, _)| steps[*at].id.as_str()).collect();
    ids.push(&steps[closes].id);
    let what = format!("the steps wait for one another: {}", ids.join(" needs "));
    Refusal::invalid(format!("payload.pipeline[{closes}].needs"), what)
}
