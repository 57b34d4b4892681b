"""The precisions of .tflite files: one table of what each holds, needs and may differ by."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Precision:
    """One way of storing a network's numbers.

    Attributes:
        name: On the command line, and the name of the file without its ending.
        label: For people, in a list beside the others.
        weights: Number format of the kernels: float32, float16 or int8.
        features: Number format of what the convolutions pass on: float32, int8 or int16.
        pixels: Number format of input and output: float32 or uint8, 0..255 both.
        rms_limit: Largest root mean square difference to the network, grey levels of 255.
        gpu_limit: Largest difference of any value on a GPU, grey levels of 255: to the network
            where the weights are float32, else to the same file on the processor. None: GPU
            delegates do not take such a file.
        arm_limit: Largest difference of any value on an Arm processor, to the network where the
            weights are float32, else to the same file on this one, grey levels of 255. 0 with
            whole numbers throughout, which all processors add alike and scale in single steps
            of IEEE arithmetic. 0.01 in 32 bits: where a processor rounds once for a product and
            its sum, another may round twice. 2 for dynamic_range: the last bit of such a sum
            decides which way a feature is rounded to 8 bits, and later layers spread that.
        webgpu: The browser page also runs it on WebGPU; 8-bit models come out up to two grey
            levels away there.
        trained: Made by export/quantize_aware.py; the others are converted.
    """

    name: str
    label: str
    weights: str
    features: str
    pixels: str
    rms_limit: float
    gpu_limit: float | None
    arm_limit: float
    webgpu: bool = False
    trained: bool = False

    def file(self, dynamic: bool) -> str:
        """Name of the file; `dynamic` if its height and width are free."""
        return f"{self.name}{'_resizable' if dynamic else ''}.tflite"

    @property
    def calibrated(self) -> bool:
        """It needs photographs from which the ranges of the features are taken."""
        return self.features != "float32"

    @property
    def fixed_size(self) -> bool:
        """Its height and width cannot be left free.

        With 16-bit features DEPTH_TO_SPACE has no kernel, and what stands in for it has a size.
        """
        return self.features == "int16"

    @property
    def exact(self) -> bool:
        """It holds the network's own weights, so that a GPU has to give the network's values."""
        return self.weights == "float32"

    @property
    def rounds_features(self) -> bool:
        """Processors compute it with features rounded to whole numbers."""
        return self.weights == "int8"


_INT8 = Precision("int8", "8 bit, coarser", "int8", "int8", "uint8", 3.0, 2.0, 0.0)
_ROWS = (
    Precision(
        "float32",
        "32 bit, reference",
        "float32",
        "float32",
        "float32",
        1e-3,
        1e-2,
        1e-2,
        webgpu=True,
    ),
    Precision(
        "float16", "16 bit, precise", "float16", "float32", "float32", 0.1, 0.6, 1e-2, webgpu=True
    ),
    Precision(
        "int16x8", "16-bit features, 8-bit weights", "int8", "int16", "float32", 1.0, None, 0.0
    ),
    Precision("dynamic_range", "8-bit weights", "int8", "float32", "float32", 2.0, 0.6, 2.0),
    _INT8,
    replace(_INT8, name="int8_qat", label="8 bit, trained for it", trained=True),
)

# By name, from the most precise to the least.
PRECISIONS: dict[str, Precision] = {row.name: row for row in _ROWS}
CONVERTED = tuple(row.name for row in _ROWS if not row.trained)
