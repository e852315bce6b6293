"""`lingraft-server`, also `python -m lingraft.server`."""

from __future__ import annotations

import os
import sys

from lingraft.server import config, logs
from lingraft.server.errors import ConfigError, StartError


def main() -> int:
    """Serves until told to stop. 0: stopped; 1: could not start; 2: wrong settings."""
    try:
        # Here, not above: a plain install has this command too, but not what it needs.
        from lingraft.server.app import serve

        settings = config.load(sys.argv[1:], os.environ)
        logs.configure(settings.log_level, settings.log_format)
        serve(settings)
    except ConfigError as error:
        print(f"lingraft-server: {error.message}", file=sys.stderr)
        return 2
    except StartError as error:
        print(f"lingraft-server: {error.message}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        needs = "pip install 'lingraft[server]'"
        print(f"lingraft-server: {error.name} is not installed; {needs} brings it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
