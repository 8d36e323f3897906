//! The diagnosis as text: on each alert as the annotation `diagnosis`, so that any template can show it.

use model::{Finding, FindingState, Labels, Page};

/// The annotation's name.
pub(crate) const ANNOTATION: &str = "diagnosis";

/// The page with its diagnosis on each alert. An alert that has such an annotation of its own keeps it.
pub(crate) fn annotated(page: &Page) -> Page {
    let mut page = page.clone();
    let text = text(&page.cause, &page.diagnosis);
    if !text.is_empty() {
        for alert in &mut page.alerts {
            if alert.annotations.get(ANNOTATION).is_none() {
                alert.annotations = with(&alert.annotations, &text);
            }
        }
    }
    page
}

fn with(annotations: &Labels, text: &str) -> Labels {
    annotations.with(ANNOTATION, text)
}

/// The cause on a line of its own, then each finding under its step's name.
pub(crate) fn text(cause: &str, diagnosis: &[Finding]) -> String {
    let mut lines = Vec::new();
    if !cause.is_empty() {
        lines.push(cause.to_owned());
    }
    for finding in diagnosis {
        let Finding { step, output, .. } = finding;
        let word = match finding.state {
            FindingState::Done => "",
            FindingState::Failed => "failed: ",
            FindingState::Late => "not finished yet",
        };
        let several = output.contains('\n');
        let gap = if several { "\n" } else { "" };
        lines.push(format!("{step}: {word}{gap}{}", output.trim_end()).trim_end().to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_note() {
        let mut page = crate::page_json::example();
        page.diagnosis[1].state = FindingState::Done;
        page.diagnosis[1].output = "one\ntwo\n".to_owned();
        let expected =
            "redis-server is not running\nping: failed: connection refused by 10.0.0.7:6379\nlog: \none\ntwo";
        assert_eq!(text(&page.cause, &page.diagnosis), expected);
        page.alerts[1].annotations = page.alerts[1].annotations.with(ANNOTATION, "mine");
        let page = annotated(&page);
        assert_eq!(page.alerts[0].annotations.get(ANNOTATION), Some(expected));
        assert_eq!(page.alerts[1].annotations.get(ANNOTATION), Some("mine"));
        assert_eq!(text("", &[]), "");
    }
}
