"""Samples of every kind as the library takes them.

An image is a torch tensor [3,H,W], a NumPy array [H,W,3] or [H,W], a PIL image or a file, with values from 0 to 255
(uint8) or from 0 to 1 (float). A text is a str, or a tuple of two. Several are a tensor or an array with one more
dimension in front, a list, or a torch data set of (image, label).
"""

import os
import sys
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import torch

from . import _core


def samples(data: Any, labels: Any = None, classes: Optional[Sequence[str]] = None,
            texts: bool = False) -> Tuple[_core.Samples, bool]:
    """The samples, and whether it is one that was not in a list."""
    if isinstance(data, _core.Samples):
        return data, False
    single = is_single(data, texts)
    if single:
        data = data[None] if isinstance(data, torch.Tensor) or _is_array(data) else [data]
        labels = None if labels is None else _listed(labels)
    numbers, names = (None, []) if labels is None else numbered(labels, classes)
    if labels is None and not single and _is_dataset(data):
        numbers, names = _labels_of(data, classes)
    if numbers is not None and hasattr(data, "__len__") and len(numbers) != len(data):
        raise ValueError(f"{len(data)} samples with {len(numbers)} labels")
    return _source(data, numbers, names, texts), single


def is_single(data: Any, texts: bool) -> bool:
    if isinstance(data, (str, os.PathLike)):
        return True
    if texts and isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, str) for part in data):
        return True
    if isinstance(data, torch.Tensor):
        return data.dim() == 3
    if _is_array(data):
        return data.ndim == 2 or (data.ndim == 3 and data.shape[-1] == 3)
    return _is_picture(data)


def chunks(data: Any, size: int, texts: bool) -> Iterator[Any]:
    """The samples in order, `size` at a time, of anything that has an end or none."""
    if isinstance(data, torch.Tensor) or _is_array(data):
        if is_single(data, texts):
            data = data[None]
        for first in range(0, len(data), size):
            yield data[first:first + size]
        return
    if is_single(data, texts):
        yield [data]
        return
    chunk: List[Any] = []
    for item in (data[i] for i in range(len(data))) if _is_dataset(data) else data:
        chunk.append(_input_of(item, texts))
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def numbered(labels: Any, classes: Optional[Sequence[str]]) -> Tuple[List[int], List[str]]:
    """Labels as indices into the classes. Labels are indices or names; without `classes` the classes are the labels,
    in the order in which they are met."""
    labels = _listed(labels)
    if classes is None:
        classes = list(dict.fromkeys(str(label) for label in labels))
        labels = [str(label) for label in labels]
    classes = [str(name) for name in classes]
    if all(isinstance(label, int) for label in labels):
        return labels, classes
    places = {name: i for i, name in enumerate(classes)}
    for label in labels:
        if str(label) not in places:
            raise ValueError(f"the label {label!r} is not among the classes {classes}")
    return [places[str(label)] for label in labels], classes


def _listed(labels: Any) -> List[Any]:
    if hasattr(labels, "tolist"):
        labels = labels.tolist()
    return [labels] if isinstance(labels, (str, int)) else list(labels)


def _is_array(data: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(data, numpy.ndarray)


def _is_picture(data: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(data, pillow.Image)


def _is_dataset(data: Any) -> bool:
    return (hasattr(data, "__getitem__") and hasattr(data, "__len__") and
            not isinstance(data, (list, tuple, torch.Tensor)) and not _is_array(data))


def _parts(item: Any) -> Tuple[Any, Any]:
    """The input and the label of an item of a data set."""
    if isinstance(item, dict):
        for name in ("image", "img", "pixel_values", "text"):
            if name in item:
                return item[name], item.get("label", item.get("labels"))
        raise TypeError(f"an item of the data set has the keys {sorted(item)}, and none of image, img, text")
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    return item, None


def _input_of(item: Any, texts: bool) -> Any:
    if texts and isinstance(item, tuple) and all(isinstance(part, str) for part in item):
        return item  # a pair of texts
    return _parts(item)[0]


def _labels_of(data: Any, classes: Optional[Sequence[str]]) -> Tuple[Optional[List[int]], List[str]]:
    """Those that a data set has as a list, as torchvision's have; else of every item, which reads all of them."""
    labels = getattr(data, "targets", None)
    if labels is None:
        labels = [_parts(data[i])[1] for i in range(len(data))]
        if any(label is None for label in labels):
            return None, []
    return numbered(labels, classes if classes is not None else getattr(data, "classes", None))


def _source(data: Any, numbers: Optional[List[int]], names: List[str], texts: bool) -> _core.Samples:
    if isinstance(data, torch.Tensor):
        return _core.images(data, numbers, names)
    if _is_array(data):
        return _core.images(_channels_first(data), numbers, names)
    if not _is_dataset(data):
        data = list(data)
    if len(data) == 0:
        raise ValueError("there are no samples")
    first = _input_of(data[0], texts)
    if isinstance(first, (str, tuple)) and texts:
        every = [_input_of(data[i], texts) for i in range(len(data))]
        return _core.texts([(one, "") if isinstance(one, str) else one for one in every], numbers, names)
    if isinstance(first, (str, os.PathLike)):
        return _core.files([os.fspath(_input_of(data[i], texts)) for i in range(len(data))], numbers, names)
    return _core.read_images(lambda i: rows_of(_input_of(data[i], texts)), len(data), numbers, names)


def _channels_first(array: Any) -> torch.Tensor:
    """Arrays [N,H,W,C], [N,H,W], [H,W,3] or [H,W] as a tensor [N,3,H,W] or [3,H,W] that shares their memory."""
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if tensor.dim() == 2 or (tensor.dim() == 3 and tensor.shape[-1] != 3):
        tensor = tensor.unsqueeze(-1)
    if tensor.dim() not in (3, 4) or tensor.shape[-1] not in (1, 3, 4):
        raise ValueError(f"images in NumPy arrays are [N,H,W,3], [N,H,W] or one of them, and this is "
                         f"{list(array.shape)}")
    if tensor.shape[-1] == 1:
        tensor = tensor.expand(*tensor.shape[:-1], 3)
    return tensor[..., :3].movedim(-1, -3)


def rows_of(image: Any) -> torch.Tensor:
    """One image as [H,W,3] uint8."""
    if _is_picture(image):
        import numpy
        return torch.from_numpy(numpy.array(image.convert("RGB")))
    if isinstance(image, (str, os.PathLike)):
        raise TypeError("files and other images do not go into one list")
    tensor = _channels_first(image) if _is_array(image) else image
    if not isinstance(tensor, torch.Tensor) or tensor.dim() != 3 or tensor.shape[0] not in (1, 3):
        shape = list(getattr(image, "shape", [])) or type(image).__name__
        raise TypeError(f"an image is a tensor [3,H,W], an array [H,W,3], a PIL image or a file, and this is {shape}")
    tensor = tensor.detach().cpu().expand(3, -1, -1)
    if tensor.is_floating_point():
        if tensor.numel() and not (-0.01 <= float(tensor.min()) and float(tensor.max()) <= 1.01):
            raise ValueError("float images have values from 0 to 1, and this one has others: do not normalise it")
        tensor = (tensor.clamp(0, 1) * 255 + 0.5).to(torch.uint8)
    if tensor.dtype != torch.uint8:
        raise TypeError(f"an image is uint8, or float from 0 to 1, and this one is {tensor.dtype}")
    return tensor.permute(1, 2, 0).contiguous()
