"""Several setups at once, on PostgreSQL, where transactions run at the same time."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.processes import manage, scaled_out, start_postgresql, start_redis, start_web

PASSWORD = "quite a long one 7"


def _form(url: str) -> tuple[requests.Session, dict[str, str]]:
    session = requests.Session()
    page = session.get(f"{url}/setup/", timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    return session, {"csrfmiddlewaretoken": token[1]}


def test_six_setups_at_once_add_one_administrator(tmp_path: Path) -> None:
    with start_postgresql() as postgresql, start_redis() as redis_server:
        environment = scaled_out(postgresql, redis_server, tmp_path)
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
        code = manage(environment, "setup_code").split()[-1]
        with start_web(environment) as web:
            forms = [_form(web.url) for _ in range(6)]

            def set_up(number: int) -> int:
                session, fields = forms[number]
                names = {"username": f"person-{number}", "code": code}
                passwords = {"password1": PASSWORD, "password2": PASSWORD}
                answer = session.post(
                    f"{web.url}/setup/",
                    {**fields, **names, **passwords},
                    timeout=60,
                    allow_redirects=False,
                )
                return answer.status_code

            with ThreadPoolExecutor(6) as pool:
                answers = sorted(pool.map(set_up, range(6)))
        assert answers == [302, 404, 404, 404, 404, 404]
        count = "from django.contrib.auth.models import User; print(User.objects.count())"
        assert manage(environment, "shell", "--command", count).split()[-1] == "1"
