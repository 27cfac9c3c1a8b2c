"""Which records are on the page: errors and warnings before all others, in bounded memory."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from entry_script_helper.logtree.report.choice import Choice
from entry_script_helper.logtree.report.embedding import embedded
from entry_script_helper.logtree.report.visible import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entry_script_helper.logtree.stream.records import Record

ERRORS, WARNINGS, OTHERS = "errors", "warnings", "others"
"""The classes of records, as they are counted."""

_CLASSES = {"ERROR": ERRORS, "CRITICAL": ERRORS, "FATAL": ERRORS, "WARNING": WARNINGS, "WARN": WARNINGS}
LONGEST = {ERRORS: 3_000, WARNINGS: 800, OTHERS: 400}
"""Characters of a record's text that are on the page."""


class Chosen(NamedTuple):
    """A record that is on the page."""

    place: int
    """Its place among all records, counted from 0."""
    record: Record


class RecordChoice:
    """Takes all records, one after the other, and keeps some thousands: the first, the last, and some between."""

    def __init__(self) -> None:
        self._choices: dict[str, Choice[Chosen]] = {
            ERRORS: Choice(150, 4_000, 50, 1_800_000, _weight),
            WARNINGS: Choice(100, 3_000, 50, 800_000, _weight),
            OTHERS: Choice(100, 8_000, 200, 1_500_000, _weight),
        }
        self.count = 0
        """Records that there were."""

    def add(self, record: Record) -> None:
        """Look at one record."""
        kind = class_of(record)
        self._choices[kind].add(Chosen(self.count, _cut(record, LONGEST[kind])))
        self.count += 1

    def kept(self) -> list[Record]:
        """Return the records that are kept, in their order."""
        chosen = [each for choice in self._choices.values() for each in choice.kept()]
        return [record for _, record in sorted(chosen, key=lambda each: each.place)]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return of each class how many records are kept, and how many there were."""
        return {kind: (len(choice.kept()), choice.count) for kind, choice in self._choices.items()}


def class_of(record: Record) -> str:
    """Return a record's class: one with a traceback is an error, whatever its level."""
    kind = _CLASSES.get(record.level)
    if kind is None:
        return ERRORS if "Traceback (most recent call last)" in record.raw else OTHERS
    return kind


def text_of(record: Record) -> str:
    """Return what a record says, with its further lines: what of it the page's other columns don't tell."""
    return record.message or record.raw


def _cut(record: Record, most: int) -> Record:
    """Return a record that takes little memory, with what is more than can be shown cut off and counted."""
    if len(record.raw) <= 2 * most and not record.extras:
        return record
    return dataclasses.replace(record, raw=cut(record.raw, most), message=cut(record.message, most), extras={})


def _weight(chosen: Chosen) -> float:
    """Return about how many bytes a record takes on the page."""
    return len(embedded(text_of(chosen.record)[: LONGEST[class_of(chosen.record)]]).encode()) + 100
