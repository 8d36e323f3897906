//! `/proc/meminfo`: every line is a metric.

use super::{Host, Sink};

pub(super) fn meminfo(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    for line in host.proc_text("meminfo")?.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let mut words = rest.split_ascii_whitespace();
        let Some(value) = words.next().and_then(|word| word.parse::<f64>().ok()) else { continue };
        let key = key.replace('(', "_").replace(')', "");
        match words.next() {
            Some("kB") => sink(&format!("node_memory_{key}_bytes"), &[], value * 1024.0),
            _ => sink(&format!("node_memory_{key}"), &[], value),
        }
    }
    Some(())
}
