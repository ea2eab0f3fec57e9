"""What the tests of an application need: one step alone, a drain, time that passes, assertions."""

from gendurable.testing.assertions import (
    assert_awaiting,
    assert_done,
    assert_failed,
    assert_status,
)
from gendurable.testing.clock import elapse
from gendurable.testing.drain import drain
from gendurable.testing.firing import fire_schedules, fire_timeouts
from gendurable.testing.steps import run_step
from gendurable.testing.tally import Tally

__all__ = [
    "Tally",
    "assert_awaiting",
    "assert_done",
    "assert_failed",
    "assert_status",
    "drain",
    "elapse",
    "fire_schedules",
    "fire_timeouts",
    "run_step",
]
