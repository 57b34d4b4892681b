"""One picture through one .tflite file by LiteRT's CompiledModel; a program of its own.

    python -m export.measure.compiled_run MODEL cpu|gpu RESULT.npz [PICTURE.npy] [--float32]

Apart from the caller, because a GPU driver is chosen by the environment before LiteRT is
loaded, and may take its process with it. LiteRT says on stderr which device it takes.
Without a picture the file is only compiled.
"""

import sys

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import CpuOptions, GpuOptions, Options


def main(model: str, accelerator: str, result: str, *rest: str) -> None:
    # LiteRT may compute in 16 bits on a GPU unless it is told not to.
    options = Options(
        HardwareAccelerator[accelerator.upper()],
        cpu_options=CpuOptions(num_threads=2),
        gpu_options=GpuOptions(enforce_f32="--float32" in rest),
    )
    compiled = CompiledModel.from_file(model, options=options)
    facts = {"whole": compiled.is_fully_accelerated()}
    pictures = [argument for argument in rest if argument != "--float32"]
    if pictures:
        facts["pixels"] = _run(compiled, np.load(pictures[0]))
    np.savez(result, **facts)


def _run(compiled: CompiledModel, picture: np.ndarray) -> np.ndarray:
    (signature,) = compiled.get_signature_list()
    (entry,) = compiled.get_input_tensor_details(signature).values()
    if tuple(entry["shape"]) != picture.shape:
        compiled.resize_input_tensor(0, picture.shape)
    (source,), (target,) = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    source.write(picture.astype(entry["dtype"]))
    compiled.run_by_index(0, [source], [target])
    (result,) = compiled.get_output_tensor_details(signature).values()
    pixels = target.read(int(np.prod(result["shape"])), np.dtype(result["dtype"]))
    return pixels.reshape(result["shape"])


if __name__ == "__main__":
    main(*sys.argv[1:])
