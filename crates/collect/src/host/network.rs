//! `/proc/net/dev` and whether each interface is up.

use super::{Host, Sink, read};

/// The sixteen columns in their order: those received, then those sent.
const COLUMNS: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];

pub(super) fn netdev(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    for line in host.proc_text("net/dev")?.lines().skip(2) {
        let Some((device, numbers)) = line.split_once(':') else { continue };
        for (name, word) in COLUMNS.iter().zip(numbers.split_ascii_whitespace()) {
            sink(name, &[("device", device.trim())], word.parse().ok()?);
        }
    }
    Some(())
}

/// `/sys/class/net`: absent in some containers, which is no failure.
pub(super) fn operstate(host: &Host, sink: &mut Sink<'_>) -> Option<()> {
    let Ok(interfaces) = std::fs::read_dir(host.sys.join("class/net")) else { return Some(()) };
    for interface in interfaces.flatten() {
        let Some(state) = read(&interface.path().join("operstate")) else { continue };
        let device = interface.file_name();
        let up = f64::from(u8::from(state.trim() == "up"));
        sink("node_network_up", &[("device", &device.to_string_lossy())], up);
    }
    Some(())
}
