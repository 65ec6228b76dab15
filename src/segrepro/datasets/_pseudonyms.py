"""Names that say nothing of a person."""

import hashlib


def pseudonym(prefix: str, identity: str) -> str:
    """Return a name for an identity: the same one each time, also in a partial copy of the data.

    Parameters
    ----------
    prefix
        What it is: ``"patient"``.
    identity
        What must not appear. It cannot be read from the name, but who holds the published files
        can find out again which of them it stands for.
    """
    return f"{prefix}-{hashlib.sha256(f'segrepro {identity}'.encode()).hexdigest()[:10]}"
