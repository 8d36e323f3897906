//! The shapes, limits and codes are those of "获取access_token", "发送应用消息" and "全局错误码"
//! (developer.work.weixin.qq.com/document/path/91039, 90236 and 90313, read in copies 2026-11-22): 2,048 bytes.

use crate::testing::*;
use crate::{Error, Told};
use serde_json::json;

const API: &str = "wechat_configs: [{api_url: 'http://127.0.0.1:PORT/cgi-bin', api_secret: 's&crt', corp_id: ww1, \
                   agent_id: '1000002', to_user: 'ann|{{ .Status }}', send_resolved: true}]";
const TOKEN: &str = r#"{"errcode":0,"errmsg":"ok","access_token":"t0+ken","expires_in":7200}"#;
const TAKEN: &str = r#"{"errcode":0,"errmsg":"ok","msgid":"m"}"#;

async fn message(settings: &str, page: &model::Page) -> Asked {
    let (sent, asked) = told(settings, page, Told::FIRST, vec![ok(TOKEN), ok(TAKEN)]).await;
    sent.unwrap_or_else(|why| panic!("{why}: {asked:?}"));
    asked[1].clone()
}

#[tokio::test]
async fn messages() {
    let (sent, asked) = told(API, &page("wechat"), Told::FIRST, vec![ok(TOKEN), ok(TAKEN)]).await;
    assert!(sent.is_ok(), "{sent:?}");
    assert_eq!(asked[0].line, "GET /cgi-bin/gettoken?corpid=ww1&corpsecret=s%26crt");
    assert_eq!(asked[1].line, "POST /cgi-bin/message/send?access_token=t0%2Bken");
    let text = asked[1].json();
    assert_eq!(
        (&text["touser"], &text["agentid"], &text["msgtype"], text.get("toparty")),
        (&json!("ann|firing"), &json!(1_000_002), &json!("text"), None)
    );
    assert!(text["text"]["content"].as_str().unwrap().starts_with("[FIRING:1] RedisDown"), "{text}");
    let end = message(API, &resolved("wechat")).await.json();
    assert!(end["text"]["content"].as_str().unwrap().starts_with("[RESOLVED]"), "{end}");

    let own = API.replace(
        "corp_id",
        "message: '**{{ .Status }}**', message_type: markdown, to_party: '2', to_tag: t, corp_id",
    );
    assert_eq!(
        message(&own, &page("wechat")).await.json(),
        json!({ "touser": "ann|firing", "toparty": "2", "totag": "t", "agentid": 1_000_002, "msgtype": "markdown",
                "safe": 0, "markdown": { "content": "**firing**" } })
    );
    let long = message(API, &huge("wechat")).await.json();
    assert!((2_040..=2_048).contains(&long["text"]["content"].as_str().unwrap().len()));
    let hostile = message(API, &hostile("wechat")).await.body;
    assert!(!hostile.contains("<script>") && !hostile.contains("<https://evil"), "{hostile}");
    assert_harmless(&hostile.replace("<\u{200b}!channel", ""));
    let broken = API.replace("corp_id", "message: '{{ template \"nowhere\" . }}', corp_id");
    let text = message(&broken, &page("wechat")).await.body;
    assert!(text.contains("[FIRING:1]") && text.contains("the template of message failed: "), "{text}");
}

#[tokio::test]
async fn tokens_are_held_until_they_end() {
    let ended = ok(r#"{"errcode":42001,"errmsg":"access_token expired"}"#);
    let answers = vec![
        ok(TOKEN),
        ok(TAKEN),
        ok(TAKEN),
        ended.clone(),
        ok(TOKEN),
        ok(TAKEN),
        ended.clone(),
        ok(TOKEN),
        ended,
    ];
    let service = Service::start(answers).await;
    let registry = registry(&API.replace("PORT", &service.port.to_string()), &[]);
    let page = page("wechat");
    for _ in 0..3 {
        registry.send(&page, Told::FIRST, page.at).await.unwrap();
    }
    // A fresh one that has ended already is no use: somebody else had a newer one meanwhile. Later, then.
    let error = registry.send(&page, Told::FIRST, page.at).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("42001"), "{error}");
    let lines: Vec<String> = service.asked().iter().map(|asked| asked.line[..8].to_owned()).collect();
    let expected = [
        "GET /cgi", "POST /cg", "POST /cg", "POST /cg", "GET /cgi", "POST /cg", "POST /cg", "GET /cgi",
        "POST /cg",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_200_says_else() {
    for (answer, is_temporary, code) in [
        (r#"{"errcode":40001,"errmsg":"invalid credential"}"#, false, "refused"),
        (r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, true, "rate_limited"),
        (r#"{"errcode":-1,"errmsg":"system error"}"#, true, "receiver_unwell"),
        (r#"{"errcode":0}"#, true, "receiver_unwell"),
        ("<html>", true, "receiver_unwell"),
    ] {
        let (sent, _) = told(API, &page("wechat"), Told::FIRST, vec![ok(answer)]).await;
        let error: Error = sent.unwrap_err();
        assert_eq!((error.is_temporary(), error.code()), (is_temporary, code), "{answer}: {error}");
    }
    let nobody = vec![ok(TOKEN), ok(r#"{"errcode":81013,"errmsg":"user & party & tag all invalid"}"#)];
    let error = told(API, &page("wechat"), Told::FIRST, nobody).await.0.unwrap_err();
    assert!(!error.is_temporary() && error.to_string().contains("all invalid"), "{error}");
}

#[tokio::test]
async fn a_preview_hides_the_secret_and_asks_nobody() {
    let shown = shown(&API.replace("PORT", "1"), &page("wechat")).await;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].to, "POST http://127.0.0.1:1/cgi-bin/message/send?access_token=TOKEN");
}
