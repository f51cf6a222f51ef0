"""The lives of a server, one process after the other, and what the end of each may have taken.

A record of a durability=interval topic is acknowledged when it is written, and synced at most
`journal.interval_ms` later. So the end of a process takes none, and a power cut takes only records that

- were acknowledged within WINDOW_S before the last moment when the disk was known to work (the
  interval, and what a busy machine may need for the sync itself), and
- were acknowledged after the last fsync record of that life was sent that got its answer: the sync
  that came before the answer covers everything written before.

All moments are of this process (time.monotonic()). An acknowledgement is noted after it came and a
record before it is sent, so what is noted makes a record younger than it was, never older.
"""

INTERVAL_S = 0.1  # journal.interval_ms, as it is without a setting
SLACK_S = 2
WINDOW_S = INTERVAL_S + SLACK_S


class Lives:
    def __init__(self):
        self.number = 0  # of the current life, or of the one that ended last
        self.ended = {}  # life → the last moment when its disk was known to work
        self.is_clean = set()  # lives that ended by a clean stop
        self.is_cut = set()  # lives after which the power went before anything was recovered
        self.fences = {}  # life → when its last acknowledged fsync record was sent

    def begin(self):
        """The server is ready: what it has recovered is durable."""
        self.number += 1

    def end(self, moment, is_clean=False):
        """Of a process. One that was not ready is no life."""
        if self.number and self.number not in self.ended:
            self.ended[self.number] = moment
            if is_clean:
                self.is_clean.add(self.number)

    def lose_power(self):
        """No process runs."""
        if self.number in self.ended and self.number not in self.is_clean:
            self.is_cut.add(self.number)

    def fence(self, life, sent_at):
        self.fences[life] = max(sent_at, self.fences.get(life, sent_at))

    def may_lose(self, life, acknowledged_at):
        """An interval record that was acknowledged in that life."""
        if life not in self.is_cut:
            return False
        return acknowledged_at >= max(self.ended[life] - WINDOW_S, self.fences.get(life, 0))

    def may_skip(self, first, following):
        """Offsets between the records of two lives: after an end that was not clean."""
        return any(life in self.ended and life not in self.is_clean for life in range(first, following))
