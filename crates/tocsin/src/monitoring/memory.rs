//! How much of its memory is in use: of this program's limit, if it has one, else of the machine.

use std::fs;

/// Where a container's limit stands.
const CGROUP: &str = "/sys/fs/cgroup";

/// Hundredths of the limit, or of the machine's memory.
pub fn used_percent() -> Option<f64> {
    of_limit(&|name| fs::read_to_string(format!("{CGROUP}/{name}")).ok())
        .or_else(|| of_machine(&fs::read_to_string("/proc/meminfo").ok()?))
}

/// Bytes of this program that are in memory.
pub fn resident_bytes() -> Option<f64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:").map(|kb| kb * 1024.0)
}

/// What can be given back at once is not in use.
fn of_limit(read: &dyn Fn(&str) -> Option<String>) -> Option<f64> {
    let number = |name: &str| read(name)?.trim().parse::<f64>().ok();
    // `max` is no limit, and no number.
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let given_back = read("memory.stat").and_then(|stat| field(&stat, "inactive_file")).unwrap_or(0.0);
    (limit > 0.0).then(|| 100.0 * (used - given_back).max(0.0) / limit)
}

fn of_machine(meminfo: &str) -> Option<f64> {
    let (all, free) = (field(meminfo, "MemTotal:")?, field(meminfo, "MemAvailable:")?);
    (all > 0.0).then(|| 100.0 * (1.0 - free / all))
}

fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    line?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_limit_or_of_the_machine() {
        let files = |max: &'static str| {
            move |name: &str| {
                let text = match name {
                    "memory.max" => max,
                    "memory.current" => "600\n",
                    _ => "anon 1\ninactive_file 100\n",
                };
                Some(text.to_owned())
            }
        };
        assert_eq!(of_limit(&files("1000\n")), Some(50.0));
        assert_eq!(of_limit(&files("max\n")), None);
        assert_eq!(of_limit(&|_| None), None);
        assert_eq!(of_machine("MemTotal:  8 kB\nMemFree: 1 kB\nMemAvailable:  2 kB\n"), Some(75.0));
        assert_eq!(of_machine("MemTotal: 8 kB\n"), None);
    }
}
