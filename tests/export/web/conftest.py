"""A phone's browser, a page for the toy bundle, a server."""

import importlib.util
import shutil
import threading
from pathlib import Path

import pytest
from export.export_toys import runner as runner_of
from export.export_toys import toy_export

ROOT = Path(__file__).parents[3]
PHONE = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2,
    "is_mobile": True, "has_touch": True,
}  # fmt: skip
HOST = "--host-resolver-rules=MAP elsewhere.test 127.0.0.1"
# A camera and a microphone that are not there, and leave to use them.
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def module(name):
    path = ROOT / "export" / "web" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"mmkeras_{name}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def web():
    return module("build")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"needs one of {', '.join(names)}")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", HOST, *FAKE]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def cache():
    """Where the runtimes are; no test fetches them."""
    folder = ROOT / "build" / "npm"
    if not folder.is_dir():
        pytest.skip("needs build/npm, which export/web/build.py fetches")
    return folder


@pytest.fixture(scope="module")
def build_site(web, cache, tmp_path_factory):
    """Builds pages from bundles."""
    ready = {}

    def build(bundle):
        out = tmp_path_factory.mktemp("site") / "out"
        if bundle not in ready:
            ready[bundle] = out.with_name("ready")
            web.build(bundle, ready[bundle], cache)
        return shutil.copytree(ready[bundle], out)

    return build


@pytest.fixture(scope="module")
def serve():
    """Serves a folder on a port of its own until the module's end."""
    running = []

    def start(folder):
        server = module("serve").server(
            folder, port=0, names=("elsewhere.test",)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        server.address = f"http://127.0.0.1:{server.server_port}/"
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def site(build_site, serve):
    return serve(build_site(toy_export().bundle)).address


@pytest.fixture
def phone(browser):
    """Opens an address on a new phone; returns the page once it is ready."""
    contexts = []

    def visit(address, ready="body[data-ready]", script="", **options):
        context = browser.new_context(**PHONE, **options)
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(error))
        if script:
            page.add_init_script(script)
        page.goto(address)
        page.wait_for_selector(ready)
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture
def page(phone, site):
    return phone(site)


@pytest.fixture(scope="module")
def still(browser, site):
    """A page for tests that only call its functions."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.goto(site)
    yield page
    context.close()


@pytest.fixture(scope="module")
def runner():
    return runner_of().Runner(toy_export().bundle)
