"""The verbs that lead to containers and clusters: images, submit, schedules."""
