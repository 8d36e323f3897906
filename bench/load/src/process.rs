//! What a process has used, from /proc.

use std::fs;

/// Clock ticks a second, as Linux shows them to programs.
const TICKS: f64 = 100.0;

/// CPU seconds so far, user and system.
pub fn cpu(pid: Option<u32>) -> f64 {
    let path = pid.map_or_else(|| "/proc/self/stat".to_owned(), |pid| format!("/proc/{pid}/stat"));
    let stat = fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |nth: usize| fields.get(nth).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (field(11) + field(12)) / TICKS
}

/// Resident bytes.
pub fn rss(pid: Option<u32>) -> u64 {
    let path = pid.map_or_else(|| "/proc/self/status".to_owned(), |pid| format!("/proc/{pid}/status"));
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() * 1024
}
