//! The token of one attempt: the only thing that lets a worker change a run.

use rand::Rng;
use std::fmt;

/// 128 random bits, one per attempt. A late worker holds an old token and is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptToken(u128);

impl AttemptToken {
    /// A new one from `rng`.
    pub fn new(rng: &mut impl Rng) -> AttemptToken {
        AttemptToken((u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64()))
    }

    /// Its bits, for a store.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From [`AttemptToken::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> AttemptToken {
        AttemptToken(u128::from_be_bytes(bytes))
    }

    /// From its 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<AttemptToken> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| u128::from_str_radix(text, 16).ok().map(AttemptToken)).flatten()
    }
}

impl fmt::Display for AttemptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A token is a secret of its worker: logs get its first digits.
impl fmt::Debug for AttemptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}…", self.0 >> 96)
    }
}
