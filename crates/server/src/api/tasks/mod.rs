//! `/tasks` and `/runs`.

mod acts;
mod bulk;
mod create;
mod fields;
mod quick;
mod read;
mod runs;
mod scopes;
mod show;
mod wishes;

pub(in crate::api) use acts::{cancel, pause, remove, resume, run_now, snooze, update, why};
pub(in crate::api) use bulk::bulk;
pub use create::answer_submitted;
pub(in crate::api) use create::create;
pub(in crate::api) use fields::{Fields, Unknown, lenient_instant, object};
pub(in crate::api) use read::{OFFSET_MAX, PAGE, PAGE_MAX, list, page_of, patch_status, schedules, task};
pub(in crate::api) use runs::{run, runs};
pub(in crate::api) use scopes::Closed;
pub use show::answer_acted;
pub(in crate::api) use show::{queue_object, run as show_run};
pub(in crate::api) use wishes::is_queue_name;
