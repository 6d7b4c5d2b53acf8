"""The server's addresses: the page, ``/predict``, ``/tasks`` and ``/health``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from torch import Tensor

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.prediction import AUTO, Failed
from softcpt.artefacts.prediction_formats import as_json
from softcpt.artefacts.serve.guard import Guard
from softcpt.artefacts.serve.limits import Limits, Refused
from softcpt.artefacts.serve.model import Model
from softcpt.artefacts.serve.uploads import Upload
from softcpt.errors import UserError
from softcpt.version import __version__

T = TypeVar("T")

_READ_AT_ONCE = 8  # requests; further ones wait, and their bytes stay with the sender
# What POST /predict takes and gives, for /openapi.json.
_FORM = {
    "type": "object",
    "properties": {
        "images": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "task": {"type": "string", "description": "a task's name, all, or auto"},
        "top": {"type": "integer", "minimum": 1, "default": 1},
    },
    "required": ["images"],
}
_OPENAPI = {"requestBody": {"content": {"multipart/form-data": {"schema": _FORM}}}}


def make_app(
    adapted: AdaptedClip, limits: Limits | None = None, names: frozenset[str] = frozenset()
) -> FastAPI:
    """The application.

    Args:
        adapted: what was trained.
        limits: of requests.
        names: host names that it answers to, beside localhost and numeric addresses.
    """
    # Its own pages of documentation fetch scripts from elsewhere.
    app = FastAPI(title="softcpt", version=__version__, docs_url=None, redoc_url=None)
    service = Service(Model(adapted, limits or Limits()))
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/tasks", service.tasks, methods=["GET"])
    app.add_api_route("/predict", service.predict, methods=["POST"], openapi_extra=_OPENAPI)
    app.mount("/", StaticFiles(packages=[("softcpt.artefacts.serve", "static")], html=True))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(UserError, _mistake)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
    app.add_middleware(Guard, names=names)
    return app


class Service:
    """Answers requests; one thread decodes and classifies for all of them, in turn."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._thread = ThreadPoolExecutor(1, "model")
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)

    async def _in_turn(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def health(self) -> dict[str, str]:
        """Whether it answers."""
        return {"status": "ok", "softcpt": __version__}

    async def tasks(self) -> dict[str, Any]:
        """What is there to choose from, and what may be sent."""
        adapted, limits = self.model.adapted, self.model.limits
        return {
            "method": adapted.method_name,
            "backbone": adapted.clip.name,
            "tasks": [
                {"name": task.name, "classes": list(task.class_names)} for task in adapted.tasks
            ],
            "limits": {
                "image_bytes": limits.image_bytes,
                "images": limits.images,
                "pixels": limits.pixels,
            },
        }

    async def predict(self, request: Request) -> Response:
        """An entry for each image: its best classes, or why it cannot be read."""
        upload = Upload(request, self.model.limits, frozenset({"task", "top"}))
        names: list[str] = []
        images: list[Tensor | Failed] = []
        try:
            async with self._reading:
                async for name, content in upload.images():
                    names.append(name)
                    images.append(await self._in_turn(self.model.decode, name, content))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if not images:
            raise Refused(400, "form: there is no file in it; send images as files")
        wanted, top = upload.fields.get("task") or None, _number(upload.fields.get("top", "1"))
        task, entries = await self._in_turn(self.model.classify, images, wanted, top)
        guessed = task == AUTO and AUTO not in self.model.adapted.tasks.names
        key = "guessed_task" if guessed else "task"
        found = [as_json(name, entry, key) for name, entry in zip(names, entries, strict=True)]
        return JSONResponse({"images": found})


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise Refused(400, f"top '{text[:20]}': give a number, 1 or more")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # what it is registered for
    return JSONResponse({"error": error.message}, error.status)


async def _mistake(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # what it is registered for
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _fault(_: Request, error: Exception) -> Response:
    """Of ours, or a device without memory; uvicorn prints the traceback, and closes."""
    message = f"the server failed ({type(error).__name__}); its terminal says where"
    return JSONResponse({"error": message}, 500, {"connection": "close"})
