"""German date formats: 24. Nov. 2026, 16:05"""

DATE_FORMAT = "j. N Y"
DATETIME_FORMAT = "j. N Y, H:i"
