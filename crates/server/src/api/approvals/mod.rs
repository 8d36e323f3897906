//! Approvals: what waits for persons, what they decide, and the links that are sent to them.

mod decide;
mod read;
mod show;

pub(crate) use decide::{approve, delegate, links, reject};
pub(crate) use read::{history, one, pending};

use crate::auth::{Principal, Role};
use tasks::approval::{Rank, Voter};

/// Who decides, as the deciders see it: the person, whatever name it goes by.
fn voter(principal: &Principal) -> Voter {
    let rank = match principal.role {
        Role::User | Role::Agent => Rank::Agent,
        Role::Operator => Rank::Operator,
        Role::Admin => Rank::Admin,
    };
    Voter { name: principal.person().to_owned(), rank, link: None }
}
