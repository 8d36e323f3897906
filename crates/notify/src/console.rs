//! Prints a page on standard output: the receiver that is there without any configuration.

use crate::receivers::{Integration, Way};
use crate::sending::Sending;
use crate::{Error, Sent, plain};
use model::Page;
use std::io::Write;

pub(crate) fn integration(i: usize, send_resolved: bool) -> Integration {
    Integration { name: format!("console[{i}]"), send_resolved, way: Way::Console }
}

pub(crate) fn send(page: &Page, sending: &Sending<'_>) -> Result<Sent, Error> {
    let text = plain::text(page);
    if sending.show("standard output", &text) {
        return Ok(Sent::default());
    }
    let mut out = std::io::stdout().lock();
    // Nobody reads a closed standard output; that must not keep the page in the queue for ever.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(Sent::told("printed"))
}
