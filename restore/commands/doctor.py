"""`restore doctor`: what this machine and this installation are."""


def doctor() -> int:
    """Versions, devices, threads, precisions, where weights are."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from restore import cards, console
    from restore.engine import device

    console.out(f"restore {version('restore')}, Python {platform.python_version()}, {platform.platform()}")
    for package in ("torch", "numpy", "pillow", "tifffile", "imagecodecs", "OpenImageIO", "rawpy", "safetensors", "typer", "rich"):
        try:
            console.out(f"{package} {version(package)}")
        except PackageNotFoundError:
            console.out(f"{package} is missing: install restore again")
    for line in device.describe():
        console.out(line)
    for folder in cards.folders():
        console.out(f"weights in {folder}: {sum(1 for _ in folder.glob('*.safetensors'))} files")
    return 0
