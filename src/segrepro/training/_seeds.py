"""Every random stream of a run, derived from the recipe's seed and what the stream is for."""

import hashlib
import json


def derive(seed: int, *purpose: str | int) -> int:
    """Return a seed of 63 bits: the same words the same seed, other words another one."""
    digest = hashlib.sha256(json.dumps([seed, *purpose]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
