"""Names of processor architectures. Clouds write one architecture in several ways; Goldenrod in one."""

SPELLINGS = {
    "amd64": "x86_64",
    "x86-64": "x86_64",
    "x64": "x86_64",
    "aarch64": "arm64",
    "i686": "i386",
}


def normal_architecture(written: str) -> str:
    """The one spelling of an architecture, such as x86_64 for amd64, whatever its case.

    Architectures without another spelling keep theirs, in lower case.
    """
    lower = written.strip().lower()
    return SPELLINGS.get(lower, lower)
