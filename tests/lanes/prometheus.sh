#!/usr/bin/env bash
# Prometheus' own tools over what we ship for it: the text of `imgcompat metrics`, the alerts (and what makes them fire), the dashboard's expressions.
set -euo pipefail
. tests/lanes/lib.sh
command -v jq >/dev/null || skip "jq is missing"
promtool=$(command -v promtool || :)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$promtool" ]; then
  # One program of a package whose daemon is not wanted here: unpacked, not installed.
  chmod 755 "$work"
  if ! { command -v apt-get && cd "$work" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb . && cd "$OLDPWD"; } >/dev/null 2>&1; then
    skip "no promtool, and the distribution's package cannot be had"
  fi
  promtool=$work/usr/bin/promtool
fi
need_built
program=$(built_directory)/imgcompat

mkdir -p "$work/node/var/log/imgcompat"
seq 200 | jq -c '(. % 20 == 0) as $bad | {time: (now | todate), container: "\(.)", engine: "podman", image: "r.example/app:1", mode: "enforce",
  verdict: (if $bad then "incompatible" else "compatible" end), cause: null, decision: (if $bad then "deny" else "allow" end),
  under_enforce: (if $bad then "deny" else "allow" end), reason: "x", duration_us: (. * 40), version: "1"}' >"$work/node/var/log/imgcompat/decisions.jsonl"
"$program" metrics --root "$work/node" >"$work/metrics"
"$promtool" check metrics <"$work/metrics"

"$promtool" check rules packaging/prometheus/alerts.yaml
cp packaging/prometheus/alerts.yaml tests/data/prometheus/alerts-test.yaml "$work/"
"$promtool" test rules "$work/alerts-test.yaml"

# The dashboard's expressions as rules, with Grafana's variables filled in.
jq '{groups: [{name: "dashboard", rules: [.panels[].targets[]?.expr | gsub("\\$__rate_interval"; "5m") | gsub("\\$instance"; ".*") | {record: "x", expr: .}] | unique}]}' \
  packaging/grafana/imgcompat.json >"$work/dashboard.yaml"
"$promtool" check rules --lint=none "$work/dashboard.yaml"
echo "summary: $("$promtool" --version 2>&1 | head -n 1 | cut -d' ' -f1-3): metrics, $(grep -c 'alert:' packaging/prometheus/alerts.yaml) alerts, $(jq '.groups[0].rules | length' "$work/dashboard.yaml") expressions of the dashboard"
