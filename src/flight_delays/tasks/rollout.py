"""Task: give a version traffic by degrees, beside the Champion, while nothing speaks against it."""




PROGRESS_TAG = "rollout"
PROBES = 20
