"""A history, a hostile text, and the elements of a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

HISTORY = (
    "step,epoch,train_bits_per_char,val_bits_per_char,learning_rate,seconds\r\n"
    "10,1.0,3.5,3.4,0.01,5\r\n20,2.0,2.5,2.25,0.005,10\r\nbroken\r\n"
)
HOSTILE = (
    "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>\n"
    "<!-- ]]> {{ 7*7 }} {% raw %} \x00\x07\x1b[31m \u202eabc\u202c \u2028\ufeff & &amp;\n"
    "שלום עולם مرحبا بالعالم 你好，世界。 नमस्ते 👩‍👩‍👧 \U000e0001 “q” 'a'\n"
)


class Elements(HTMLParser):
    """The elements of a page, with the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


def width_at(browser: Any, width: int) -> int:
    """How wide a page is in a window of this width, in pixels."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    found = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return int(found)
