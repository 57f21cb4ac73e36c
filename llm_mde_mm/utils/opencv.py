"""OpenCV without its system library: say what to install."""


def check_opencv() -> None:
    """Import OpenCV once.

    Raises:
        ImportError: If OpenCV's wheel misses a shared library of the system,
            as in slim containers, with the commands that mend it.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'OpenCV does not load ({error}). On Debian or Ubuntu run '
            '`apt-get install libgl1 libglib2.0-0`; without the rights for '
            'that, `pip uninstall -y opencv-python` and then `pip install '
            '--force-reinstall opencv-python-headless`'
        ) from error
