//! Silences that come back each week, that expire with their alerts, that are very broad; maintenance.

use super::*;

fn new(secs: u64, story: &Story, matchers: Vec<Matcher>) -> NewSilence {
    NewSilence {
        id: None,
        matchers,
        starts_at: story.time(secs),
        ends_at: story.time(30 * 86_400),
        created_by: "ada".to_owned(),
        comment: "the backup".to_owned(),
        terms: Terms::default(),
        guard: Guard::Careful,
    }
}

fn window(start: &str, end: &str) -> Window {
    let text = WindowText { start: start.to_owned(), end: end.to_owned(), ..WindowText::default() };
    Window::read(text).unwrap()
}

fn put(story: &mut Story, secs: u64, new: NewSilence) -> Result<String, SilenceError> {
    let now = story.time(secs);
    story.alerts.put_silence(new, &format!("s{secs}"), now, &mut story.journal)
}

#[test]
fn a_window_silences_each_day_and_others_hear_of_it() {
    let mut story = Story::at_hour(12);
    let mut nightly = new(0, &story, vec![Matcher::equal("alertname", "A")]);
    nightly.terms = Terms { windows: vec![window("13:00", "14:00")], maintenance: true, ..Terms::default() };
    let id = put(&mut story, 0, nightly).unwrap();
    story.post(10, A1, false);
    assert_eq!(story.told(3599), ["40 firing +A1"]);
    assert!(story.alerts.take_notices().iter().all(|notice| !matches!(notice, Notice::Maintenance { .. })));
    story.post(3600, A2, false);
    assert_eq!(story.told(7199), Vec::<String>::new(), "from one to two it is quiet");
    story.restart(7199);
    assert_eq!(story.told(7600), ["7240 firing +A1 +A2"]);
    let told: Vec<Notice> = story.alerts.take_notices();
    let ended = Notice::Maintenance { silence: id.clone(), began: false };
    assert!(told.contains(&ended), "{told:?}");
    story.told(86_400 + 3600);
    let began = Notice::Maintenance { silence: id, began: true };
    assert!(story.alerts.take_notices().contains(&began), "the next day");
}

#[test]
fn one_expires_with_what_it_silenced() {
    let mut story = Story::at_hour(12);
    let mut until = new(0, &story, vec![Matcher::equal("alertname", "A")]);
    until.terms.until_resolved = true;
    put(&mut story, 0, until).unwrap();
    story.post(1, A1, false);
    story.post(1, A2, false);
    story.post(100, A1, true);
    let state = |story: &Story, secs| story.alerts.silences().next().unwrap().state(story.time(secs));
    assert_eq!(state(&story, 101), SilenceState::Active, "the other one still fires");
    story.post(200, A2, true);
    assert_eq!(state(&story, 200), SilenceState::Expired);
    story.restart(201);
    assert_eq!(state(&story, 201), SilenceState::Expired);
}

#[test]
fn a_very_broad_one_is_asked_for_twice() {
    let mut story = Story::at_hour(12);
    let any = |story: &Story| {
        let any = Matcher::single_line(model::MatchOp::Regex, "alertname", ".+").unwrap();
        new(0, story, vec![any])
    };
    let boundless = any(&story);
    let refused = put(&mut story, 0, boundless).unwrap_err();
    assert_eq!(refused, SilenceError::Broad { mutes: 0, firing: 0 }, "it chooses nothing");
    for i in 0..12 {
        let i = i.to_string();
        story.post(0, &[("alertname", "A"), ("i", i.as_str())], false);
    }
    story.post(0, INSTANT, false);
    let all_a = new(0, &story, vec![Matcher::equal("alertname", "A")]);
    let reach = story.alerts.reach(&all_a.matchers, story.time(1));
    assert_eq!((reach.alerts.len(), reach.firing, reach.broad), (12, 13, true));
    let refused = put(&mut story, 1, all_a.clone()).unwrap_err();
    assert_eq!(refused, SilenceError::Broad { mutes: 12, firing: 13 });
    assert!(put(&mut story, 1, NewSilence { guard: Guard::Confirmed, ..all_a.clone() }).is_ok());
    assert!(
        put(&mut story, 2, NewSilence { guard: Guard::Upstream, comment: String::new(), ..all_a.clone() })
            .is_ok()
    );
    let nobodys = NewSilence { created_by: " ".to_owned(), ..new(3, &story, vec![Matcher::equal("i", "1")]) };
    assert_eq!(put(&mut story, 3, nobodys), Err(SilenceError::NoOwner));
    let unsaid = NewSilence { comment: String::new(), ..new(3, &story, vec![Matcher::equal("i", "1")]) };
    assert_eq!(put(&mut story, 3, unsaid), Err(SilenceError::NoComment));
}
