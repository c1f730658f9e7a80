"""Keywords as the JSON that the library reads."""

import json
import os
from typing import Any, Mapping, Optional, Union

Options = Optional[Mapping[str, Any]]


def as_json(options: Mapping[str, Any]) -> str:
    """Options as JSON. Values that are None are left out; NumPy's numbers and paths are what they stand for."""
    return json.dumps({key: value for key, value in options.items() if value is not None}, default=_plain,
                      allow_nan=False)


def named(name: Union[str, os.PathLike, Mapping[str, Any]], options: Options = None) -> dict:
    """A section of a recipe: a name, and the options beside it."""
    if isinstance(name, (str, os.PathLike)):
        return {"name": os.fspath(name), **(options or {})}
    return {**name, **(options or {})}


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, range)):
        return list(value)
    raise TypeError(f"an option is a number, a text, a truth value or a list of them, and not {type(value).__name__}")
