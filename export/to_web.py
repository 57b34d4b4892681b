"""Build a web page that upscales photographs in the browser, on the visitor's own device.

    python export/to_web.py
    python export/to_web.py --serve

The first writes exports/web/ in a few minutes on two processor cores: static files for any
web server, models and LiteRT.js (fetched once from npm) included; the page contacts no other
host. The second serves that folder on http://localhost:8000, building it first if need be.
"""

import argparse
import shutil
from pathlib import Path

from awsrn_keras.command_line import run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from awsrn_keras.network.presets import preset_path, presets
from awsrn_keras.network.variants import VARIANTS
from export import PRECISIONS

_SOURCE = Path(__file__).parent / "web" / "page"
_MANIFEST = "models.json"


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parse.add_argument
    option(
        "--preset",
        nargs="+",
        default=["awsrn_sd_x2", "awsrn_sd_x3", "awsrn_sd_x4"],
        metavar="NAME",
        help="see `awsrn presets` (default %(default)s)",
    )
    option(
        "--precision",
        nargs="+",
        choices=[precision for precision in PRECISIONS if precision != "int16x8"],
        default=["float16", "int8"],
        help="default %(default)s",
    )
    option(
        "--tile",
        type=int,
        default=192,
        metavar="PIXELS",
        help="height and width that the models read at once (default %(default)s)",
    )
    option(
        "-o",
        "--output",
        type=Path,
        default=Path("exports/web"),
        metavar="DIR",
        help="the page's folder (default %(default)s)",
    )
    option("--serve", action="store_true", help="serve the page; build it only if it is missing")
    option("--host", default="localhost", help="with --serve (default %(default)s)")
    option("--port", type=int, default=8000, help="with --serve (default %(default)s)")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    check(options)
    if not (options.serve and (options.output / _MANIFEST).is_file()):
        build(options)
    if options.serve:
        serve(options)


def check(options) -> None:
    for name in options.preset:
        preset_path(name)
        margin = VARIANTS[presets()[name]["variant"]].receptive_field()
        if options.tile <= 2 * margin:
            raise InputError(
                f"--tile {options.tile}: {name} needs more than {2 * margin} pixels, twice its "
                "receptive field."
            )
    folder = options.output
    if folder.exists() and not (folder / _MANIFEST).is_file() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else than this page; give another -o.")


def build(options) -> None:
    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.web.litert_js import put_litert_js
    from export.web.models import put_manifest, put_model

    with replacing(options.output) as folder:
        shutil.copytree(_SOURCE, folder)
        put_litert_js(folder / "litert")
        (folder / "models").mkdir()
        entries = []
        for name in options.preset:
            model = load_model(name)
            bank = load_pairs("sample", model.scale, "train")
            for precision in options.precision:
                entry = put_model(model, folder, precision, options.tile, bank, name)
                entries.append(entry)
                print(f"{entry['file']}  {entry['bytes'] / 1e6:.2f} MB", flush=True)
        put_manifest(folder, entries, load_pairs("sample", 2, "validation"))
    size = sum(file.stat().st_size for file in options.output.rglob("*.*"))
    print(f"{options.output}  {size / 1e6:.0f} MB")


def serve(options) -> None:
    from export.web.server import page_server

    with page_server(options.output, options.host, options.port) as server:
        print(f"http://{options.host}:{server.server_port}  (Ctrl-C ends)", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    run_command(main)
