//! The forms of exposition a target can be asked for.

use super::error;
use crate::exposition::Format;
use model::Problem;
use serde_saphyr::Spanned;

/// A form of exposition that a target can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// Text 1.0.0.
    Text1,
    /// Text 0.0.4.
    Text0,
    /// Protobuf: known by name, never asked for.
    Protobuf,
}

const PROTOCOLS: [(&str, Protocol); 5] = [
    ("OpenMetricsText1.0.0", Protocol::OpenMetrics1),
    ("OpenMetricsText0.0.1", Protocol::OpenMetrics0),
    ("PrometheusText1.0.0", Protocol::Text1),
    ("PrometheusText0.0.4", Protocol::Text0),
    ("PrometheusProto", Protocol::Protobuf),
];

impl Protocol {
    /// Prometheus's order.
    pub const DEFAULT: [Protocol; 4] =
        [Protocol::OpenMetrics1, Protocol::OpenMetrics0, Protocol::Text1, Protocol::Text0];

    pub(super) fn parse(given: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<Protocol> {
        let found = PROTOCOLS.iter().find(|(name, _)| *name == given.value).map(|(_, protocol)| *protocol);
        if found.is_none() {
            let known = PROTOCOLS.map(|(name, _)| name).join(", ");
            let what = format!("unknown scrape protocol {:?}", given.value);
            problems.push(error(given, what, format!("known: {known}")));
        }
        found
    }

    pub(super) fn resolve(
        given: Option<&Spanned<Vec<Spanned<String>>>>,
        inherited: &[Protocol],
        problems: &mut Vec<Problem>,
    ) -> Vec<Protocol> {
        let Some(given) = given else { return inherited.to_vec() };
        if given.value.is_empty() {
            problems.push(error(given, "scrape_protocols is empty", "remove it or name at least one"));
        }
        let mut protocols = Vec::new();
        for one in &given.value {
            let Some(protocol) = Protocol::parse(one, problems) else { continue };
            if protocols.contains(&protocol) {
                problems.push(error(one, format!("{:?} is listed twice", one.value), "remove one"));
            }
            protocols.push(protocol);
        }
        protocols
    }

    pub(super) fn format(self) -> Option<Format> {
        match self {
            Protocol::OpenMetrics1 | Protocol::OpenMetrics0 => Some(Format::OpenMetrics),
            Protocol::Text1 | Protocol::Text0 => Some(Format::Text),
            Protocol::Protobuf => None,
        }
    }

    pub(super) fn media(self, escaping: &str) -> Option<String> {
        let (media, escaped) = match self {
            Protocol::OpenMetrics1 => ("application/openmetrics-text;version=1.0.0", true),
            Protocol::OpenMetrics0 => ("application/openmetrics-text;version=0.0.1", false),
            Protocol::Text1 => ("text/plain;version=1.0.0", true),
            Protocol::Text0 => ("text/plain;version=0.0.4", false),
            Protocol::Protobuf => return None,
        };
        Some(if escaped { format!("{media};escaping={escaping}") } else { media.to_owned() })
    }
}
