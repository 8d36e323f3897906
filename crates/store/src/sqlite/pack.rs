//! Alerts in one blob, one after the other: lengths and texts of their labels and annotations, their times, and the URL unless it
//! is that of the one before. Numbers are little endian.

use model::{Alert, Labels, Timestamp};
use std::sync::Arc;

/// Stands for an alert without an end.
const NO_END: i64 = i64::MIN;
/// Stands for the URL of the alert before.
const SAME: u32 = u32::MAX;

pub(super) fn pack(alerts: &[&Alert]) -> Vec<u8> {
    let texts = |alert: &&Alert| alert.labels.as_bytes().len() + alert.annotations.as_bytes().len();
    let mut out = Vec::with_capacity(alerts.iter().map(|alert| texts(alert) + 64).sum());
    let mut last_url: Option<&Arc<str>> = None;
    for alert in alerts {
        put_text(&mut out, alert.labels.as_bytes());
        put_text(&mut out, alert.annotations.as_bytes());
        let ends_at = alert.ends_at.map_or(NO_END, Timestamp::as_millis);
        for time in [alert.starts_at.as_millis(), ends_at, alert.updated_at.as_millis()] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        match last_url.filter(|last| **last == alert.generator_url) {
            Some(_) => out.extend_from_slice(&SAME.to_le_bytes()),
            None => put_text(&mut out, alert.generator_url.as_bytes()),
        }
        last_url = Some(&alert.generator_url);
    }
    out
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let length = u32::try_from(text.len()).expect("a text of a request is far shorter");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

/// The alerts of a blob; `None` if that is not what [`pack`] makes.
pub(super) fn unpack(mut blob: &[u8]) -> Option<Vec<Alert>> {
    let (mut alerts, mut url) = (Vec::new(), None);
    while !blob.is_empty() {
        let length = take_length(&mut blob)?;
        let labels = Labels::from_bytes(take(&mut blob, length)?)?;
        let length = take_length(&mut blob)?;
        let annotations = Labels::from_bytes(take(&mut blob, length)?)?;
        let (starts_at, ends_at, updated_at) =
            (take_time(&mut blob)?, take_time(&mut blob)?, take_time(&mut blob)?);
        match take_length(&mut blob)? {
            SAME => {}
            length => url = Some(std::str::from_utf8(take(&mut blob, length)?).ok()?.into()),
        }
        alerts.push(Alert {
            labels,
            annotations,
            starts_at: Timestamp::from_millis(starts_at),
            ends_at: Some(ends_at).filter(|end| *end != NO_END).map(Timestamp::from_millis),
            generator_url: Arc::clone(url.as_ref()?),
            updated_at: Timestamp::from_millis(updated_at),
        });
    }
    Some(alerts)
}

fn take<'b>(blob: &mut &'b [u8], length: u32) -> Option<&'b [u8]> {
    let (text, rest) = blob.split_at_checked(length as usize)?;
    *blob = rest;
    Some(text)
}

fn take_length(blob: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = blob.split_first_chunk()?;
    *blob = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn take_time(blob: &mut &[u8]) -> Option<i64> {
    let (bytes, rest) = blob.split_first_chunk()?;
    *blob = rest;
    Some(i64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(i: i64, url: &str) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", "A".to_owned()), ("i", i.to_string())]),
            annotations: Labels::from_pairs([("summary", "it is broken")]),
            starts_at: Timestamp::from_millis(i),
            ends_at: (i % 2 == 0).then_some(Timestamp::from_millis(i + 1)),
            generator_url: url.into(),
            updated_at: Timestamp::from_millis(i + 2),
        }
    }

    #[test]
    fn what_is_packed_comes_back_and_nothing_else_is_taken() {
        let alerts = [alert(1, ""), alert(2, ""), alert(3, "http://a/"), alert(4, "http://a/"), alert(5, "")];
        let blob = pack(&alerts.iter().collect::<Vec<_>>());
        assert_eq!(unpack(&blob).unwrap(), alerts);
        for cut in 1..blob.len() {
            assert!(unpack(&blob[..cut]).is_none_or(|found| found.len() < alerts.len()), "{cut}");
        }
        assert_eq!(unpack(&[255; 40]), None);
    }
}
