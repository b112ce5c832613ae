"""The theme and the parts that the pages and reports of all steps and of the studio share."""
