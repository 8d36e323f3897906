#!/usr/bin/env python3
"""Row 28: the metrics calls of an application, over HTTP."""
import json
import os
import time
import urllib.request

URL = os.environ["URL"]


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers, method=method), timeout=10) as reply:
        return reply.status, json.load(reply)


class Metrics:
    """Counts, and tells what it counted when asked to."""

    def __init__(self):
        self.told = []

    def add(self, kind, name, value, tags=None):
        self.told.append({"type": kind, "name": name, "value": value, "tags": tags})

    def increment_counter(self, name, value=1, tags=None):
        self.add("counter", name, value, tags)

    def set_gauge(self, name, value, tags=None):
        self.add("gauge", name, value, tags)

    def record_histogram(self, name, value, tags=None):
        self.add("histogram", name, value, tags)

    def record_session_started(self, session_id):
        self.increment_counter("sessions_started", tags={"session_id": session_id})

    def record_voice_request(self, session_id, size):
        self.increment_counter("voice_requests_total", tags={"session_id": session_id})
        self.record_histogram("voice_audio_size_bytes", size)

    def record_api_call(self, service, success, duration_ms):
        self.increment_counter(f"api_calls_{service}_{'success' if success else 'failure'}")
        self.record_histogram(f"api_duration_ms_{service}", duration_ms)

    def record_error(self, error_type, endpoint=None):
        self.increment_counter("errors_total", tags={"error_type": error_type, "endpoint": endpoint})

    def record_workflow_execution(self, session_id, duration_ms, success):
        self.increment_counter(f"workflow_executions_{'success' if success else 'failure'}")
        self.record_histogram("workflow_duration_ms", duration_ms)

    def send(self):
        told, self.told = self.told, []
        status, reply = ask("POST", "/api/v1/monitoring/metrics", told)
        assert (status, reply) == (202, {"accepted": len(told)}), (status, reply)


metrics = Metrics()
metrics.record_session_started("s1")
metrics.record_session_started("s2")
metrics.record_voice_request("s1", 48_000)
for i in range(1, 101):
    metrics.record_api_call("groq", success=i > 8, duration_ms=25 * i)
metrics.record_error("Timeout", "/api/v1/voice")
metrics.record_workflow_execution("s1", 900.5, True)
metrics.set_gauge("memory_usage_bytes", 123_456_789)
metrics.send()

_, summary = ask("GET", "/api/v1/monitoring/metrics")
counters, histograms = summary["counters"], summary["histograms"]
print(json.dumps(summary, indent=1))
assert counters["sessions_started"] == 2, counters
assert (counters["api_calls_groq_success"], counters["api_calls_groq_failure"]) == (92, 8), counters
took = histograms["api_duration_ms_groq"]
assert (took["count"], took["min"], took["max"], took["avg"]) == (100, 25, 2500, 1262.5), took
assert abs(took["p95"] - 2376.25) < 1e-6 and abs(took["p50"] - 1262.5) < 1e-6, took
assert summary["gauges"]["memory_usage_bytes"] == 123_456_789

# What was told is a series at once.
_, reply = ask("GET", "/api/v1/query?query=sum(sessions_started)")
assert reply["data"]["result"][0]["value"][1] == "2", reply

_, evaluated = ask("POST", "/api/v1/monitoring/evaluate")
print(json.dumps(evaluated, indent=1))
messages = {alert["name"]: alert["message"] for alert in evaluated["triggered_alerts"]}
# 8 of 101 calls failed; 95 of 100 took no longer than this.
assert messages["high_error_rate"].startswith("Alert: high_error_rate - error_rate_percent is 7.92 (threshold: 5.00)")
assert messages["slow_response_time"].startswith("Alert: slow_response_time - response_time_p95_ms is 2375.00"), messages
_, again = ask("POST", "/api/v1/monitoring/evaluate")
time.sleep(0.1)
_, history = ask("GET", "/api/v1/monitoring/alerts?hours=1")
names = [entry["name"] for entry in history]
assert names.count("high_error_rate") == 1, names
entry = next(entry for entry in history if entry["name"] == "high_error_rate")
assert entry["severity"] == "critical" and entry["threshold"] == 5.0 and entry["metric_value"] > 7.9, entry
_, status = ask("GET", "/api/v1/monitoring/status")
assert status["active_alerts_count"] >= 2 and status["alert_thresholds_count"] == 4, status
