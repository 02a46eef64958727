"""Arrays and files inside documents.

A :class:`Blob` keeps shape and type readable in the document and its bytes under one key, ``payload``. Jobs are
declared with ``@job(data=[PAYLOAD_KEY])``, so that jobflow moves every payload, however deep, to the additional
store ``data``: no document grows past MongoDB's 16 MB, and no worker needs another worker's disk.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from disolyte.errors import StoreError
from disolyte.records import Record

PAYLOAD_KEY: Final = "payload"
"""Key of the part of a :class:`Blob` that belongs in the additional store ``data``."""


class Blob(Record):
    """Bytes or an array, compressed, with its type, shape and hash.

    Examples
    --------
    >>> blob = Blob.from_array(np.arange(6, dtype=np.int8).reshape(2, 3))
    >>> blob.shape, blob.dtype
    ((2, 3), '|i1')
    >>> blob.to_array()
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int8)
    """

    model_config = ConfigDict(frozen=True)

    dtype: str = Field(description="NumPy type string; 'bytes' for a file.")
    shape: tuple[int, ...] = Field(description="Shape of the array; (length,) for a file.")
    sha256: str = Field(description="Hash of the uncompressed bytes.")
    payload: str | dict[str, Any] = Field(
        description="zlib-compressed bytes in base85; a reference to the additional store while not loaded.", repr=False
    )

    @classmethod
    def from_bytes(cls, content: bytes, *, dtype: str = "bytes", shape: tuple[int, ...] | None = None) -> Blob:
        """Pack bytes."""
        return cls(
            dtype=dtype,
            shape=(len(content),) if shape is None else shape,
            sha256=hashlib.sha256(content).hexdigest(),
            payload=base64.b85encode(zlib.compress(content, level=1)).decode("ascii"),
        )

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> Blob:
        """Pack a NumPy array of numbers."""
        array = np.ascontiguousarray(array)
        return cls.from_bytes(array.tobytes(), dtype=array.dtype.str, shape=array.shape)

    def to_bytes(self) -> bytes:
        """Unpack, and check the hash.

        Raises
        ------
        StoreError
            If the payload was not loaded from the store, or is corrupt.
        """
        if not isinstance(self.payload, str):
            raise StoreError(
                "this blob's payload is still in the additional store 'data'; fetch the document with load=True"
            )
        try:
            content = zlib.decompress(base64.b85decode(self.payload))
        except (zlib.error, ValueError) as error:
            raise StoreError(f"a blob of shape {self.shape} is corrupt: {error}; fetch its document again") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise StoreError(f"a blob of shape {self.shape} is corrupt: its SHA-256 is not {self.sha256}")
        return content

    def to_array(self) -> NDArray[Any]:
        """Unpack into a new, writable NumPy array."""
        return np.frombuffer(self.to_bytes(), dtype=self.dtype).reshape(self.shape).copy()
