"""`python -m hilum` is the command `hilum`."""

from hilum.cli.main import app

if __name__ == "__main__":
    app(prog_name="hilum")
