"""What can be named is what has a file."""

import pytest

from segrepro import registry
from segrepro.errors import UserError


def test_helpers_with_an_underscore_are_no_entries() -> None:
    found = registry.names("segrepro.models")
    assert {"unet", "multiresunet"} <= set(found)
    assert not any(name.startswith("_") for name in found)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        registry.load("segrepro.models", "unett", kind="model")
    assert raised.value.fact == "unknown model 'unett'."
    assert "Did you mean 'unet'?" in raised.value.cure
    assert "multiresunet" in raised.value.cure
