//! A request whose answer is known as soon as it is done, so that the answer can be kept with what it answers and
//! given again to who sends the same request again.

use crate::views::{Kept, Once};

/// The status and the body, JSON, that tell of what was done.
pub type Answer<T> = Box<dyn Fn(&T) -> (u16, String) + Send>;

/// A request to do something from which a `T` comes.
pub struct Asked<T> {
    /// It is done once for all requests with this key.
    pub once: Option<Once>,
    /// How it is answered. Called on the deciders' thread: it is short, and waits for nothing.
    pub answer: Answer<T>,
}

impl<T> Asked<T> {
    /// The answer to who asks first.
    pub fn tell(&self, done: &T) -> Kept {
        let (status, body) = (self.answer)(done);
        Kept { status, body, replayed: false }
    }
}
