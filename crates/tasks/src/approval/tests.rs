//! The machine of one approval, told as what is said and what comes of it.

use super::*;
use serde_json::json;

const ID: &str = "0190a1b2c3d4e5f60718293a4b5c6d7e";

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

/// Asked for by `ann` at 0, runs out at 100.
fn asked(quorum: u32, approvers: &[&str]) -> Approval {
    Approval::new(Request {
        id: "approval_1".to_owned(),
        task_id: TaskId::parse(ID).unwrap(),
        run_id: RunId::parse(ID).unwrap(),
        step: Some(GatedStep { index: 2, id: "ship".to_owned(), item: Some(3) }),
        task_type: "deploy".to_owned(),
        priority: "P0".to_owned(),
        title: "the shop".to_owned(),
        reason: "priority P0".to_owned(),
        requested_by: "ann".to_owned(),
        requested_at: at(0),
        needs: Rank::Agent,
        critical: true,
        approvers: approvers.iter().map(|name| (*name).to_owned()).collect(),
        quorum,
        expires_at: at(100),
        on_expiry: OnExpiry::Reject,
        payload: Arc::new(json!({"version": 1})),
        hash: "h0".to_owned(),
    })
}

/// `name`, an agent; `name!`, an operator; `name!!`, an admin.
fn voter(name: &str) -> Voter {
    let plain = name.trim_end_matches('!');
    let rank = [Rank::Agent, Rank::Operator, Rank::Admin][name.len() - plain.len()];
    Voter { name: plain.to_owned(), rank, link: None }
}

#[derive(Clone, Copy)]
enum Do {
    Yes(&'static str),
    /// To what was read at this revision.
    YesTo(&'static str, &'static str),
    Edit(&'static str, i64),
    No(&'static str),
    Delegate(&'static str, &'static str, i64),
    Expire,
    Withdraw,
}

/// What an act comes to: `ok`, `done`, or the beginning of the refusal.
fn play(approval: &mut Approval, act: Do, now: i64) -> String {
    let settings = ApprovalSettings::default();
    let hash_of = |edits: u32, _: &Value| format!("h{edits}");
    let word = |decided: bool| if decided { "done".to_owned() } else { "ok".to_owned() };
    let said = match act {
        Do::Yes(who) => approval.approve(&voter(who), Say::default(), &settings, at(now), hash_of).map(word),
        Do::YesTo(who, hash) => {
            let say = Say { hash: Some(hash.to_owned()), ..Say::default() };
            approval.approve(&voter(who), say, &settings, at(now), hash_of).map(word)
        }
        Do::Edit(who, version) => {
            let say = Say { payload: Some(json!({"version": version})), ..Say::default() };
            approval.approve(&voter(who), say, &settings, at(now), hash_of).map(word)
        }
        Do::No(who) => {
            let say = Say { reason: Some("no time".to_owned()), ..Say::default() };
            approval.reject(&voter(who), say, at(now)).map(|()| "done".to_owned())
        }
        Do::Delegate(from, to, until) => {
            approval.delegate(&voter(from), to, at(until), at(now)).map(|()| "ok".to_owned())
        }
        Do::Expire => Ok(word(approval.expire(at(now)))),
        Do::Withdraw => Ok(word(approval.withdraw("cancelled", at(now)))),
    };
    said.unwrap_or_else(|why| why.to_string())
}

fn check(name: &str, mut approval: Approval, story: &[(i64, Do, &str)], status: ApprovalStatus) {
    for (now, act, wanted) in story {
        let said = play(&mut approval, *act, *now);
        assert!(said.starts_with(wanted) && !wanted.is_empty(), "{name}, at {now}: {said:?}, not {wanted:?}");
        let back = from_json(&to_json(&approval));
        assert_eq!(back.as_ref(), Some(&approval), "{name}: the row says the same");
    }
    assert_eq!(approval.status(), status, "{name}");
}

#[test]
fn stories() {
    use ApprovalStatus::*;
    use Do::*;
    let already = "bob has approved approval_1 already";
    let own = "requester cannot approve";
    let stranger = "eve is not among those who may decide this: bob, cem";
    check("one is enough", asked(1, &[]), &[(1, Yes("bob"), "done")], Approved);
    check(
        "nobody decides twice",
        asked(1, &[]),
        &[
            (1, Yes("bob"), "done"),
            (2, Yes("cem"), "approval_1 is approved already"),
            (2, No("cem"), "approval_1 is approved already"),
            (2, Delegate("cem", "dan", 9), "approval_1 is approved already"),
            (2, Withdraw, "ok"),
            (200, Expire, "ok"),
        ],
        Approved,
    );
    check(
        "a principal counts once",
        asked(2, &[]),
        &[
            (1, Yes("bob"), "ok"),
            (2, Yes("bob"), already),
            (2, Yes("bob!"), already),
            (3, Yes("cem"), "done"),
        ],
        Approved,
    );
    check(
        "who asked",
        asked(1, &[]),
        &[(1, Yes("ann"), own), (2, Yes("ann!"), own), (3, No("ann"), "done")],
        Rejected,
    );
    check("one no is enough", asked(2, &[]), &[(1, Yes("bob"), "ok"), (2, No("cem"), "done")], Rejected);
    check(
        "too late",
        asked(1, &[]),
        &[
            (99, Expire, "ok"),
            (100, Yes("bob"), "approval_1 has run out"),
            (100, No("bob"), "approval_1 has run out"),
            (100, Expire, "done"),
            (101, Yes("bob"), "approval_1 has run out"),
        ],
        Timeout,
    );
    check(
        "only those named",
        asked(1, &["bob", "cem"]),
        &[
            (1, Yes("eve!"), stranger),
            (1, No("eve!"), stranger),
            (1, Delegate("eve!", "bob", 9), stranger),
            (2, Yes("bob"), "done"),
        ],
        Approved,
    );
    check(
        "a delegate votes for one",
        asked(2, &["bob", "cem"]),
        &[
            (1, Delegate("bob", "eve", 50), "ok"),
            (2, Yes("eve"), "ok"),
            (3, Yes("bob"), already),
            (4, Yes("eve"), "eve has approved approval_1 already"),
            (5, Yes("cem"), "done"),
        ],
        Approved,
    );
    check(
        "one delegate of two is one",
        asked(2, &["bob", "cem"]),
        &[
            (1, Delegate("bob", "eve", 50), "ok"),
            (1, Delegate("cem", "eve", 50), "ok"),
            (2, Yes("eve"), "ok"),
            (3, Yes("eve"), "eve has approved approval_1 already"),
        ],
        Pending,
    );
    check(
        "a delegation ends",
        asked(1, &["bob", "cem"]),
        &[
            (1, Delegate("bob", "eve", 50), "ok"),
            (50, Yes("eve"), stranger),
            (51, Delegate("bob", "bob", 60), "to: must name somebody else"),
            (51, Delegate("bob", "eve", 51), "until: must lie ahead"),
        ],
        Pending,
    );
    check(
        "not in the place of who asked",
        asked(1, &["ann"]),
        &[(1, Delegate("ann", "eve", 50), "ok"), (2, Yes("eve"), own)],
        Pending,
    );
    check(
        "an edit leaves votes behind",
        asked(2, &[]),
        &[
            (1, Yes("bob"), "ok"),
            (2, Edit("cem", 2), "cem may not edit"),
            (3, Edit("cem!", 2), "ok"),
            (4, YesTo("dan", "h0"), "approval_1 was changed meanwhile"),
            (5, YesTo("bob", "h1"), "done"),
        ],
        Approved,
    );
    check(
        "back to the first words is another subject",
        asked(2, &[]),
        &[
            (1, Yes("bob"), "ok"),
            (2, Edit("bob!", 2), "ok"),
            (3, Edit("bob!", 1), "ok"),
            (4, Yes("bob"), already),
            (5, Yes("cem"), "done"),
        ],
        Approved,
    );
    check(
        "the same payload is no edit",
        asked(2, &[]),
        &[(1, Edit("bob", 1), "ok"), (2, Edit("bob", 1), already)],
        Pending,
    );
    check(
        "its task ended",
        asked(1, &[]),
        &[(1, Withdraw, "done"), (2, Yes("bob"), "approval_1 is rejected already")],
        Rejected,
    );
}

#[test]
fn an_edit_keeps_what_was_and_what_differs() {
    let mut approval = asked(1, &[]);
    assert_eq!(play(&mut approval, Do::Edit("bob!", 7), 1), "done");
    assert_eq!(*approval.asked.payload, json!({"version": 7}));
    assert_eq!(approval.original.as_deref(), Some(&json!({"version": 1})));
    let place = &approval.edits[0].diff[0];
    assert_eq!(
        (place.path.as_str(), &place.before, &place.after),
        ("/version", &Some(json!(1)), &Some(json!(7)))
    );
    assert_eq!(approval.decided_by(), ["bob"]);
}

#[test]
fn links_are_for_those_who_may_decide() {
    let settings = ApprovalSettings::default();
    let check = |by: &str, recipient: &str, wanted: &str| {
        let said = asked(1, &["bob", "ann"]).check_link(&voter(by), recipient, &settings, at(1));
        let said = said.map_or_else(|why| why.to_string(), |()| "ok".to_owned());
        assert!(said.starts_with(wanted), "{by} {recipient}: {said}");
    };
    check("olga!!", "bob", "ok");
    check("olga", "bob", "role operator is needed");
    check("olga!!", "eve", "eve is not among those");
    check("olga!!", "", "recipient: must have");
    check("ann!!", "bob", "requester cannot approve");
    check("olga!!", "ann", "requester cannot approve");
}

/// An operator held the link that it made for another, and so could vote as that other.
#[test]
fn who_makes_a_link_for_another_vouches_for_that_one() {
    let settings = ApprovalSettings::default();
    let check = |by: &str, recipient: &str, wanted: &str| {
        let said = asked(2, &[]).check_link(&voter(by), recipient, &settings, at(1));
        let said = said.map_or_else(|why| why.to_string(), |()| "ok".to_owned());
        assert!(said.starts_with(wanted), "{by} {recipient}: {said}");
    };
    check("olga!", "olga", "ok");
    check("olga!", "Olga", "role admin is needed");
    check("olga!", "bob", "role admin is needed");
    check("olga!!", "bob", "ok");
}
