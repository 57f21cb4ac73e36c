"""What a user can put right: errors that need no traceback.

Each is also the built-in error that the same mistake raises elsewhere, so
that code which knows nothing of this package can catch it.
"""


class LLMMDEError(Exception):
    """Base of every error this package raises on a user's input.

    The tools print its message alone: what is wrong, where, what to do.
    """


class DataError(LLMMDEError, ValueError):
    """A data set or one of its files is missing, damaged or unfit."""


class WeightsError(LLMMDEError, OSError):
    """Weights cannot be found, read, trusted or matched to the model."""


class WriteError(LLMMDEError, OSError):
    """A file cannot be written: a full disk, a folder without rights."""


class DamagedError(WeightsError):
    """A file of weights is not as it was written: truncated or altered."""


class ConfigError(LLMMDEError, ValueError):
    """A config names an option or a value that does not exist."""


class NonFiniteError(LLMMDEError, ArithmeticError):
    """A training step has a loss or a gradient that is no number."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal ended the training after a step, which is saved.

    Attributes:
        checkpoint (str): The file that the training goes on from.
        exit_code (int): What the tools exit with: 75, ``EX_TEMPFAIL`` of
            ``sysexits.h``, which asks to try again later.
    """

    exit_code = 75

    def __init__(self, message: str, checkpoint: str) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint
