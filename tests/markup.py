"""Whether the tags of a page match: a browser repairs what is open, and may hide half a page."""

from html.parser import HTMLParser

# Tags that have no end.
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            last = self.open[-1] if self.open else "nothing"
            self.wrong.append(f"line {self.getpos()[0]}: </{tag}> where {last} is open")
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def mismatched(page: str) -> list[str]:
    """Each end tag that does not end what is open, and what is never ended."""
    parser = _Tags()
    parser.feed(page)
    parser.close()
    return [*parser.wrong, *(f"<{tag}> is never ended" for tag in parser.open)]
