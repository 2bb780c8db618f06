"""The trained workspace, which all tests of one run share."""

from tests.conftest import refreshed_state, states, trained_state

__all__ = ["refreshed_state", "states", "trained_state"]
