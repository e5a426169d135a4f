from importlib import import_module

import pytest
from starlette.requests import Request
from starlette.responses import Response

from hilum.frontends.dicomweb import resources
from hilum.frontends.fhir.resources import OF_FHIR
from hilum.frontends.later import Later

ALL = (*resources.OF_A_MOUNT, *resources.OF_THE_SERVICE, *OF_FHIR)
OPTIONS = (resources.OPTIONS_OF_A_MOUNT, resources.OPTIONS_OF_THE_SERVICE)
pytestmark = pytest.mark.anyio


def test_what_is_named_is_there() -> None:
    handlers = {each for resource in ALL for each in resource.methods.values()}
    waiting = [each for each in (*handlers, *OPTIONS) if isinstance(each, Later)]
    assert waiting
    for each in waiting:
        assert callable(getattr(import_module(each.module), each.name))


async def test_it_answers_like_the_handler_that_it_imports() -> None:
    alive = Later("dicomweb.service", "alive")
    request = Request({"type": "http", "method": "GET", "headers": []})
    for _ in range(2):
        response: Response = await alive(request)
        assert response.status_code == 200
