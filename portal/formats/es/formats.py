"""Spanish date formats: 24 nov 2026, 16:05"""

DATE_FORMAT = "j b Y"
DATETIME_FORMAT = "j b Y, H:i"
