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
