//! Route, group, inhibit, silence, time windows, dedup, decision records.
