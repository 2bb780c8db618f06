"""Descriptions and tags must have content, in any language."""

import pytest

from flight_delays.promotion.wording import find_description_flaw, find_value_flaw

HONEST = (
    "Probability that a flight from New York arrives late, from timetable and weather.",
    "Wahrscheinlichkeit, dass ein Flug mindestens 15 Minuten zu spät ankommt, nach Fahrplan.",
    "Вероятность опоздания рейса из Нью-Йорка на пятнадцать минут и более.",
    "予定出発時刻において、ニューヨーク発の便が十五分以上遅れて到着する確率を予測する。",
    "احتمال وصول الرحلة متأخرة خمس عشرة دقيقة أو أكثر من نيويورك",
    "Delays of flights from New York: see https://wiki.example.com/display/ML/flight-delays",
    "Todo vuelo de Nueva York: probabilidad de que llegue quince minutos tarde o más.",
    "Unknown passengers' chance of a late arrival, by carrier, by airport, by hour, by weather",
    "न्यूयॉर्क से उड़ान के पंद्रह मिनट या उससे अधिक देर से पहुँचने की संभावना",
)


@pytest.mark.parametrize("text", HONEST)
def test_a_description_in_any_language_says_something(text: str) -> None:
    assert find_description_flaw(text) is None
    assert find_value_flaw(text) is None


@pytest.mark.parametrize(
    "value",
    [
        *(
            "uncommitted",
            "0a1b2c3",
            "7",
            "1111",
            "11 11",
            "2013-11-01",
            "2013-11-01T00:00:00+00:00",
        ),
        *("1.0", "東", "Ann", "B", "aa-team"),
    ],
)
def test_a_short_value_of_a_tag_says_something(value: str) -> None:
    assert find_value_flaw(value) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is blank"),
        (" \t\n", "is blank"),
        ("?", "has no letter or digit"),
        ("--- ... ???", "has no letter or digit"),
        ("\u200b\u200b", "has no letter or digit"),
        ("xxxx", "repeats one letter"),
        ("a" * 40, "repeats one letter"),
        ("aaa aaa aaa aaa", "repeats one letter"),
        ("aaa bbb ccc", "repeats one letter"),
        ("todo", "is a placeholder"),
        ("TODO: ", "is a placeholder"),
        ("n/a", "is a placeholder"),
        ("none", "is a placeholder"),
        ("Tbd.", "is a placeholder"),
        ("unknown", "is a placeholder"),
        ("tbd todo n/a", "is a placeholder"),
        ("model model model", "repeats one word"),
        ("not set", "is a placeholder"),
        ("<commit>", "is a placeholder"),
        ("<describe what the model predicts, from what, for whom>", "is a placeholder"),
        ("${bundle.git.commit}", "has an unresolved reference"),
        ("Trained by {{job.name}}, from weather and timetable", "has an unresolved reference"),
    ],
)
def test_what_says_nothing_is_neither_a_tag_nor_a_description(text: str | None, why: str) -> None:
    assert find_value_flaw(text) == why
    assert find_description_flaw(text) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1234567890 1234567890 0987654321 5555", "has fewer than 8 different letters"),
        ("abcabcabcabcabcabcabcabcabcabcabcabcabcabc", "has fewer than 8 different letters"),
        ("Lorem ipsum dolor sit amet, consectetur adipiscing elit", "is filler text"),
        ("asdfghjk qwertz asdfghjk qwertz asdfghjk", "repeats 2 words"),
        ("This is a model. This is a model. This is a model.", "repeats 4 words"),
        ("model of delays model of delays model of delays", "repeats 3 words"),
        ("TODO: say what this predicts, from what and for whom", "begins with a placeholder"),
        ("TODO say what this predicts, from what and for whom", "begins with a placeholder"),
        ("todo: say what this predicts, from what and for whom", "begins with a placeholder"),
        ("https://wiki.example.com/display/ML/flight-delays", "is a link alone"),
        ("Predicts: TBD. From: TBD. For whom: TBD. Owner: TBD.", "has placeholders"),
    ],
)
def test_a_description_takes_more_than_a_tag(text: str, why: str) -> None:
    assert find_description_flaw(text) == why


def test_a_description_may_begin_with_a_word_that_is_a_placeholder_elsewhere() -> None:
    assert (
        find_description_flaw("Todo vuelo de Nueva York: probabilidad de un retraso al llegar.")
        is None
    )
