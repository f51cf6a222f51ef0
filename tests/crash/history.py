"""What a campaign remembers of its logs, over all cuts: an offset never means anything else later."""

import bisect
import collections

FIRST_LIFE = 1


def gaps_of(log):
    """(begin, end) of the offsets without records, in order."""
    at = log.start
    for offset, _ in log.records:
        if offset > at:
            yield at, offset
        at = max(at, offset + 1)
    if log.end > at:
        yield at, log.end


class History:
    def __init__(self, lives):
        self.lives = lives
        self.values = collections.defaultdict(dict)  # place → offset → id that was acknowledged or read there
        self.ends = collections.Counter()  # place → where the log ended at least
        self.gaps = collections.defaultdict(list)  # place → (begin, end) that had no record when they were read

    def acknowledge(self, place, offset, record_id, verdict):
        self._learn(place, offset, record_id, verdict)
        self.ends[place] = max(self.ends[place], offset + 1)

    def look(self, place, log, found, sent, verdict):
        """At one partition as it was read. `found`: id → offset, of the records that are as they were sent."""
        if log.end < self.ends[place]:
            verdict.add("shrunk", f"{place} ends at {log.end}, and had {self.ends[place]} offsets")
        self.ends[place] = max(self.ends[place], log.end)
        for record_id, offset in found.items():
            self._learn(place, offset, record_id, verdict)
            if self._gap_at(place, offset):
                verdict.add("risen", f"{place} offset {offset}: {record_id}, where there was no record before")
        if log.may_skip:
            self._look_at_gaps(place, log, found, sent, verdict)

    def forget(self, place, offset):
        """It is below the start for good."""
        self.values[place].pop(offset, None)

    def forget_topic(self, name):
        for known in (self.values, self.ends, self.gaps):
            for place in [place for place in known if place[0] == name]:
                del known[place]

    def _learn(self, place, offset, record_id, verdict):
        known = self.values[place].setdefault(offset, record_id)
        if known != record_id:
            verdict.add("changed", f"{place} offset {offset} is {record_id}, and was {known}")

    def _gap_at(self, place, offset):
        gaps = self.gaps[place]
        at = bisect.bisect_right(gaps, offset, key=lambda gap: gap[0])
        return at > 0 and offset < gaps[at - 1][1]

    def _look_at_gaps(self, place, log, found, sent, verdict):
        """Each stands between the records of two lives, the first of which did not end cleanly."""
        life_at = {offset: sent[record_id].life for record_id, offset in found.items()}
        offsets = sorted(life_at)
        there = list(gaps_of(log))
        for begin, end in there:
            before = bisect.bisect_left(offsets, begin) - 1
            behind = bisect.bisect_left(offsets, end)
            first = life_at[offsets[before]] if before >= 0 else FIRST_LIFE
            following = life_at[offsets[behind]] if behind < len(offsets) else self.lives.number
            if not self.lives.may_skip(first, following):
                verdict.add("gap", f"{place} from {begin} to {end}: between records of lives {first} and {following}")
            verdict.counters["new_gaps"] += not self._gap_at(place, end - 1)
        self.gaps[place] = _merged(self.gaps[place] + there)


def _merged(gaps):
    merged = []
    for begin, end in sorted(gaps):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged
