//! `/tasks`, `/runs` and `/stats`.

mod bulk;
mod create;
mod fields;
mod read;
mod runs;
mod show;

pub(in crate::api) use bulk::bulk;
pub(in crate::api) use create::create;
pub(in crate::api) use read::{list, patch_status, stats, task};
pub(in crate::api) use runs::{run, runs};
pub(in crate::api) use show::queue_object;
