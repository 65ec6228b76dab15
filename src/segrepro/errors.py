"""The one error that users see."""


class UserError(Exception):
    """A mistake or a mishap that the user can mend; ends in exit code 2 without a traceback.

    Parameters
    ----------
    fact
        What is wrong, in one line.
    cure
        What to do about it, in one line.
    """

    def __init__(self, fact: str, cure: str) -> None:
        super().__init__(f"{fact}\n{cure}")
        self.fact = fact
        self.cure = cure

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str]]:
        # Worker processes send it to their parent by pickle, which would call it with one text.
        return type(self), (self.fact, self.cure)
