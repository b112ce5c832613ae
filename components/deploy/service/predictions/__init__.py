"""The ids of predictions, the log with summaries of them, and feedback. Import any module."""
