"""Texts of a file that hold answers."""

import pytest

from scaffold.errors import ManifestError
from scaffold.manifest import ChosenText
from scaffold.substitutions import Substitution, read_substitution, split_substitutions
from scaffold.tokens import Form, If, Text, Value

FORMS = {"host": Form.HOST}
ANSWERS = {"catalog": "prod", "schema": "flights", "branch": "main", "ci": "b", "host": "there"}
VALUES = {"below": ChosenText(option="ci", texts={"a": "x/", "b": "", "c": "z/"})}


def test_a_substitution_holds_several_answers_and_the_text_between_them() -> None:
    assert read_substitution("FROM {catalog}.{schema}.x", ANSWERS, VALUES, FORMS) == Substitution(
        "FROM prod.flights.x",
        (Text("FROM "), Value("catalog"), Text("."), Value("schema"), Text(".x")),
    )


def test_place_spells_an_answer_in_its_form() -> None:
    substitution = read_substitution("at {host}", ANSWERS, VALUES, FORMS)
    assert substitution.tokens == (Text("at "), Value("host", Form.HOST))


def test_value_becomes_the_text_of_each_choice() -> None:
    last = If("ci", ("b",), (), (Text("z/"),))
    assert read_substitution("at {below}{schema}", ANSWERS, VALUES, FORMS) == Substitution(
        "at flights", (Text("at "), If("ci", ("a",), (Text("x/"),), (last,)), Value("schema"))
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [("a {catalogue}", "names catalogue. There are catalog, .*, below"), ("a", "no answer")],
)
def test_a_substitution_of_no_answer_that_there_is_is_refused(written: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_substitution(written, ANSWERS, VALUES, FORMS)


def test_a_text_is_cut_at_each_of_its_places_the_longer_first() -> None:
    substitutions = [
        read_substitution(text, ANSWERS, {}, {})
        for text in ("{catalog}.", "{catalog}.{schema}", "`{branch}`")
    ]
    assert split_substitutions("prod.flights prod.x `main` main prod.*", substitutions) == (
        Value("catalog"),
        Text("."),
        Value("schema"),
        Text(" "),
        Value("catalog"),
        Text(".x `"),
        Value("branch"),
        Text("` main "),
        Value("catalog"),
        Text(".*"),
    )
    assert split_substitutions("prod", ()) == (Text("prod"),)
