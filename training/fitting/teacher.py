"""Learning from the results of a trained network instead of the photographs themselves.

A photograph holds much that no network can guess from its small copy: nearly all of a trained
network's error, and noise to whatever is learned from it. The results of a teacher, averaged over
the eight flips and rotations, are nearer to the photograph than any one result and hold no such
noise; docs/lab/released_weights.md says what that is worth.
"""

from collections.abc import Iterator

from awsrn_keras.data import PairBank, cached_bank
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model
from awsrn_keras.progress import with_progress
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.upscale import upscale
from training.lineage import digest


def taught(data: PairBank, teacher: str) -> PairBank:
    """`data` with the results of `teacher` in place of the HR images, kept in the cache.

    Args:
        teacher: A MODEL of the scale of `data`.

    Raises:
        InputError: There is no such model, or it has another scale.
    """
    model = load_model(teacher)
    if model.scale != data.scale:
        raise InputError(
            f"--teacher {teacher} has scale {model.scale}: choose one of scale {data.scale}."
        )

    def results() -> Iterator:
        engine = KerasEngine(model)
        indices = range(len(data))
        for i in with_progress(indices, len(data), f"Upscaling by {teacher}"):
            yield data.names[i], data.lr(i), upscale(data.lr(i), engine, self_ensemble=True)

    place = [data.digest, digest(model)]  # whatever else they are called, or lie
    return cached_bank(f"{model.name}_results", place, [], results, data.scale)
