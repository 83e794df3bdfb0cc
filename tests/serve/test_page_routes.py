"""The routes of the page, without a browser."""

from __future__ import annotations

import httpx
from serve_support import Parrot, serving


def test_browsers_revalidate_the_files_of_the_page() -> None:
    with serving(lambda: Parrot()) as live:  # type: ignore[arg-type, return-value]
        for path in ("/", "/docs", "/static/page.js", "/static/theme.css", "/swagger/swagger-ui.css"):
            answer = httpx.get(live.url + path)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        again = httpx.get(live.url + "/static/page.js", headers={"If-None-Match": httpx.get(live.url + "/static/page.js").headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
