"""The command `lingraft-door NAME`: opens one door.

Exit codes: those of the door; 2 when there is no such door.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from lingraft.doors import Door, find_doors

USAGE = """\
usage: lingraft-door NAME [ARGUMENT ...]

Opens a door: a server that speaks another system's protocol and passes its requests on to Lingraft.
"""


def main(arguments: Sequence[str] | None = None, doors: Mapping[str, Door] | None = None) -> int:
    """Opens the door that the first argument names; `doors` None looks for those installed."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    known = find_doors() if doors is None else doors
    if given and given[0] in known:
        return known[given[0]].run(given[1:])
    if given and given[0] in ("-h", "--help"):
        sys.stdout.write(f"{USAGE}\n{_listing(known)}")
        return 0
    fault = f"lingraft-door: there is no door {given[0]!r}\n\n" if given else f"{USAGE}\n"
    sys.stderr.write(fault + _listing(known))
    return 2


def _listing(doors: Mapping[str, Door]) -> str:
    if not doors:
        return "No door is there yet.\n"
    width = max(map(len, doors))
    lines = [f"  {name.ljust(width)}  {door.summary}\n" for name, door in doors.items()]
    return "Doors:\n" + "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
