"""A page of our own inside a notebook."""

from __future__ import annotations

import html


def notebook_frame(page: str, title: str) -> str:
    """A whole page inside another: its styles stay its own, and nothing is allowed but its script.

    Parameters
    ----------
    page
        HTML, from the doctype on.
    title
        What a screen reader says of the frame.

    Examples
    --------
    >>> notebook_frame("<p>1 < 2", "a comparison")[:71]
    '<iframe srcdoc="&lt;p&gt;1 &lt; 2" sandbox="allow-scripts" title="a com'
    """
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="{html.escape(title)}" '
        'style="width: 100%; height: 56rem; border: 0"></iframe>'
    )
