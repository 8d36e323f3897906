//! A bare TCP connection: can it be made, and how long does it take.

use crate::{Dialed, Error, Guard, Target};
use std::time::Duration;

/// Connects to `target` within `limit`.
pub async fn connect(guard: &Guard, target: &Target, limit: Duration) -> Result<Dialed, Error> {
    guard.dial(target, limit).await
}
