#!/bin/sh
# A year of monitoring in an hour: each month is scored, compared with what happened, and judged; a
# training runs where that helps. FAULT is SQL that breaks a table before August is scored.
set -eu

uv="${1:-uv}"
fault="${2:-}"
export LAPTOP_HOME=.laptop/year
laptop() { "$uv" run --locked --no-sync laptop "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
schema=dev.dev_laptop_flight_delays

[ ! -e "$LAPTOP_HOME" ] || laptop reset --yes

say "1 March 2013: train a first model"
export LAPTOP_NOW=2013-03-01T06:00:00
laptop run --brief feature_refresh --params as_of=2013-03-01
laptop run --brief model_training --params as_of=2013-03-01

for month in 2013-04 2013-05 2013-06 2013-07 2013-08 2013-09 2013-10 2013-11 2013-12 2014-01; do
    say "1 $month: score the month before with what was known at each decision, and judge"
    # The workspace's clock: what is scored, logged and judged is dated by it.
    export LAPTOP_NOW=$month-01T06:00:00
    laptop run --brief feature_refresh --params as_of=$month-01
    if [ -n "$fault" ] && [ $month = 2013-09 ]; then
        laptop sql "$fault"
    fi
    laptop run --brief batch_inference --params as_of=$month-01
    laptop run --brief monitoring --params as_of=$month-01
done

say "The year"
laptop sql "SELECT date(h.assessed_at) AS month, h.model_version AS champion, l.predictions, l.late,
    l.mean_score, l.cost, h.verdict, h.reason FROM $schema.model_health h LEFT JOIN (
        SELECT date(scored_at) AS day, count(*) AS predictions,
            round(avg(CAST(label AS DOUBLE)), 3) AS late, round(avg(score), 3) AS mean_score,
            round(avg(CASE WHEN label IS NULL THEN NULL WHEN prediction = label THEN 0
                WHEN prediction = '1' THEN 1 ELSE 3 END), 3) AS cost
        FROM $schema.inference_log_labelled GROUP BY date(scored_at)
    ) l ON l.day = date(h.assessed_at) ORDER BY h.assessed_at"
laptop dashboard
