"""The four published networks and a smaller one of ours, by name."""

from dataclasses import dataclass

SCALES = (2, 3, 4, 8)


@dataclass(frozen=True)
class Variant:
    """Size of one AWSRN network.

    Attributes:
        filters: Channels of the feature maps between blocks (the paper's n).
        blocks: Local fusion blocks, LFB (B).
        units: Adaptive weighted residual units, AWRU, in each block (m).
        expanded_filters: Channels inside an AWRU, before its ReLU.
        kernel_sizes: Of the AWMS branches in the tail.
    """

    filters: int
    blocks: int
    units: int
    expanded_filters: int = 128
    kernel_sizes: tuple[int, ...] = (3, 5, 7, 9)

    def receptive_field(self, kernel_sizes: tuple[int, ...] | None = None) -> int:
        """Radius in input pixels that an output pixel depends on."""
        largest_kernel = max(kernel_sizes or self.kernel_sizes)
        return 1 + self.blocks * (2 * self.units + 1) + largest_kernel // 2

    @property
    def convolutions(self) -> int:
        """3x3 convolutions of the fused network; the tail is one more."""
        return 2 + self.blocks * (2 * self.units + 1)

    def pixel_bytes(self, scale: int) -> int:
        """Memory that inference works in, bytes per input pixel in float32.

        Most is needed where a block's unit outputs are joined (they exist twice) or, at
        large scales, where tail and skip are added.
        """
        return 4 * (2 * self.units * self.filters + self.expanded_filters + 3 * 3 * scale**2)


VARIANTS: dict[str, Variant] = {
    "awsrn": Variant(filters=32, blocks=4, units=4),
    "awsrn_m": Variant(filters=32, blocks=3, units=4),
    "awsrn_s": Variant(filters=32, blocks=1, units=4),
    "awsrn_sd": Variant(filters=16, blocks=1, units=8),
    # Ours, for phones and video; not in the paper.
    "awsrn_nano": Variant(filters=16, blocks=1, units=4, expanded_filters=32, kernel_sizes=(3, 5)),
}


def check_variant_and_scale(variant: str, scale: int) -> None:
    """Raise a `ValueError` that lists the choices unless both are known."""
    if variant not in VARIANTS:
        raise ValueError(f"Unknown variant {variant!r}: choose one of {', '.join(VARIANTS)}.")
    if scale not in SCALES:
        raise ValueError(f"Unknown scale {scale!r}: choose one of {', '.join(map(str, SCALES))}.")
