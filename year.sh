#!/bin/sh
# A year of monitoring: each month is scored, joined with its labels and assessed; if quality drops, a
# training runs. From September on there is concept drift: every second late flight becomes punctual, as
# schedules are padded. Another SQL statement as an argument replaces it; "" disables it.
set -eu

uv="${1:-uv}"
schema=dev.dev_laptop_flight_delays
change="${2-UPDATE $schema.outcomes SET late = 0 WHERE late = 1 AND known_at >= '2013-09-01' AND crc32(flight_id) % 2 = 0}"
export LAPTOP_HOME=.laptop/year
laptop() { "$uv" run --locked --no-sync laptop "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }

[ ! -e "$LAPTOP_HOME" ] || laptop reset --yes

say "1 April 2013: train a first model"
# The workspace's clock.
export LAPTOP_NOW=2013-04-01T06:00:00
laptop run --brief feature_refresh --params as_of=2013-04-01
laptop run --brief model_training --params as_of=2013-04-01

for month in 2013-05 2013-06 2013-07 2013-08 2013-09 2013-10 2013-11 2013-12 2014-01; do
    say "1 $month: score the month before with features as of each decision, and assess"
    export LAPTOP_NOW=$month-01T06:00:00
    laptop run --brief feature_refresh --params as_of=$month-01
    [ -z "$change" ] || laptop sql "$change"
    laptop run --brief batch_inference --params as_of=$month-01
    # A training may end without a new Champion.
    laptop run --brief monitoring --params as_of=$month-01 || true
done

say "The year"
laptop sql "SELECT date(h.assessed_at) AS assessed, h.model_version AS champion, l.predictions, l.late,
    l.mean_score, l.cost, h.verdict, h.reason FROM $schema.model_health h LEFT JOIN (
        SELECT date(scored_at) AS day, count(*) AS predictions,
            round(avg(CAST(label AS DOUBLE)), 3) AS late, round(avg(score), 3) AS mean_score,
            round(avg(CASE WHEN label IS NULL THEN NULL WHEN prediction = label THEN 0
                WHEN prediction = '1' THEN 1 ELSE 3 END), 3) AS cost
        FROM $schema.inference_log_labelled GROUP BY date(scored_at)
    ) l ON l.day = date(h.assessed_at) ORDER BY h.assessed_at"
laptop dashboard
