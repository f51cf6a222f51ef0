import shutil
import signal

import pytest

from . import server as servers
from .s3 import S3Server
from .web import Client
from .wire import Connection


@pytest.fixture(scope="session", autouse=True)
def _interrupts():
    """A shell's background job ignores SIGINT, and so would every process that a test starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _binary():
    path = servers.binary()
    assert path.exists(), f"{path} is not built: make test builds it, or name another one in MILLRACE_BIN"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        used = {}
        for value in getattr(item, "funcargs", {}).values():
            one = [value] if isinstance(value, servers.Server) else []
            used.update((id(server), server) for server in getattr(value, "made", one))
        for server in used.values():
            report.sections.append((f"server on {server.data}", server.report()))
    return report


def make_fixture(scope):
    @pytest.fixture(scope=scope)
    def fixture(tmp_path_factory, request):
        made = []
        failed_before = request.session.testsfailed

        def make(*arguments, data=None, **settings):
            made.append(servers.Server(data or tmp_path_factory.mktemp("data"), *arguments, **settings))
            return made[-1]

        make.made = made
        yield make
        for server in made:
            server.close()
        reports = [report for server in made for report in server.sanitizer_reports()]
        assert not reports, "\n".join(reports)
        if request.session.testsfailed == failed_before:
            for server in made:
                shutil.rmtree(server.data, ignore_errors=True)

    return fixture


new_server = make_fixture("function")
new_shared_server = make_fixture("module")


@pytest.fixture
def server(new_server):
    """A server of this test's own."""
    return new_server().start()


@pytest.fixture
def client(shared):
    """A connection to the server that the tests of a module share."""
    with Client(shared) as one:
        yield one


@pytest.fixture
def table(request):
    """A measurement of this test's own."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)[:80]


@pytest.fixture(scope="module")
def shared(new_shared_server):
    """One server for all tests of a module that leave it as it was."""
    return new_shared_server("--journal-file-bytes", "16MiB").start()


@pytest.fixture
def wire(shared):
    """A raw connection to the shared server."""
    with Connection(shared.port) as connection:
        yield connection


@pytest.fixture
def topic(request):
    """A topic name of this test's own."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in request.node.name)[:200]


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    directory = tmp_path_factory.mktemp("s3")
    server = S3Server(directory).start()
    yield server
    server.stop()
    shutil.rmtree(directory)
