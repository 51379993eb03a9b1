"""Counts requests in this process, at a small part of what prometheus-client takes for each.

Once a second and at each scrape, `metrics.py` takes what was counted since and adds it to the metrics.
"""

import threading
from bisect import bisect_left
from collections import Counter

REFUSED = "goldenrod_requests_refused_total"
SLOW = "goldenrod_slow_requests_total"
SIGN_INS = "goldenrod_sign_in_failures_total"
"""Metrics that are counted one by one."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the histogram of seconds."""


Answered = tuple[str, str, str, str | None]
"""What is counted together: the method, the template of the route, the status, and how the cache was
used ("hit", "miss", or None where it was not asked). A plain tuple, because one is made for each
request."""


class Counts:
    """What was counted and not yet taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[Answered, list[float]] = {}
        self._others: Counter[tuple[str, ...]] = Counter()

    def request(self, answered: Answered, seconds: float) -> None:
        """Count one request. Its cell has the sum of the seconds, then the number in each bucket."""
        with self._lock:
            cell = self._requests.get(answered)
            if cell is None:
                cell = self._requests[answered] = [0.0] * (len(BUCKETS) + 2)
            cell[0] += seconds
            cell[bisect_left(BUCKETS, seconds) + 1] += 1

    def add(self, name: str, *labels: str) -> None:
        """Count something rarer, by the name of its metric and the values of its labels."""
        with self._lock:
            self._others[name, *labels] += 1

    def take(self) -> tuple[dict[Answered, list[float]], Counter[tuple[str, ...]]]:
        """What was counted since this was last called."""
        with self._lock:
            taken = self._requests, self._others
            self._requests, self._others = {}, Counter()
        return taken


COUNTS = Counts()
"""The counts of this process."""
