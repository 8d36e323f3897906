//! The queue under random workers, deaths and crashes.
