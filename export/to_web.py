"""Build a web page that upscales photographs in the browser, on the visitor's own device.

    python export/to_web.py
    python export/to_web.py --serve

The first writes exports/web/ in a few minutes on two CPU cores: static files for any
web server, models and LiteRT.js (fetched once from npm) included; the page contacts no other
host. The second serves that folder on http://localhost:8000, building it first if need be.
"""

import argparse
import shutil
from pathlib import Path

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from awsrn_keras.network.presets import preset_path, presets
from awsrn_keras.network.variants import VARIANTS
from export.precisions import CONVERTED, PRECISIONS
from export.web.server import page_server

_SOURCE = Path(__file__).parent / "web" / "page"
_MANIFEST = "models.json"
_OFFERED = ("awsrn_nano", "awsrn_sd")


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    offered = [name for name in presets() if name.startswith(_OFFERED)]
    listed = "see `awsrn presets` (default all of awsrn_nano and awsrn_sd)"
    option("--preset", nargs="+", default=offered, metavar="NAME", help=listed)
    option(
        "--precision",
        nargs="+",
        choices=[name for name in CONVERTED if not PRECISIONS[name].fixed_size],
        default=["float16", "int8"],
        help="default float16 int8",
    )
    side = "height and width that the models read at once (default %(default)s)"
    option("--tile", type=int, default=192, metavar="PIXELS", help=side)
    place = "the page's folder (default %(default)s)"
    option("-o", "--output", type=Path, default=Path("exports/web"), metavar="DIR", help=place)
    option("--serve", action="store_true", help="serve the page; build it only if it is missing")
    option("--host", default="localhost", help="with --serve (default %(default)s)")
    option("--port", type=int, default=8000, help="with --serve (default %(default)s)")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    check_models(options.preset, options.tile)
    if not 0 <= options.port <= 65535:
        raise InputError(f"--port {options.port}: give 0 (any that is free) to 65535.")
    folder = options.output
    if folder.exists() and not (folder / _MANIFEST).is_file() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else than this page; give another -o.")
    if not (options.serve and (folder / _MANIFEST).is_file()):
        build(folder, options.preset, options.precision, options.tile)
    if options.serve:
        with page_server(folder, options.host, options.port) as server:
            print(f"http://{options.host}:{server.server_port}  (Ctrl-C ends)", flush=True)
            server.serve_forever()


def check_models(names: list[str], tile: int) -> None:
    """Raise an `InputError` unless all presets exist and the tile suits them."""
    for name in names:
        preset_path(name)
        margin = VARIANTS[presets()[name]["variant"]].receptive_field()
        if tile <= 2 * margin:
            raise InputError(
                f"--tile {tile}: {name} needs more than {2 * margin} pixels, twice its "
                "receptive field."
            )


def build(output: Path, names: list[str], precisions: list[str], tile: int) -> None:
    """Write the page with a model for each preset and precision into `output`."""
    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.web.litert_js import put_litert_js
    from export.web.models import put_manifest, put_model

    with replacing(output) as folder:
        shutil.copytree(_SOURCE, folder)
        put_litert_js(folder / "litert")
        (folder / "models").mkdir()
        entries = []
        for name in names:
            model = load_model(name)
            bank = load_pairs("sample", model.scale, "train")
            for precision in precisions:
                entry = put_model(model, folder, precision, tile, bank, name)
                entries.append(entry)
                print(f"{entry['file']}  {entry['bytes'] / 1e6:.2f} MB", flush=True)
        put_manifest(folder, entries, load_pairs("sample", 2, "validation"))
    size = sum(file.stat().st_size for file in output.rglob("*.*"))
    print(f"{output}  {size / 1e6:.0f} MB")


if __name__ == "__main__":
    run_command(main)
