"""Pages opened in a real browser: nothing may go to its console or out to a network."""

import pytest


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright
    from test_report_browser import BROWSER, FLAGS

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def visit(browser, pages):
    """Opens one of the module's pages by name; the first, if none is named."""
    contexts, trouble = [], []

    def opened(name=None, *, width=1280, scheme="light", scripts=True):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: trouble.append(message.text))
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else trouble.append(r.url))
        tab.goto(pages[name or next(iter(pages))])
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []
