"""How fast does the page of `textgen export --format html` write in a browser?

    python benchmarks/page_speed.py

Opens the page with an untrained LSTM in Chromium without a window, presses "Write" and
waits for the text, several times, with the texts on the page and with them hidden: the
difference is what drawing them takes. Speed does not depend on the weights. The same model
writes in NumPy beside it, in turns. Processor time is counted, of all processes of the
browser together, so that other programs may run; on two idle cores the page is faster, as
it draws with one of them. Needs Linux, chromium, chromedriver and selenium.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np

from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.exporting.export import export
from textgen.generation.generator import Generator
from textgen.text.tokenizers.char import CharTokenizer

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))  # 65 symbols
MODELS = {"1x128": (1, 128), "2x256": (2, 256)}
LENGTH = 5_000
TEMPERATURE = 0.8


@click.command()
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    """Print a table."""
    print("| model | page | texts hidden | NumPy beside it |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        browser = opened()
        try:
            for name, sizes in MODELS.items():
                print(row(browser, Path(folder), name, *sizes, rounds), flush=True)
        finally:
            browser.quit()


def opened() -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox"):
        options.add_argument(argument)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    options.binary_location = chromium or ""
    driver = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=driver)


def row(browser: Any, folder: Path, name: str, layers: int, units: int, rounds: int) -> str:
    """Characters per second of processor time, in each column the median of the rounds."""
    run = folder / name
    tokenizer = CharTokenizer(CHARACTERS)
    config = ModelConfig(tokenizer.vocab_size, num_layers=layers, units=units)
    rng = np.random.default_rng(0)
    weights = {
        key: rng.normal(0, 0.05, shape).astype(np.float32)
        for key, shape in config.weight_shapes().items()
    }
    save_checkpoint(run, Checkpoint(config, tokenizer, weights))
    page = export(run, folder / f"{name}.html", format="html").path
    browser.get(page.as_uri())
    while not browser.find_element("id", "write").is_enabled():
        time.sleep(0.05)
    generator = Generator.load(run)
    pid = browser.service.process.pid
    seconds: dict[str, list[float]] = {"shown": [], "hidden": [], "numpy": []}

    for seed in range(rounds):
        for column in ("shown", "hidden"):
            start = processor_seconds(pid)
            write_in_page(browser, seed, is_shown=column == "shown")
            seconds[column].append(processor_seconds(pid) - start)
        start = time.process_time()
        generator.generate(length=LENGTH, seed=seed, temperature=TEMPERATURE)
        seconds["numpy"].append(time.process_time() - start)
    cells = [f"{LENGTH / statistics.median(each):,.0f}" for each in seconds.values()]
    return f"| {name} | {' | '.join(cells)} |"


def processor_seconds(pid: int) -> float:
    """What a process and all those below it have used."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # The name, in brackets, may hold anything.
            fields = path.read_text().rpartition(")")[2].split()
            process = int(path.parent.name)
            parents[process] = int(fields[1])
            ticks[process] = sum(map(int, fields[11:15]))
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return sum(ticks[process] for process in found) / os.sysconf("SC_CLK_TCK")


def write_in_page(browser: Any, seed: int, *, is_shown: bool) -> None:
    """Press the button and wait for the last character."""
    script = """
        const [length, seed, temperature, isShown, done] = arguments;
        document.getElementById("texts").hidden = !isShown;
        const form = document.getElementById("form");
        form.elements.numChars.value = length;
        form.elements.seed.value = seed;
        form.elements.temperature.value = temperature;
        const status = document.getElementById("status");
        new MutationObserver((_, observer) => {
            if (!status.textContent.startsWith("Done")) return;
            observer.disconnect();
            done();
        }).observe(status, { childList: true });
        form.requestSubmit();
    """
    browser.set_script_timeout(600)
    browser.execute_async_script(script, LENGTH, seed, TEMPERATURE, is_shown)


if __name__ == "__main__":
    main()
