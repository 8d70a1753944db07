"""The measure: the least that Flask on waitress can do for an answer, which is to hand out bytes that are there.

    python -m bench.bare FOLDER [granian]

answers the path /NAME with the file FOLDER/NAME as JSON, and says its port on standard output; for comparison, on
granian.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from flask import Flask, Response
from waitress.server import create_server


def main(folder: Path, on_granian: bool = False) -> None:
    """Serve until killed."""
    answers = {file.name: file.read_bytes() for file in folder.iterdir()}
    app = Flask("bare", static_folder=None)

    @app.get("/<name>")
    def answer(name: str) -> Response:
        return Response(answers[name], content_type="application/json")

    taken = socket.create_server(("127.0.0.1", 0))
    if on_granian:
        from upsim.config import Config
        from upsim.doors import open_door

        print(taken.getsockname()[1], flush=True)
        # Whole, as upsim's answers are: granian asks for the pieces of others one by one, which takes far longer.
        open_door(Config(server="granian"), lambda *call: [b"".join(app(*call))], taken, lambda *_: False).run()
        return
    server = create_server(app, sockets=[taken], threads=8)
    print(taken.getsockname()[1], flush=True)
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "granian" in sys.argv[2:])
