"""The Hub's own words for licences (huggingface.co/docs/hub/repositories-licenses): it refuses or ignores others."""

from __future__ import annotations

import re

OTHER = "other"  # which the card explains by license_name and license_link
_IDENTIFIERS = frozenset(
    {
        "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear",
        "bsl-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
        "ecl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1", "eupl-1.2", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0",
        "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1", "osl-3.0", "pddl", "postgresql",
        "unlicense", "wtfpl", "zlib",
    }
)  # fmt: skip
_SPELLED_OTHERWISE = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}


def hub_identifier(licence: str) -> str:
    """The Hub's word for an SPDX identifier; OTHER where it has none, and for whatever is no plain identifier."""
    name = re.sub(r"-(only|or-later)$", "", licence.strip().lower().removesuffix("+"))
    name = _SPELLED_OTHERWISE.get(name, name)
    return name if name in _IDENTIFIERS else OTHER
