"""What a grid's transform does, written out: Affine's own operator is ``*`` or ``@`` by version."""

from __future__ import annotations

from affine import Affine


def at(transform: Affine, x: float, y: float) -> tuple[float, float]:
    """Return where a transform takes a point."""
    t = transform
    return x * t.a + y * t.b + t.c, x * t.d + y * t.e + t.f


def chained(outer: Affine, inner: Affine) -> Affine:
    """Return the transform that applies ``inner`` first, then ``outer``."""
    o, i = outer, inner
    return Affine(
        o.a * i.a + o.b * i.d, o.a * i.b + o.b * i.e, o.a * i.c + o.b * i.f + o.c,
        o.d * i.a + o.e * i.d, o.d * i.b + o.e * i.e, o.d * i.c + o.e * i.f + o.f,
    )  # fmt: skip
