#!/bin/sh
# A gradual roll-out: a new version gets 5, 25, 50 and 100 % of replayed requests.
# With a fault as an argument, such as "null_share: 0.3", it fails during the roll-out and is rolled back.
set -eu

uv="${1:-uv}"
fault="${2-}"
schema=dev.dev_laptop_flight_delays
endpoint=dev-dev_laptop_flight_delays-dev_laptop_model
export LAPTOP_HOME=.laptop/rollout
laptop() { "$uv" run --locked --no-sync laptop "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }

[ ! -e "$LAPTOP_HOME" ] || laptop reset --yes

say "1 November 2013: train a first model"
laptop run --brief feature_refresh --params as_of=2013-11-01
laptop run --brief model_training --params as_of=2013-11-01

say "1 December: train a second one; deploy starts its roll-out"
laptop run --brief feature_refresh --params as_of=2013-12-01
laptop run --brief model_training --params as_of=2013-12-01,rollout=rollout_small
laptop traffic --endpoint "$endpoint" --rate 10 --seconds 30 --allow-errors &

if [ -n "$fault" ]; then
    until laptop status -o json | grep -q '"traffic_percentage": 5$'; do sleep 1; done
    say "Inject a fault into version 2: $fault"
    echo "2: {$fault}" > "$LAPTOP_HOME/serving-faults.yml"
fi
# Waits for the run that deploy has started.
laptop run --brief rollout || true
wait

say "Decisions at each step"
laptop sql "SELECT share, decision, reason FROM $schema.rollout_steps ORDER BY decided_at"
laptop status
