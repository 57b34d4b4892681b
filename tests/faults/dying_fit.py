"""`training/fit.py` that kills itself while it writes a checkpoint, or interrupts a step.

    python tests/faults/dying_fit.py KIND:COUNT ARGUMENTS OF fit.py ...

It kills itself by SIGKILL at the COUNT-th operation of a KIND on files of a folder `checkpoint`:

archive    before Keras begins one more file of its archive, from which weights are copied
chunk      before 64 KiB more of the weights file are written
fsync      before a file or the folder is flushed to disk
rename     before a finished file takes the place of the last one
renamed    after that
unlink     before the file of the state before is removed

or sends itself a signal, SIGINT or SIGTERM as KIND says, in the COUNT-th step.
"""

import os
import signal
import sys
import zipfile

import keras

from awsrn_keras.command_line import run_command
from training.fit import main


def die_at(kind: str, count: int) -> None:
    """Patch what the operations of `kind` go through."""
    number = getattr(signal, kind, signal.SIGKILL)
    what = "the beginning" if number != signal.SIGKILL else kind

    def operation(path):
        nonlocal count
        if "checkpoint" in os.fsdecode(path):
            count -= 1
            if count == 0:
                print(f"{number.name} at {what} of {os.path.basename(path)}", flush=True)
                os.kill(os.getpid(), number)

    def patch(owner, name, path_of, after=False):
        original = getattr(owner, name)

        def patched(*arguments, **options):
            if not after:
                operation(path_of(*arguments))
            result = original(*arguments, **options)
            if after:
                operation(path_of(*arguments))
            return result

        setattr(owner, name, patched)

    if kind == "archive":
        patch(zipfile.ZipFile, "open", lambda archive, *_, **__: archive.filename)
    elif kind == "chunk":
        patch(zipfile.ZipExtFile, "read", lambda file, *_: "weights of a checkpoint")
    elif kind == "fsync":
        patch(os, "fsync", lambda descriptor: os.readlink(f"/proc/self/fd/{descriptor}"))
    elif kind in ("rename", "renamed"):
        patch(os, "replace", lambda old, new, **_: new, after=kind == "renamed")
    elif kind == "unlink":
        patch(os, "unlink", lambda path, **_: path)
    else:
        step = "a step, no checkpoint"
        patch(keras.callbacks.CallbackList, "on_train_batch_begin", lambda *_: step)


if __name__ == "__main__":
    kind, count = sys.argv[1].split(":")
    die_at(kind, int(count))
    run_command(lambda: main(sys.argv[2:]))
