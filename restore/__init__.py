"""`restore`: undo what a camera, a scanner or a wire did to a picture. `restore.run(picture, "denoise", sigma=25)`."""

from typing import TYPE_CHECKING

_LAZY = {"read": "restore.io", "write": "restore.io", "run": "restore.api", "load": "restore.api", "Image": "restore.image", "Header": "restore.image",
         "RestoreError": "restore.errors"}

__all__ = ["Header", "Image", "RestoreError", "__version__", "load", "read", "run", "write"]

if TYPE_CHECKING:
    from restore.api import load, run
    from restore.errors import RestoreError
    from restore.image import Header, Image
    from restore.io import read, write

    __version__: str


def __getattr__(name: str):
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("restore")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'restore' has no attribute {name!r}")
