"""Answers schedules as python-dateutil and croniter do: a question a line, an answer a line.

R <n> <rule, \\n for line ends>    the first n occurrences of the first fourteen years
C <n> <after> <expression>        the next n fires, six fields with the second first
Fields are parted by tabs; instants are seconds from 1970 of a clock without a zone.
"""

import datetime
import gc
import re
import signal
import sys
from itertools import islice

import dateutil.rrule
from croniter import croniter

EPOCH = datetime.datetime(1970, 1, 1)


def seconds(at):
    return int((at - EPOCH).total_seconds())


def rule(n, text):
    # Where dateutil gives up; from itself it would look for a fire until the year 9999, past UNTIL too.
    until = re.search(r"UNTIL=(\d{4})", text)
    datetime.MAXYEAR = int(until[1]) if until else int(text[len("DTSTART:"):][:4]) + 13
    found = dateutil.rrule.rrulestr(text.replace("\\n", "\n"), forceset=False)
    return [seconds(at) for at in islice(found, n)]


def cron(n, after, expr):
    # As for clocks that stay in UTC.
    start = EPOCH + datetime.timedelta(seconds=after)
    fires = croniter(expr, start, second_at_beginning=len(expr.split()) == 6, max_years_between_matches=30)
    return [seconds(fires.get_next(datetime.datetime)) for _ in range(n)]


def too_long(_signal, _frame):
    raise TimeoutError("too long")


# Little of what is made here refers to itself.
gc.disable()
signal.signal(signal.SIGALRM, too_long)
for line in sys.stdin:
    signal.alarm(5)
    kind, n, *rest = line.rstrip("\n").split("\t")
    try:
        found = rule(int(n), rest[0]) if kind == "R" else cron(int(n), int(rest[0]), rest[1])
        print(",".join(map(str, found)))
    except Exception as why:  # An oracle's refusal is an answer.
        print("refused: " + str(why).split("\n")[0])
