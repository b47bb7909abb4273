"""Options of the whole suite."""


def pytest_addoption(parser):
    parser.addoption("--update-rendered", action="store_true", help="rewrite the golden files of tests/rendered")
