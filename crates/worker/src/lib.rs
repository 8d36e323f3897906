//! Slots, claim, heartbeat, timeout, and the actions.
