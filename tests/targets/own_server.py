"""Serves an application from a program of its own, as many are: own_server.py MODULE:APP PORT LOOP."""

import importlib
import sys

import uvicorn


def main():
    """Is above all handlers."""
    application, port, loop = sys.argv[1:]
    module, name = application.split(":")
    app = getattr(importlib.import_module(module), name)
    uvicorn.run(app, host="127.0.0.1", port=int(port), loop=loop, log_level="warning")


if __name__ == "__main__":
    main()
