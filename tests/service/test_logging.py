import json
import logging as stdlib
import re
import subprocess
import sys

import pytest

from hilum.core.correlation import Correlation, within
from hilum.model.errors import BackendFault
from hilum.service import logging


def record(
    message: str, *arguments: object, failed: BaseException | None = None
) -> stdlib.LogRecord:
    exc_info = (type(failed), failed, failed.__traceback__) if failed else None
    name = "hilum.frontends.dimse"
    return stdlib.LogRecord(name, stdlib.WARNING, "x.py", 1, message, arguments, exc_info)


def raised(error: BaseException) -> BaseException:
    def fail() -> None:
        raise error

    try:
        fail()
    except BaseException as caught:  # noqa: BLE001 - any kind is wanted
        return caught
    return error


def test_a_text_line_has_time_level_room_and_message() -> None:
    line = logging.Text().format(record("%s calls", "VIEWER"))
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    assert re.fullmatch(rf"{time} WARNING frontends\.dimse: VIEWER calls", line)


def test_a_json_line_is_one_object() -> None:
    line = json.loads(logging.Json().format(record("%s calls\n", "VIEWER")))
    assert line["level"] == "warning"
    assert line["logger"] == "hilum.frontends.dimse"
    assert line["message"] == "VIEWER calls\n"


@pytest.mark.parametrize("text", ["A\nB", "A\rB", "A\x1b[2JB", "A\u2028B", "A\x00B"])
def test_what_a_peer_says_cannot_forge_a_line(text: str) -> None:
    line = logging.Text().format(record("%s", text))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_the_words_of_our_own_errors_are_told() -> None:
    line = logging.Text().format(record("no", failed=raised(BackendFault("it is off"))))
    assert line.endswith("hilum.model.errors.BackendFault: it is off")
    assert __file__ in line


def test_the_words_of_foreign_errors_are_not_told_as_they_may_quote_a_patient() -> None:
    error = raised(ValueError("Doe^Jane"))
    error.__cause__ = raised(KeyError("Doe^Jane"))
    group = ExceptionGroup("Doe^Jane", [error])
    for formatter in (logging.Text(), logging.Json()):
        line = formatter.format(record("no", failed=group))
        assert "Doe" not in line
        assert "ValueError" in line
        assert "KeyError" in line


def test_the_reason_of_the_system_is_told() -> None:
    line = logging.Text().format(
        record("no", failed=raised(OSError(28, "No space left on device")))
    )
    assert line.endswith("OSError: No space left on device")


def test_only_our_own_lines_come_through_and_only_from_the_level_on() -> None:
    script = (
        "import logging, warnings, pydicom\n"
        "from hilum.config.watching import LoggingSettings\n"
        "from hilum.service.logging import setup\n"
        "setup(LoggingSettings(level='info', format='json'))\n"
        "logging.getLogger('hilum.x').debug('quiet')\n"
        "logging.getLogger('hilum.x').info('ours')\n"
        "logging.getLogger('pydicom').error('Doe^Jane')\n"
        "warnings.warn('Doe^Jane')\n"
        "logging.getLogger('sqlalchemy').warning('theirs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    [line] = done.stderr.splitlines()
    assert json.loads(line)["message"] == "ours"


def test_a_worker_says_which_it_is() -> None:
    assert " WARNING [1] frontends.dimse: x" in logging.Text(1).format(record("x"))
    assert json.loads(logging.Json(0).format(record("x")))["worker"] == 0
    assert "worker" not in json.loads(logging.Json().format(record("x")))


def test_every_line_names_the_request_it_is_about() -> None:
    with within(Correlation("abc", trace="4bf92f3577b34da6a3ce929d0e0e4736")):
        assert logging.Text().format(record("calls")).endswith(" frontends.dimse: abc calls")
        assert logging.Text().format(record("abc calls")).endswith(" frontends.dimse: abc calls")
        line = json.loads(logging.Json().format(record("calls")))
        assert (line["request_id"], line["message"]) == ("abc", "calls")
        assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "request_id" not in json.loads(logging.Json().format(record("calls")))


def test_fields_of_a_line_are_fields_in_json() -> None:
    line = record("query")
    line.fields = {"mount": "PACS", "matches": 3}
    told = json.loads(logging.Json().format(line))
    assert (told["mount"], told["matches"]) == ("PACS", 3)


def test_a_room_may_have_a_level_of_its_own() -> None:
    program = (
        "from logging import getLogger\n"
        "from hilum.config.watching import LoggingSettings\n"
        "from hilum.service.logging import setup\n"
        "setup(LoggingSettings(levels={'net': 'debug', 'hilum.core.send': 'error'}))\n"
        "for room in ('net.inbox', 'core.send', 'core.jobs'):\n"
        "    for level in ('debug', 'warning'):\n"
        "        getattr(getLogger(f'hilum.{room}'), level)(level)\n"
        "setup(LoggingSettings())\n"
        "getLogger('hilum.net.inbox').debug('no more')\n"
        "getLogger('hilum.core.send').warning('again')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said = [line.split(maxsplit=1)[1] for line in run.stderr.splitlines()]
    assert said[:2] == ["DEBUG   net.inbox: debug", "WARNING net.inbox: warning"]
    assert said[2:] == ["WARNING core.jobs: warning", "WARNING core.send: again"]


def test_what_is_set_up_again_forgets_how_it_was_but_not_who_gets_the_lines_too() -> None:
    program = (
        "from logging import getLogger\n"
        "from hilum.config.watching import LoggingSettings\n"
        "from hilum.service import logging\n"
        "class Also(logging.Beside):\n"
        "    def emit(self, record):\n"
        "        print(record.getMessage())\n"
        "    def close(self):\n"
        "        print('closed')\n"
        "logging.setup(LoggingSettings(levels={'net': 'debug'}))\n"
        "also = Also()\n"
        "getLogger().addHandler(also)\n"
        "logging.setup(LoggingSettings(format='json'))\n"
        "getLogger('hilum.net').debug('quiet')\n"
        "getLogger('hilum.net').info('ours')\n"
        "getLogger().removeHandler(also)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[0] == "ours"
    [line] = run.stderr.splitlines()
    assert json.loads(line)["message"] == "ours"


def test_the_event_log_of_windows_gets_what_is_worth_a_look() -> None:
    class Events(stdlib.Handler):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.said = name, []

        def emit(self, record: stdlib.LogRecord) -> None:
            self.said.append(self.format(record))

    handler = logging.event_log(Events, None)
    assert (handler.name, handler.level) == ("Hilum", stdlib.WARNING)
    handler.handle(record("calls"))
    assert handler.said[0].endswith("WARNING frontends.dimse: calls")


def test_what_is_imported_later_stays_mute() -> None:
    script = (
        "import logging\n"
        "from hilum.config.watching import LoggingSettings\n"
        "from hilum.service import logging as ours\n"
        "ours.setup(LoggingSettings())\n"
        "import pydicom\n"
        "logging.getLogger('pydicom').error('ONE')\n"
        "logging.getLogger('pydicom.pixels.utils').error('TWO')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
