"""Run folders, the one resumable training loop, devices, progress: what every long job shares."""
