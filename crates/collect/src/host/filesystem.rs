//! Mounted file systems: size, free space, inodes.
//!
//! Kernel pseudo file systems are left out, as node_exporter does, and network ones too: asking one whose server
//! is gone would block for ever. The root is shown even if it is a container's overlay.

use super::{Host, Sink};
use rustix::fs::StatVfsMountFlags;
use std::collections::HashSet;

const SKIPPED: [&str; 38] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "erofs",
    "sysfs",
    "tracefs",
    "ramfs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "afs",
    "lustre",
    "fuse.sshfs",
];
const SKIPPED_UNDER: [&str; 6] =
    ["/dev", "/proc", "/sys", "/run/credentials", "/var/lib/docker", "/var/lib/containers/storage"];
/// More mounts than this are not looked at: a machine with thousands has them by a fault.
const MOUNTS_MAX: usize = 200;

pub(super) fn filesystems(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let mounts = host.proc_text("1/mounts").or_else(|| host.proc_text("self/mounts"))?;
    let mut seen = HashSet::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(point), Some(kind)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let (device, point) = (unescape(device), unescape(point));
        if is_shown(&point, kind) && seen.len() < MOUNTS_MAX && seen.insert((device.clone(), point.clone())) {
            filesystem(&device, &point, kind, sink);
        }
    }
    Some(())
}

fn filesystem(device: &str, point: &str, kind: &str, sink: &mut Sink<'_>) {
    let labels = [("device", device), ("mountpoint", point), ("fstype", kind)];
    let found = rustix::fs::statvfs(point);
    sink("node_filesystem_device_error", &labels, f64::from(u8::from(found.is_err())));
    let Ok(found) = found else { return };
    let block = found.f_frsize as f64;
    sink("node_filesystem_size_bytes", &labels, found.f_blocks as f64 * block);
    sink("node_filesystem_free_bytes", &labels, found.f_bfree as f64 * block);
    sink("node_filesystem_avail_bytes", &labels, found.f_bavail as f64 * block);
    sink("node_filesystem_files", &labels, found.f_files as f64);
    sink("node_filesystem_files_free", &labels, found.f_ffree as f64);
    let read_only = found.f_flag.contains(StatVfsMountFlags::RDONLY);
    sink("node_filesystem_readonly", &labels, f64::from(u8::from(read_only)));
}

fn is_shown(point: &str, kind: &str) -> bool {
    if point == "/" {
        return true;
    }
    let under =
        |dir: &str| point.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !SKIPPED.contains(&kind) && !SKIPPED_UNDER.iter().any(|dir| under(dir))
}

/// The kernel writes blank, tab, newline and backslash in octal.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}
