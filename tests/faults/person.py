"""A person at a browser, as far as HTTP goes: signs in, opens forms, saves them."""

import html
import re
import time

import requests

INPUT = re.compile(r"<input[^>]*>")
SELECT = re.compile(r"<select[^>]*name=\"(?P<name>\w+)\".*?</select>", re.DOTALL)
CHOSEN = re.compile(r"<option value=\"(?P<value>[^\"]*)\" selected")
SECONDS = 60.0
SIGN_INS = 60


class Person:
    """One session with one web process."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        form = fields_of(self.get("/sign-in/").text)
        for _ in range(SIGN_INS):
            answer = self.post("/sign-in/", {**form, "username": name, "password": password})
            if answer.status_code != 429:  # few passwords are hashed at once
                break
            time.sleep(int(answer.headers["Retry-After"]))
        assert answer.status_code == 302, f"could not sign in: {answer.status_code}"

    def get(self, path: str, seconds: float = SECONDS) -> requests.Response:
        return self.session.get(self.url + path, timeout=seconds, allow_redirects=False)

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        headers = {"Referer": self.url}
        return self.session.post(
            self.url + path, fields, headers=headers, timeout=SECONDS, allow_redirects=False
        )

    def open_edit(self, runner: int) -> dict[str, str]:
        """The fields of a runner's form as it is shown."""
        return fields_of(self.get(f"/runners/{runner}/edit/").text)

    def save(self, runner: int, form: dict[str, str], **changes: object) -> requests.Response:
        given = {name: str(value) for name, value in changes.items()}
        return self.post(f"/runners/{runner}/edit/", {**form, **given})


def fields_of(page: str) -> dict[str, str]:
    """The fields that a page's forms would submit: inputs, checked boxes and selected options."""
    fields: dict[str, str] = {}
    for tag in INPUT.findall(page):
        attributes = dict(re.findall(r"([\w-]+)=\"([^\"]*)\"", tag))
        name = attributes.get("name")
        if name and (attributes.get("type") != "checkbox" or " checked" in tag):
            fields.setdefault(name, html.unescape(attributes.get("value", "on")))
    for found in SELECT.finditer(page):
        chosen = CHOSEN.search(found.group(0))
        fields[found["name"]] = html.unescape(chosen["value"]) if chosen else ""
    return fields
