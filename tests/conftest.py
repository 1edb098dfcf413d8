"""What all tests share: fixtures live in `support`, one module per thing they provide."""

pytest_plugins = ["support.aws"]
