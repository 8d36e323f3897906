//! Runbook files: match an alert, expand to diagnose steps.
