//! `tocsin receivers`: which there are, a test page by one of them, and what a page would look like.
//!
//! Works on files: a receiver can be tried out before anything runs. What it sends goes out from here. Only a preview about
//! alerts that fire asks a server for them.

use crate::client::{Client as Server, LocalKey, block_on};
use crate::terminal::{escape, items};
use crate::{cli, config};
use alerts::{Route, RouteNode};
use anyhow::{Context, Result, anyhow, bail};
use model::{ALERTNAME, Alert, Clock, Labels, Page, PageStatus, SystemClock, Timestamp};
use notify::{Registry, Sample, Sent, Told};
use reach::{Policy, http::Client};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::Path, process::ExitCode};

/// Lists, tests or previews.
pub fn run(args: &cli::Receivers) -> Result<ExitCode> {
    match args {
        cli::Receivers::List { files, json } => list(files, *json),
        cli::Receivers::Test(args) => block_on(test(args)),
        cli::Receivers::Preview(args) => block_on(preview(args)),
    }
}

/// Receivers as the files have them, ready to send.
struct Ready {
    registry: Registry,
    shapes: Vec<notify::ReceiverShape>,
    route: Route,
    external_url: String,
}

fn load(files: &cli::ReceiverFiles) -> Result<Ready> {
    let beside = Path::new("tocsin.yml");
    let none = files.config.is_none() && files.alertmanager_config.is_none();
    let sources = config::Sources {
        config: files.config.clone().or_else(|| (none && beside.exists()).then(|| beside.to_owned())),
        prometheus: None,
        alertmanager: files.alertmanager_config.clone(),
    };
    if sources.config.is_none() && sources.alertmanager.is_none() {
        bail!("name the file: --config tocsin.yml, or --alertmanager-config alertmanager.yml");
    }
    let loaded = config::load(&sources).map_err(|report| anyhow!("{report}"))?;
    let templates = template::Set::new(&loaded.templates).context("cannot read the templates")?;
    let client = Client::new(Policy::OPERATOR, Default::default());
    Ok(Ready {
        shapes: loaded.receivers.shapes(),
        route: loaded.alerts.route,
        registry: Registry::new(client, loaded.receivers, templates),
        external_url: loaded.external_url.unwrap_or_else(|| "http://localhost:8080".to_owned()),
    })
}

impl Ready {
    /// The integrations of a receiver that are asked for, with whether each wants ends.
    fn integrations(&self, name: &str, only: Option<&str>) -> Result<Vec<(String, bool)>> {
        let Some(shape) = self.shapes.iter().find(|shape| shape.name == name) else {
            let known: Vec<&str> = self.shapes.iter().map(|shape| shape.name.as_str()).collect();
            bail!("there is no receiver {name:?}; there are: {}", known.join(", "));
        };
        let all = shape.integrations.iter().map(|one| (one.name.clone(), one.send_resolved));
        let chosen: Vec<(String, bool)> =
            all.filter(|(one, _)| only.is_none_or(|only| only == one)).collect();
        if chosen.is_empty() {
            bail!("the receiver {name:?} has no integration {}", only.unwrap_or("at all"));
        }
        Ok(chosen)
    }

    /// The route by which a receiver is told of an alert, else its first, else the root.
    fn route_to(&self, receiver: &str, labels: &Labels) -> &RouteNode {
        let nodes = &self.route.nodes;
        let taken = self.route.find(labels).into_iter().map(|place| &nodes[place]);
        taken.chain(nodes).find(|node| node.receiver == receiver).unwrap_or(&nodes[0])
    }
}

fn list(files: &cli::ReceiverFiles, as_json: bool) -> Result<ExitCode> {
    let ready = load(files)?;
    for shape in &ready.shapes {
        let names: Vec<&str> = shape.integrations.iter().map(|one| one.name.as_str()).collect();
        match as_json {
            true => println!("{}", json!({ "receiver": shape.name, "integrations": names })),
            false => println!("{}: {}", shape.name, names.join(", ")),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(args: &cli::ReceiverTest) -> Result<ExitCode> {
    let ready = load(&args.files)?;
    let (labels, annotations) = made_up(&args.about)?;
    let node = ready.route_to(&args.name, &labels);
    let (group_labels, route_labels) = (node.group_of(&labels), node.template_labels());
    let mut failed = false;
    for (integration, wants_ends) in ready.integrations(&args.name, args.about.integration.as_deref())? {
        let sample = Sample {
            receiver: &args.name,
            integration: &integration,
            labels: &labels,
            annotations: &annotations,
            group_labels: &group_labels,
            route_labels: &route_labels,
            external_url: &ready.external_url,
        };
        let begun = SystemClock.now();
        let page = sample.page(PageStatus::Firing, begun);
        let sent = ready.registry.send(&page, Told::FIRST, begun).await;
        say(&integration, PageStatus::Firing, &sent, args.json);
        let Ok(Sent { keep, .. }) = sent else {
            failed = true;
            continue;
        };
        if args.resolve && wants_ends {
            let end = sample.page(PageStatus::Resolved, begun);
            let told = Told { kept: &keep, ..Told::FIRST };
            let sent = ready.registry.send(&end, told, SystemClock.now()).await;
            failed |= sent.is_err();
            say(&integration, PageStatus::Resolved, &sent, args.json);
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(integration: &str, status: PageStatus, sent: &Result<Sent, notify::Error>, as_json: bool) {
    let status = status.as_str();
    match (sent, as_json) {
        (Ok(sent), false) => println!("{integration} {status}: {}", sent.answer),
        (Err(why), false) => println!("{integration} {status}: failed: {why}"),
        (Ok(sent), true) => {
            println!(
                "{}",
                json!({ "integration": integration, "status": status, "ok": true, "answer": sent.answer })
            );
        }
        (Err(why), true) => {
            let (code, temporary) = (why.code(), why.is_temporary());
            let error = json!({ "code": code, "message": why.to_string(), "temporary": temporary });
            println!(
                "{}",
                json!({ "integration": integration, "status": status, "ok": false, "error": error })
            );
        }
    }
}

async fn preview(args: &cli::ReceiverPreview) -> Result<ExitCode> {
    let ready = load(&args.files)?;
    let (labels, annotations) = made_up(&args.about)?;
    let node = ready.route_to(&args.name, &labels);
    let (group_labels, route_labels) = (node.group_of(&labels), node.template_labels());
    let status = if args.resolved { PageStatus::Resolved } else { PageStatus::Firing };
    let now = SystemClock.now();
    let live = if args.live.is_empty() { None } else { Some(firing_at(args).await?) };
    for (integration, _) in ready.integrations(&args.name, args.about.integration.as_deref())? {
        let sample = Sample {
            receiver: &args.name,
            integration: &integration,
            labels: &labels,
            annotations: &annotations,
            group_labels: &group_labels,
            route_labels: &route_labels,
            external_url: &ready.external_url,
        };
        let mut page = sample.page(status, now);
        if let Some(group) = &live {
            group.fill(&mut page);
        }
        if let Some(template) = &args.template {
            println!("{}", ready.registry.fill(template, &page, now)?);
            return Ok(ExitCode::SUCCESS);
        }
        for shown in ready.registry.preview(&page, now).await? {
            match args.remote.json {
                true => {
                    println!("{}", json!({ "integration": integration, "to": shown.to, "body": shown.body }))
                }
                false => println!("{integration}: {}\n{}\n", shown.to, readable(&shown.body)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A group whose alerts fire.
struct LiveGroup {
    labels: Labels,
    alerts: Vec<Alert>,
}

impl LiveGroup {
    /// Puts its alerts on a page.
    fn fill(&self, page: &mut Page) {
        let ends_at = (page.status == PageStatus::Resolved).then_some(page.at);
        let fingerprints: Vec<u64> = self.alerts.iter().map(|alert| alert.labels.fingerprint()).collect();
        page.group_labels = self.labels.clone();
        page.alerts = self.alerts.iter().map(|alert| Alert { ends_at, ..alert.clone() }).collect();
        *(if ends_at.is_some() { &mut page.news.ended } else { &mut page.news.fired }) = fingerprints;
    }
}

/// The first group of the server's alerts that match, of this receiver if it has one.
async fn firing_at(args: &cli::ReceiverPreview) -> Result<LiveGroup> {
    let server = Server::new(&args.remote, LocalKey::User);
    let filters: Vec<String> = args.live.iter().map(|one| format!("filter={}", escape(one))).collect();
    let found = server.get(&format!("/api/v2/alerts/groups?{}", filters.join("&"))).await?.done()?;
    let own = items(&found).iter().find(|group| group["receiver"]["name"] == args.name.as_str());
    let Some(group) = own.or(items(&found).first()) else {
        bail!("no alert that fires matches {}; `tocsin alerts` lists those that do", args.live.join(" "))
    };
    let labels =
        |value: &Value| Labels::deserialize(value).context("the server's answer is not one of Tocsin");
    let alert = |value: &Value| {
        let at = |name: &str| value[name].as_str().and_then(|text| Timestamp::parse_rfc3339(text).ok());
        Ok(Alert {
            labels: labels(&value["labels"])?,
            annotations: labels(&value["annotations"])?,
            starts_at: at("startsAt").unwrap_or_default(),
            ends_at: None,
            generator_url: value["generatorURL"].as_str().unwrap_or("").into(),
            updated_at: at("updatedAt").unwrap_or_default(),
        })
    };
    let alerts: Result<Vec<Alert>> = items(&group["alerts"]).iter().map(alert).collect();
    Ok(LiveGroup { labels: labels(&group["labels"])?, alerts: alerts? })
}

/// JSON on several lines; everything else as it is, but for what steers a terminal.
fn readable(body: &str) -> String {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| body.to_owned()),
        Err(_) => body.replace("\r\n", "\n"),
    };
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The labels and annotations that were given, over those of a plain test.
fn made_up(about: &cli::MadeUp) -> Result<(Labels, Labels)> {
    let given = pairs(&about.labels)?;
    let labels = match given.get(ALERTNAME) {
        Some(_) => given,
        None if given.is_empty() => Labels::from_pairs([(ALERTNAME, "TestPage"), ("severity", "info")]),
        None => given.with(ALERTNAME, "TestPage"),
    };
    let annotations = match pairs(&about.annotations)? {
        given if given.is_empty() => Labels::from_pairs([
            ("summary", "This is a test"),
            ("description", "Sent by hand, to see whether and how pages arrive. Nothing is wrong."),
        ]),
        given => given,
    };
    Ok((labels, annotations))
}

fn pairs(texts: &[String]) -> Result<Labels> {
    let mut pairs = Vec::new();
    for text in texts {
        let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not NAME=VALUE"))?;
        pairs.push((name.to_owned(), value.trim_matches('"').to_owned()));
    }
    Ok(Labels::from_pairs(pairs))
}
