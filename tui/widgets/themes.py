"""The colours of the screen, by the name that settings and palette have for them."""

from __future__ import annotations

from textual.theme import Theme

NIGHT = Theme(
    name="weakfetch",
    primary="#61afef",
    secondary="#56b6c2",
    accent="#e5c07b",
    success="#8cc570",
    warning="#e5c07b",
    error="#f07178",
    foreground="#c8ccd4",
    background="#14171c",
    surface="#14171c",
    panel="#1d2129",
    dark=True,
    variables={"rule": "#3f4754", "faint": "#858d9b", "selection": "#2b3a52"},
)
DAY = Theme(
    name="weakfetch-light",
    primary="#0550ae",
    secondary="#0a5f69",
    accent="#7a4f00",
    success="#0f5f26",
    warning="#7a4f00",
    error="#a40e26",
    foreground="#1f2328",
    background="#fbfcfd",
    surface="#fbfcfd",
    panel="#eaeef2",
    dark=False,
    variables={"rule": "#b4bcc6", "faint": "#57606a", "selection": "#d3e4f8"},
)
CONTRAST = Theme(
    name="weakfetch-contrast",
    primary="#7fd4ff",
    secondary="#66ffff",
    accent="#ffff66",
    success="#7dff7d",
    warning="#ffd24d",
    error="#ff9c9c",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    dark=True,
    variables={"rule": "#ffffff", "faint": "#e0e0e0", "selection": "#00338f"},
)
OWN = (NIGHT, DAY, CONTRAST)
THEMES = {"dark": NIGHT.name, "light": DAY.name, "ansi": "ansi-dark", "contrast": CONTRAST.name}
"""Names of Textual's themes. ansi: the terminal's own sixteen colours, which take half the bytes."""
