"""English date formats: 24 Nov 2026, 16:05"""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
