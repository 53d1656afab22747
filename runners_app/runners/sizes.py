"""Which machine sizes fit which platform. GitHub's list of sizes does not say, so unknown ones are
offered.
"""

from runners_app.models import Image, MachineSize

LINUX = frozenset({"linux-x64", "linux-arm64"})
X64 = frozenset({"linux-x64", "win-x64"})
ARM64 = frozenset({"linux-arm64", "win-arm64"})
# From GitHub's reference of larger runners; sizes that run everywhere are left out.
FITS: dict[str, frozenset[str]] = {"2-core": LINUX, "64-core": X64, "96-core": X64}


def fits(size: MachineSize, image: Image) -> bool:
    """Whether the size may be offered for the image: by platform, and by storage, which must hold
    the image.
    """
    if (
        image.source != Image.Source.CUSTOM
        and image.size_gb
        and size.storage_gb
        and size.storage_gb < image.size_gb
    ):
        return False
    if not image.platform:
        return True
    known = FITS.get(size.github_id)
    if known is None and "arm" in size.github_id:
        known = ARM64
    if known is None and "gpu" in size.github_id:
        known = X64
    return known is None or image.platform in known
