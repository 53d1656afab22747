"""What GitHub offers to every account: machine sizes, platforms, its own and partners' images.

Sizes have GitHub's published figures. The ids of sizes from 16 cores up, of GPU machines and of
most images are invented, because GitHub publishes them only through its API.
"""

from dataclasses import dataclass

LINUX, LINUX_ARM, WINDOWS, WINDOWS_ARM = "linux-x64", "linux-arm64", "win-x64", "win-arm64"
PLATFORMS = (LINUX, LINUX_ARM, WINDOWS, WINDOWS_ARM)


@dataclass(frozen=True)
class MachineSize:
    id: str
    cpu_cores: int
    memory_gb: int
    storage_gb: int
    platforms: tuple[str, ...]

    def describe(self) -> dict[str, str | int]:
        return {
            "id": self.id,
            "cpu_cores": self.cpu_cores,
            "memory_gb": self.memory_gb,
            "storage_gb": self.storage_gb,
        }


SIZES = {
    size.id: size
    for size in (
        MachineSize("2-core", 2, 8, 75, (LINUX, LINUX_ARM)),
        MachineSize("4-core", 4, 16, 150, PLATFORMS),
        MachineSize("8-core", 8, 32, 300, PLATFORMS),
        MachineSize("16-core", 16, 64, 600, PLATFORMS),
        MachineSize("32-core", 32, 128, 1200, PLATFORMS),
        MachineSize("64-core", 64, 256, 2040, (LINUX, WINDOWS)),
        MachineSize("64-core-arm", 64, 208, 2040, (LINUX_ARM, WINDOWS_ARM)),
        MachineSize("96-core", 96, 384, 2040, (LINUX, WINDOWS)),
        MachineSize("4-core-gpu", 4, 28, 176, (LINUX, WINDOWS)),
    )
}


@dataclass(frozen=True)
class CuratedImage:
    id: str
    platform: str
    size_gb: int
    display_name: str
    source: str
    small_windows: bool = False
    """Whether the image is offered on Windows x64 with four cores; few are."""
    aliases: tuple[str, ...] = ()

    def describe(self) -> dict[str, str | int]:
        return {
            "id": self.id,
            "platform": self.platform,
            "size_gb": self.size_gb,
            "display_name": self.display_name,
            "source": self.source,
        }


CURATED_IMAGES = (
    CuratedImage(
        "2306",
        LINUX,
        86,
        "Ubuntu Latest (24.04)",
        "github",
        aliases=("ubuntu-latest", "ubuntu-24.04"),
    ),
    CuratedImage("2305", LINUX, 86, "Ubuntu 22.04", "github", aliases=("ubuntu-22.04",)),
    CuratedImage(
        "2411", LINUX_ARM, 64, "Ubuntu 24.04 ARM64", "github", aliases=("ubuntu-24.04-arm",)
    ),
    CuratedImage(
        "1002",
        WINDOWS,
        256,
        "Windows Server 2025",
        "github",
        True,
        aliases=("windows-latest", "windows-2025"),
    ),
    CuratedImage("1001", WINDOWS, 256, "Windows Server 2022", "github", aliases=("windows-2022",)),
    CuratedImage(
        "1010", WINDOWS_ARM, 140, "Windows 11 ARM64", "github", aliases=("windows-11-arm",)
    ),
    CuratedImage("1101", LINUX_ARM, 64, "Ubuntu 24.04 by Arm Limited", "partner"),
    CuratedImage("1201", LINUX, 120, "NVIDIA GPU-Optimized Image for AI and HPC", "partner"),
    CuratedImage("1301", WINDOWS, 127, "Base Windows 11 Desktop", "partner", True),
)


def curated_images(source: str) -> list[CuratedImage]:
    return [image for image in CURATED_IMAGES if image.source == source]


def find_curated_image(image_id: str, source: str) -> CuratedImage | None:
    """Find an image by its id or by an alias, as GitHub's documentation uses in its requests."""
    for image in curated_images(source):
        if image_id == image.id or image_id in image.aliases:
            return image
    return None
