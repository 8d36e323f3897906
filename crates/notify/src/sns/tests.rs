//! The shape is that of "Publish" in the "Amazon SNS API Reference" and of "Signature Version 4" (docs.aws.amazon.com,
//! read 2026-11-22).

use crate::testing::*;
use crate::{Told, group};
use std::collections::BTreeMap;

const TOPIC: &str = "sns_configs: [{api_url: 'http://127.0.0.1:PORT/', topic_arn: 'arn:aws:sns:us-east-2:1:Ops', \
                     sigv4: {access_key: AKIDEXAMPLE, secret_key: s3cret}}]";
const TAKEN: &str =
    "<PublishResponse><PublishResult><MessageId>x</MessageId></PublishResult></PublishResponse>";

fn form(asked: &Asked) -> BTreeMap<String, String> {
    let url = reach::http::Url::parse(&format!("http://h/?{}", asked.body)).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[tokio::test]
async fn a_message_to_a_topic() {
    let asked = sent(TOPIC, &page("sns"), ok(TAKEN)).await;
    assert_eq!(asked.line, "POST /");
    assert_eq!(asked.header("x-amz-date"), "20261122T004817Z");
    let authorization = asked.header("authorization");
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-2/sns/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(authorization.starts_with(start), "{authorization}");
    let got = form(&asked);
    assert_eq!((got["Action"].as_str(), got["Version"].as_str()), ("Publish", "2010-03-31"));
    assert_eq!(got["TopicArn"], "arn:aws:sns:us-east-2:1:Ops");
    assert!(got["Subject"].starts_with("[FIRING:1] RedisDown"), "{got:?}");
    assert!(got["Message"].contains("Alerts Firing:"), "{got:?}");
    let end = form(&sent(TOPIC, &resolved("sns"), ok(TAKEN)).await);
    assert!(end["Subject"].starts_with("[RESOLVED] RedisDown"), "{end:?}");
}

#[tokio::test]
async fn settings_of_the_users_own() {
    let settings = TOPIC.replace("1:Ops", "1:Ops.fifo").replace(
        "sigv4: {",
        "subject: 's {{ .Status }}', message: m, attributes: {severity: '{{ .CommonLabels.severity }}', none: ''}, sigv4: {region: eu-west-1, ",
    );
    let asked = sent(&settings, &page("sns"), ok(TAKEN)).await;
    assert!(asked.header("authorization").contains("/eu-west-1/sns/"));
    let got = form(&asked);
    for (name, value) in [
        ("Subject", "s firing"),
        ("Message", "m"),
        ("MessageDeduplicationId", "k1"),
        ("MessageAttributes.entry.1.Name", "severity"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "critical"),
    ] {
        assert_eq!(got[name], value, "{got:?}");
    }
    assert_eq!(got["MessageGroupId"], group::hash(&page("sns")));
    assert!(!got.contains_key("MessageAttributes.entry.2.Name"), "{got:?}");
    let phone = TOPIC
        .replace("topic_arn: 'arn:aws:sns:us-east-2:1:Ops'", "phone_number: '+4912345'")
        .replace("sigv4: {", "sigv4: {region: eu-west-1, ");
    let got = form(&sent(&phone, &huge("sns"), ok(TAKEN)).await);
    assert_eq!((got["PhoneNumber"].as_str(), got.get("Subject")), ("+4912345", None));
    assert_eq!(got["Message"].chars().count(), 1600);
}

#[tokio::test]
async fn limits_hostile_labels_and_templates_that_fail() {
    let got = form(&sent(TOPIC, &huge("sns"), ok(TAKEN)).await);
    assert!(got["Subject"].len() <= 100 && got["Subject"].is_ascii() && got["Message"].len() <= 256 * 1024);
    assert_eq!(got["MessageAttributes.entry.1.Name"], "truncated");
    let got = form(&sent(TOPIC, &hostile("sns"), ok(TAKEN)).await);
    assert!(!got["Subject"].contains(['\n', '\r']), "{got:?}");
    assert_harmless(&got["Message"].replace("](https://evil", "").replace("<!channel", ""));
    let settings = TOPIC.replace("sigv4", "message: '{{ template \"nowhere\" . }}', sigv4");
    let got = form(&sent(&settings, &page("sns"), ok(TAKEN)).await);
    assert!(got["Message"].contains("the template of message failed: "), "{got:?}");
    let slow = answer(
        "400 Bad Request",
        "",
        "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
    );
    let (sent, _) = told(TOPIC, &page("sns"), Told::FIRST, vec![slow]).await;
    assert!(sent.unwrap_err().is_temporary());
}
