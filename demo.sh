#!/bin/sh
# Two months of the lifecycle: train, promote and score, then compare a Challenger with the Champion.
set -eu

uv="${1:-uv}"
laptop() { "$uv" run --locked --no-sync laptop "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }

# Checksum of the workspace: models, runs, artifacts, and each write to a table.
sum_up() { { laptop status -o json; ls -R .laptop/artifacts .laptop/files .laptop/tables; } 2>/dev/null | cksum; }

# The demo starts from an empty workspace. It deletes the workspace of an earlier demo if that is
# unchanged; any other is moved.
if [ -s .laptop/demo ] && [ "$(cat .laptop/demo)" = "$(sum_up)" ]; then
    laptop reset --yes
elif [ -e .laptop ]; then
    kept=".laptop-$(date +%Y%m%d-%H%M%S)"
    laptop down
    mv .laptop "$kept"
    echo "Your own workspace is kept in $kept; rename it to .laptop to have it back."
fi

say "1 November 2013: refresh the features and train a first model"
laptop run --brief feature_refresh --params as_of=2013-11-01
laptop run --brief model_training --params as_of=2013-11-01

say "1 December: score November, with features as of each decision"
laptop run --brief feature_refresh --params as_of=2013-12-01
laptop run --brief batch_inference --params as_of=2013-12-01

say "Retrain with one more month of data and compare with the Champion"
laptop run --brief model_training --params as_of=2013-12-01

say "1 January 2014: score December with the Champion"
laptop run --brief feature_refresh --params as_of=2014-01-01
laptop run --brief batch_inference --params as_of=2014-01-01

say "Join labels to predictions, and assess the model in use"
laptop run --brief monitoring --params as_of=2014-01-01
laptop dashboard

say "Status"
laptop status

# [option: serving]
say "Query the endpoint with future rows"
eval "$(laptop up)"
"$uv" run --locked --no-sync python examples/ask_endpoint.py

# [end]
sum_up > .laptop/demo
say "Next"
case "$uv" in
.tools/*) echo '  export PATH="$PATH:$PWD/.tools/bin"  for the commands below: uv was installed there' ;;
esac
cat <<NEXT
  uv run laptop report     pages of the newest version
  uv run laptop ui         runs, metrics and models, in MLflow's own pages
  uv run laptop sql "SELECT * FROM dev.dev_laptop_flight_delays.predictions LIMIT 5"
  uv run laptop dashboard  traffic, quality, drift and verdicts, drawn again
  docs/monitoring.md       what the verdict on the model in use means
  docs/first-steps.md      what to change first
NEXT
