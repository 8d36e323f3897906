//! What is typed about schedules.

use clap::{Args, Subcommand, ValueEnum};

/// `tocsin schedule`
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// The next fires of an expression, one instant a line
    Next(ScheduleNext),
}

/// `tocsin schedule next`
#[derive(Debug, Args)]
pub struct ScheduleNext {
    /// A cron expression, a macro such as @daily, RRULE lines with their DTSTART, or an instant
    pub expr: String,
    /// Which fields a cron expression has
    #[arg(long, default_value = "standard")]
    pub dialect: Dialect,
    /// A time of day that clocks skip: leave it out, or shift it by as much as they jump
    #[arg(long, default_value = "shift")]
    pub gap: Gap,
    /// A time of day that occurs twice: fire the first time, the second, or both [default: second; of an RRULE
    /// first]
    #[arg(long)]
    pub fold: Option<Fold>,
    /// An IANA time zone
    #[arg(long, default_value = "UTC")]
    pub tz: String,
    /// The fires after this instant, exclusive [default: now]
    #[arg(long)]
    pub after: Option<String>,
    /// How many
    #[arg(long, default_value_t = 5)]
    pub count: usize,
}

/// Which fields a cron expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// Five: minute hour day month weekday.
    Standard,
    /// Six: second first.
    Seconds,
    /// Six with the year last, or seven with the second first as well.
    Year,
}

/// A time of day that clocks skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gap {
    /// Left out.
    Skip,
    /// Shifted by as much as clocks jump.
    Shift,
}

/// A time of day that occurs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fold {
    /// Fires the first time.
    First,
    /// Fires the second time.
    Second,
    /// Fires both times.
    Both,
}
