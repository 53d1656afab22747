"""Which machine sizes fit which platform.

GitHub's list of sizes does not say, so sizes that are not listed here are offered everywhere.
"""

from runners_app.models import Image, MachineSize

LINUX = frozenset({"linux-x64", "linux-arm64"})
X64 = frozenset({"linux-x64", "win-x64"})
ARM64 = frozenset({"linux-arm64", "win-arm64"})
# From GitHub's larger runners reference, without the sizes that run on every platform.
FITS: dict[str, frozenset[str]] = {"2-core": LINUX, "64-core": X64, "96-core": X64}


def fits(size: MachineSize, image: Image) -> bool:
    """Whether a size fits an image: by platform, and by disk space."""
    if (
        image.source != Image.Source.CUSTOM
        and image.size_gb
        and size.storage_gb
        and size.storage_gb < image.size_gb
    ):
        return False
    if not image.platform:
        return True
    platforms = FITS.get(size.github_id)
    if platforms is None and "arm" in size.github_id:
        platforms = ARM64
    if platforms is None and "gpu" in size.github_id:
        platforms = X64
    return platforms is None or image.platform in platforms
