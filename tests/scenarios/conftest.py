"""Commands in processes of their own, ended with the test that started them."""

from collections.abc import Callable, Iterator

import pytest

from tests.scenarios.driver import Driver


@pytest.fixture
def drivers() -> Iterator[Callable[..., Driver]]:
    started: list[Driver] = []

    def start(*words: str) -> Driver:
        started.append(Driver(*words))
        return started[-1]

    yield start
    for driver in started:
        driver.close()
