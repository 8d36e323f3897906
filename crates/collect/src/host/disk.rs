//! `/proc/diskstats`: whole devices, not their partitions.

use super::{Host, Sink};

const SECTOR_BYTES: f64 = 512.0;

/// Columns after the device's name, with the factor to the metric's unit.
const COLUMNS: [(&str, f64); 17] = [
    ("node_disk_reads_completed_total", 1.0),
    ("node_disk_reads_merged_total", 1.0),
    ("node_disk_read_bytes_total", SECTOR_BYTES),
    ("node_disk_read_time_seconds_total", 0.001),
    ("node_disk_writes_completed_total", 1.0),
    ("node_disk_writes_merged_total", 1.0),
    ("node_disk_written_bytes_total", SECTOR_BYTES),
    ("node_disk_write_time_seconds_total", 0.001),
    ("node_disk_io_now", 1.0),
    ("node_disk_io_time_seconds_total", 0.001),
    ("node_disk_io_time_weighted_seconds_total", 0.001),
    ("node_disk_discards_completed_total", 1.0),
    ("node_disk_discards_merged_total", 1.0),
    ("node_disk_discarded_sectors_total", 1.0),
    ("node_disk_discard_time_seconds_total", 0.001),
    ("node_disk_flush_requests_total", 1.0),
    ("node_disk_flush_requests_time_seconds_total", 0.001),
];

pub(super) fn diskstats(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    for line in host.proc_text("diskstats")?.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(device) = words.next().filter(|device| is_whole(device)) else { continue };
        for ((name, factor), word) in COLUMNS.iter().zip(words) {
            sink(name, &[("device", device)], word.parse::<f64>().ok()? * factor);
        }
    }
    Some(())
}

/// Not a partition, a loop device, a RAM disk or a floppy.
fn is_whole(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = stem.len() < device.len();
    let skipped = matches!(stem, "ram" | "zram" | "loop" | "fd");
    let disk_letters = ["hd", "sd", "vd", "xvd"]
        .iter()
        .any(|kind| stem.strip_prefix(kind).is_some_and(|rest| rest.len() == 1 && rest.is_ascii()));
    let nvme_partition = stem.starts_with("nvme") && stem.ends_with('p');
    !(numbered && (skipped || disk_letters || nvme_partition))
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn partitions_are_not_whole() {
        for whole in ["sda", "nvme0n1", "vdb", "dm-0", "md127", "xvda", "sr0", "mmcblk0"] {
            assert!(is_whole(whole), "{whole}");
        }
        for part in ["sda1", "nvme0n1p2", "vdb12", "xvda1", "loop7", "ram0", "fd0", "zram0"] {
            assert!(!is_whole(part), "{part}");
        }
    }
}
