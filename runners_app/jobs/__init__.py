"""Jobs: who waited, who ran, where and for how long. Knows no page."""
