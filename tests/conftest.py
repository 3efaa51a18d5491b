"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import PATIENCE

ABSENT = Path(__file__).with_name("absent")
"""Packages that look as if they were not installed."""

collect_ignore = [ABSENT.name]

SHARED_CORPORA = Path(__file__).parents[2] / "shared" / "corpora"

# Neither a busy machine nor chance may fail a test: no limits of time, and the same
# examples each time, of which more would only be paid for again and again. Speed is
# measured in benchmarks/; tests/fuzz/fuzz.py, run by hand, searches at random.
settings.register_profile(
    "full",
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=20)
settings.load_profile("full")


def pytest_configure(config: pytest.Config) -> None:
    # Without what this user has set for Keras.
    keras_home = tempfile.TemporaryDirectory()
    config.add_cleanup(keras_home.cleanup)
    os.environ["KERAS_HOME"] = keras_home.name
    # Most tests train the same few networks. With a cache on disk, JAX compiles each of
    # them once for all tests and for the commands that they start.
    cache = config.rootpath / ".pytest_cache" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    # As in the commands. JAX sets another, which the commands of tests would inherit.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session", autouse=True)
def _sigint_is_delivered() -> None:
    # A background job ignores SIGINT, and every command it starts would inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    # In the environment, so that the commands which tests start use it as well.
    os.environ["TEXTGEN_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _absent_packages() -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(ABSENT), os.environ.get("PYTHONPATH")))
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a real file system of this many kilobytes, or skip the test."""
    place = tmp_path / "disk"

    def mount(kilobytes: int) -> Path:
        place.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={kilobytes}k"]
        command = ["mount", *options, "textgen", str(place)]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("this machine does not allow mounting a small file system")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="session")
def shared_corpus() -> Callable[[str], Path]:
    """Find a real text by name, or skip the test if these texts are absent."""

    def find(name: str) -> Path:
        path = SHARED_CORPORA / name
        if not path.exists():
            pytest.skip(f"the real text {name} is not next to this checkout")
        return path

    return find


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; skipped where it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1000,900"):
        options.add_argument(argument)
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.set_script_timeout(PATIENCE)
    yield opened
    opened.quit()
