#!/usr/bin/env python3
"""Row 5: the guide's three ways to tell people, each to where the variables say; MESSAGE and SEVERITY are what is told."""
import datetime
import json
import os
import smtplib
import urllib.request
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

EMOJI = {"info": ":information_source:", "warning": ":warning:", "error": ":x:", "critical": ":rotating_light:"}


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.status


def send_slack_alert(message, severity):
    emoji = EMOJI.get(severity, ":bell:")
    return post(os.environ["SLACK_WEBHOOK_URL"], {
        "text": f"{emoji} *Orchestrator Alert*",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": message}}],
    })


def send_email_alert(subject, body):
    user = os.environ["SMTP_USER"]
    mail = MIMEMultipart()
    mail["From"], mail["To"] = user, os.environ["ALERT_EMAIL"]
    mail["Subject"] = f"[ALERT] Orchestrator API - {subject}"
    mail.attach(MIMEText(body, "plain"))
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ.get("SMTP_PORT", 587)), timeout=10) as server:
        server.starttls()
        server.login(user, os.environ["SMTP_PASSWORD"])
        server.send_message(mail)


def send_pagerduty_alert(summary, severity):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return post(os.environ.get("PAGERDUTY_URL", "https://events.pagerduty.com/v2/enqueue"), {
        "routing_key": os.environ["PAGERDUTY_KEY"],
        "event_action": "trigger",
        "payload": {"summary": summary, "severity": severity, "source": "orchestrator-api", "timestamp": now},
    })


message, severity = os.environ["MESSAGE"], os.environ["SEVERITY"]
assert send_slack_alert(message, severity) == 200
send_email_alert(os.environ["SUBJECT"], message)
assert send_pagerduty_alert(message, severity) == 202
print("told on three ways")
