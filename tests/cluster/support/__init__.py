"""What the proof on a cluster needs: kubectl, images, the guide's commands, and the pipeline's tasks as Jobs."""
