"""matplotlib's SVG, made fit to live inside the page: its colours, its fonts, no style of its own."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    name: f"#0000{number:02x}" for number, name in enumerate(("ink", "muted", "line", "accent", "soft", "alarm"))
}
"""Stand-ins for the page's colours: in the page each becomes the CSS variable of its name."""

_NAMES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"#([\w.-]+)")
_DECIMALS = re.compile(r"(\.\d\d)\d+")


class Plots:
    """Makes figures part of one page, and keeps the styles that they share."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def svg(self, figure: Figure, name: str, title: str, text: str) -> Markup:
        """The figure as an image with a title and a description; `name` is its own within the page."""
        file = io.StringIO()
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
        root = ET.fromstring(file.getvalue())
        for child in [*root.iterfind(f"{_SVG}metadata"), *root.iterfind(f"{_SVG}defs[{_SVG}style]")]:
            root.remove(child)
        self._clean(root, name)
        _describe(root, name, title, text)
        ET.register_namespace("", _SVG.strip("{}"))
        return Markup(ET.tostring(root, encoding="unicode"))

    def css(self) -> str:
        """The styles of all figures so far."""
        return "\n".join(f".plot .{name} {{ {style} }}" for style, name in self._classes.items())

    def _clean(self, root: ET.Element, name: str) -> None:
        """Ids that nothing refers to are dropped, all others are the page's own; styles become classes."""
        used = {found for element in root.iter() for found in _references(element)}
        for element in root.iter():
            attributes = dict(element.attrib)
            element.attrib.clear()
            if style := attributes.pop("style", None):
                element.set("class", self._class_of(style))
            if attributes.get("id") not in used:
                attributes.pop("id", None)
            for key, value in attributes.items():
                element.set("href" if key == _LINK else key, _value(key, value, name))

    def _class_of(self, style: str) -> str:
        parts = [part.strip() for part in style.split(";") if "font-family" not in part]
        text = re.sub(r"#[0-9a-f]{6}", lambda found: _NAMES.get(found[0], found[0]), "; ".join(parts))
        return self._classes.setdefault(text, f"p{len(self._classes)}")


def _references(element: ET.Element) -> list[str]:
    return _REFERENCE.findall(" ".join(value for key, value in element.attrib.items() if key in (_LINK, "clip-path")))


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key in (_LINK, "clip-path"):
        return _REFERENCE.sub(rf"#{name}-\1", value)
    return _DECIMALS.sub(r"\1", " ".join(value.split()))


def _describe(root: ET.Element, name: str, title: str, text: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "plot")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-text")
    for tag, content in (("desc", text), ("title", title)):
        element = ET.Element(f"{_SVG}{tag}", id=f"{name}-{'text' if tag == 'desc' else tag}")
        element.text = content
        root.insert(0, element)
