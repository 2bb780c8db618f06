"""Offsets of partitions, and their JSON format in Spark."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import KafkaRefused

Partition = tuple[str, int]
Offsets = dict[Partition, int]

# Spark's codes for unresolved offsets.
LATEST, EARLIEST = -1, -2


def parse_offsets(text: str) -> Offsets:
    """Parse offsets by topic and partition from JSON.

    Raises:
        KafkaRefused: The format is invalid.
    """
    try:
        return read_offsets(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise KafkaRefused(
            f'Expected e.g. {{"topicA":{{"0":23,"1":-1}},"topicB":{{"0":-2}}}}, got {text}'
        ) from error


def read_offsets(content: Mapping[str, Mapping[str, Any]]) -> Offsets:
    """Return the offsets in a parsed JSON object."""
    return {
        (topic, int(number)): int(offset)
        for topic, by_number in content.items()
        for number, offset in by_number.items()
    }


def write_offsets(offsets: Offsets) -> dict[str, dict[str, int]]:
    """Return offsets as a sorted JSON object."""
    written: dict[str, dict[str, int]] = {}
    for topic, number in sorted(offsets):
        written.setdefault(topic, {})[str(number)] = offsets[topic, number]
    return written


def parse_partitions(text: str) -> list[Partition]:
    """Parse partitions by topic from JSON.

    Raises:
        KafkaRefused: The format is invalid.
    """
    try:
        return [(topic, int(at)) for topic, numbers in json.loads(text).items() for at in numbers]
    except (ValueError, TypeError, AttributeError) as error:
        raise KafkaRefused(
            f'Expected e.g. {{"topicA":[0,1],"topicB":[0,1]}}, got {text}'
        ) from error


def write_partitions(partitions: Iterable[Partition]) -> str:
    """Return partitions by topic as JSON."""
    written: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        written.setdefault(topic, []).append(number)
    return json.dumps(written)


def name(partitions: Iterable[Partition]) -> str:
    """Format partitions as in Spark's messages."""
    return ", ".join(f"{topic}-{number}" for topic, number in sorted(partitions))


def limit(most: int, start: Offsets, end: Offsets) -> Offsets:
    """Return the end offsets of a micro-batch of about `most` messages.

    Partitions contribute in proportion to their messages, at least one each.

    Args:
        most: Number of messages.
        start: Start offsets, for all partitions with messages.
        end: Latest offsets.
    """
    sizes = {
        each: end[each] - start[each] for each in end if end[each] > start.get(each, end[each])
    }
    total = sum(sizes.values())
    shares = {each: most * (size / total) for each, size in sizes.items()}
    return {
        each: min(last, start[each] + max(1, int(shares[each]))) if each in shares else last
        for each, last in end.items()
    }
