#!/usr/bin/env python3
"""Row 3: watches the queue and warns when it grows."""
import json
import os
import time
import urllib.request

url, pause, rounds = os.environ["URL"], float(os.environ.get("PAUSE", 60)), int(os.environ.get("ROUNDS", 0))
done = 0
while not rounds or done < rounds:
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as reply:
        queue = json.load(reply)["queue"]
    pending, processing = queue["pending_tasks"], queue["processing_tasks"]
    print(f"pending={pending:d} processing={processing:d}", flush=True)
    if pending > 100:
        print(f"ALERT: queue depth {pending}", flush=True)
    done += 1
    if not rounds or done < rounds:
        time.sleep(pause)
