"""The theme and the building blocks of pages and reports, shared by all steps and by the studio."""
