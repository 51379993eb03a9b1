"""Quoting for snippets: texts as literals of a shell, of HCL (Terraform, Packer) and of YAML.

Names and identifiers may contain any character, and none may break out of its literal. Invisible
characters and those that change the reading direction are escaped: what is pasted is what was shown.
"""

import re
import shlex
import unicodedata


def is_plain(text: str) -> bool:
    """Whether all characters are visible: no control or format characters (such as those that change
    the reading direction), line or paragraph separators, surrogates or unassigned characters."""
    return not any(map(_is_odd, text))


def _is_odd(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")


def shell(text: str) -> str:
    """A word for a POSIX shell. With invisible characters, one for bash and zsh (`$'…'`)."""
    if is_plain(text):
        return shlex.quote(text)
    return "$'" + "".join(map(_shell_escaped, text)) + "'"


def _shell_escaped(character: str) -> str:
    # Escapes `!` too, which an interactive shell would expand from its history.
    if character.isascii() and (character.isalnum() or character in " -_./:=,@%+"):
        return character
    if character.isprintable() and not character.isascii():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))


_HCL = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def hcl(text: str) -> str:
    """A quoted HCL string. `${` and `%{` would begin a template, so their first character is written as
    `\\uXXXX`. Unlike `$${`, this escape does not depend on the character before it."""
    escaped = "".join(map(_hcl_escaped, text))
    return '"' + re.sub(r"[$%](?=\{)", lambda it: f"\\u{ord(it[0]):04x}", escaped) + '"'


def _hcl_escaped(character: str) -> str:
    if character in _HCL:
        return _HCL[character]
    return _numbered(character) if _is_odd(character) else character


def _numbered(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def yaml(text: str) -> str:
    """A double-quoted YAML string, on one line."""
    return (
        '"' + "".join(_HCL.get(it) or (_numbered(it) if _is_odd(it) else it) for it in text) + '"'
    )


def yaml_block(text: str, indent: str) -> str:
    """A YAML string for after `key: `. Several lines become a block with this indentation."""
    lines = text.split("\n")
    readable = all(is_plain(line.replace("\t", " ")) for line in lines)
    if len(lines) < 2 or not readable or not lines[0].strip() or lines[0][0] in " \t":
        return yaml(text)
    # The text ends with no line end, with one, or with several.
    keep = "-" if lines[-1] else "" if lines[-2] else "+"
    body = lines if lines[-1] else lines[:-1]
    return f"|{keep}\n" + "\n".join(indent + line if line else "" for line in body)
