//! `escalations:` checked: every step tells somebody there is, and no policy turns around without waiting.

use super::raw::{EscalationConfig, StepConfig};
use super::{DURATION, error};
use crate::escalate::{Policies, Policy, Step, Tell, ready_made};
use crate::on_call::Schedules;
use model::{Problem, parse_duration};
use std::collections::BTreeSet;
use std::time::Duration;

/// The ready-made policies and those of the file, which may replace them.
pub(super) fn resolve(
    raw: &[EscalationConfig],
    receivers: &BTreeSet<&str>,
    schedules: &Schedules,
    problems: &mut Vec<Problem>,
) -> Policies {
    let mut policies = ready_made();
    let mut seen = BTreeSet::new();
    for config in raw {
        let name = &config.name.value;
        if name.is_empty() || name == "none" {
            problems.push(error(&config.name, "an escalation needs a name", "none means: no escalation"));
        }
        if !seen.insert(name) {
            let what = format!("escalation {name:?} is defined twice");
            problems.push(error(&config.name, what, "give each a name of its own"));
        }
        let steps = config.steps.iter().map(|raw| step(raw, receivers, schedules, problems));
        let steps: Vec<Step> = steps.collect();
        if steps.is_empty() {
            let what = format!("escalation {name:?} has no steps");
            problems.push(error(&config.name, what, "give it some, such as {notify: RECEIVER, wait: 5m}"));
        } else if steps.iter().all(|step| step.wait.is_zero()) && config.repeat != Some(0) {
            let what = format!("escalation {name:?} begins again without a wait");
            problems.push(error(&config.name, what, "give a step a wait such as 5m, or write repeat: 0"));
        }
        let repeat = config.repeat;
        policies.insert(name.clone(), Policy { name: name.clone(), steps, repeat });
    }
    policies
}

fn step(
    raw: &StepConfig,
    receivers: &BTreeSet<&str>,
    schedules: &Schedules,
    problems: &mut Vec<Problem>,
) -> Step {
    let tell = match (&raw.notify, &raw.on_call) {
        (Some(name), None) => {
            if !receivers.contains(name.value.as_str()) {
                let known: Vec<&str> = receivers.iter().copied().collect();
                let what = format!("undefined receiver {:?} used in an escalation", name.value);
                problems.push(error(name, what, format!("use one of: {}", known.join(", "))));
            }
            Tell::Receiver(name.value.clone())
        }
        (None, Some(name)) => {
            if !schedules.contains_key(&name.value) {
                let known: Vec<&str> = schedules.keys().map(String::as_str).collect();
                let what = format!("undefined schedule {:?} used in an escalation", name.value);
                let remedy = format!("define it under on_call:; there is: {}", known.join(", "));
                problems.push(error(name, what, remedy));
            }
            Tell::OnCall(name.value.clone())
        }
        (None, None) => Tell::Again,
        (Some(name), Some(_)) => {
            let what = "a step has both notify and on_call";
            problems.push(error(name, what, "make two steps of it, the first with wait: 0s"));
            Tell::Again
        }
    };
    let wait = parse_duration(&raw.wait.value).unwrap_or_else(|why| {
        problems.push(error(&raw.wait, format!("{:?} is not a duration: {}", why.text, why.why), DURATION));
        Duration::ZERO
    });
    Step { tell, wait }
}
